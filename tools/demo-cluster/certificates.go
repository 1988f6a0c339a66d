package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// A pair is a certificate and its key, in PEM.
type pair struct{ certificate, key []byte }

// certificates are all that a cluster needs; every one is made for this start and for this start only.
type certificates struct {
	authority []byte // the certificate alone: its key is forgotten when the others are signed
	server    pair   // the API server's and kwok's
	admin     pair   // group system:masters
	tokenKey  []byte // signs ServiceAccount tokens
}

func makeCertificates() (certificates, error) {
	var made certificates
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return made, err
	}
	authority := template("kube-airlock demo cluster")
	authority.IsCA = true
	authority.BasicConstraintsValid = true
	authority.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return made, err
	}
	made.authority = pemOf("CERTIFICATE", der)

	server := template("kube-apiserver")
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	if made.server, err = sign(server, authority, authorityKey); err != nil {
		return made, err
	}

	admin := template("demo-admin")
	admin.Subject.Organization = []string{"system:masters"}
	admin.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if made.admin, err = sign(admin, authority, authorityKey); err != nil {
		return made, err
	}

	tokenKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return made, err
	}
	made.tokenKey, err = pemOfKey(tokenKey)
	return made, err
}

func template(name string) *x509.Certificate {
	now := time.Now()
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // rand.Reader never fails (crypto/rand)
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

func sign(leaf, authority *x509.Certificate, authorityKey *ecdsa.PrivateKey) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), authorityKey)
	if err != nil {
		return pair{}, err
	}
	keyPEM, err := pemOfKey(key)
	return pair{pemOf("CERTIFICATE", der), keyPEM}, err
}

func pemOfKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	return pemOf("EC PRIVATE KEY", der), err
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// write puts into files what the components read from files.
func (c certificates) write(path func(name string) string) error {
	for name, content := range map[string][]byte{
		authorityFile: c.authority,
		serverFile:    c.server.certificate,
		serverKeyFile: c.server.key,
		tokenKeyFile:  c.tokenKey,
	} {
		if err := os.WriteFile(path(name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// client is the TLS side of a caller of the API server; a zero pair brings no certificate.
func (c certificates) client(own pair) (*tls.Config, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.authority)
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}
	if own.certificate != nil {
		certificate, err := tls.X509KeyPair(own.certificate, own.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}
