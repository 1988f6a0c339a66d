package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"log"
)

// printKeys prints keys that the test's own library does not make: RSA, and the forms that kubeadm and
// openssl write, each beside its PKCS #8.
func printKeys(out *json.Encoder) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	printKey(out, key, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		must(err)
		older, err := x509.MarshalECPrivateKey(key)
		must(err)
		printKey(out, key, "EC PRIVATE KEY", older)
	}
}

func printKey(out *json.Encoder, key any, label string, older []byte) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(err)
	text := func(label string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
	}
	must(out.Encode(map[string]string{"pkcs8": text("PRIVATE KEY", der), "older": text(label, older)}))
}

func must(err error) {
	if err != nil {
		log.Fatal("kubeconfig-oracle: ", err)
	}
}
