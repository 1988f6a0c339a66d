// Says what client-go makes of a kubeconfig: where it would connect, whom it would trust and how it
// would identify itself. A line of JSON with a [question] comes in, one with a [reading] goes out.
// Files are read where the question is a file's path, and nothing is sent. Built and asked by tests/differential/kubeconfig.rs.
package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"path"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// question has what a tool gets as `--kubeconfig` and `--context`; an empty context is the file's own. A kubeconfig
// at a path may refer to files.
type question struct {
	Kubeconfig []byte
	Path       string
	Context    string
}

type reading struct {
	Scheme, Host, Port, Path, TLSServerName string
	Insecure                                bool
	Authorities                             [][]byte
	Token, Username, Password               string
	Certificates                            [][]byte
	Key                                     []byte
	Impersonate                             rest.ImpersonationConfig
	Namespace, Plugin                       string
	// TLSError is why client-go would not connect, Error why it does not come that far.
	TLSError, Error string
}

func main() {
	answers := json.NewEncoder(os.Stdout)
	if len(os.Args) > 1 && os.Args[1] == "keys" {
		printKeys(answers)
		return
	}
	for questions := json.NewDecoder(os.Stdin); questions.More(); {
		var asked question
		must(questions.Decode(&asked))
		read, err := resolve(asked)
		if err != nil {
			read.Error = err.Error()
		}
		must(answers.Encode(read))
	}
}

func resolve(asked question) (read reading, err error) {
	file, err := load(asked)
	if err != nil {
		return read, err
	}
	// As the tools' loader does (client-go v0.37.2 tools/clientcmd/merged_client_builder.go, createClientConfig).
	client := clientcmd.NewNonInteractiveClientConfig(*file, asked.Context, &clientcmd.ConfigOverrides{CurrentContext: asked.Context}, nil)
	config, err := client.ClientConfig()
	if err != nil {
		return read, err
	}
	if read.Namespace, _, err = client.Namespace(); err != nil {
		return read, err
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return read, err
	}
	// The path as client-go v0.37.2 rest/request.go, NewRequest, joins it with that of a resource.
	read.Scheme, read.Host, read.Port, read.Path = base.Scheme, base.Hostname(), base.Port(), path.Join("/", base.Path)
	if err := rest.LoadTLSFiles(config); err != nil {
		return read, err
	}
	read.TLSServerName, read.Insecure, read.Authorities = config.ServerName, config.Insecure, certificates(config.CAData)
	read.Token, read.Username, read.Password, read.Impersonate = config.BearerToken, config.Username, config.Password, config.Impersonate
	if config.BearerTokenFile != "" {
		if read.Token, err = sent(config); err != nil {
			return read, err
		}
	}
	if config.ExecProvider != nil {
		read.Plugin = config.ExecProvider.Command
		config.ExecProvider = nil // a transport would prepare to run it
	}
	read.Certificates = certificates(config.CertData)
	if err := identify(config, &read); err != nil {
		read.TLSError = err.Error()
	}
	return read, nil
}

func load(asked question) (*api.Config, error) {
	if asked.Path != "" {
		return (&clientcmd.ClientConfigLoadingRules{ExplicitPath: asked.Path}).Load()
	}
	file, err := clientcmd.Load(asked.Kubeconfig)
	if err != nil {
		return nil, err
	}
	for _, cluster := range file.Clusters {
		if cluster.CertificateAuthority != "" {
			return nil, errors.New("a cluster names a file")
		}
	}
	for _, user := range file.AuthInfos {
		if user.TokenFile+user.ClientCertificate+user.ClientKey != "" {
			return nil, errors.New("a user names a file")
		}
	}
	return file, nil
}

// sent is the token that a request would carry: of a file and a token beside it, which one is the transport's to say.
func sent(config *rest.Config) (token string, err error) {
	bare := rest.CopyConfig(config)
	bare.ExecProvider = nil
	wire := wire(func(request *http.Request) {
		token = strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
	})
	layers, err := rest.HTTPWrappersForConfig(bare, wire)
	if err != nil {
		return "", err
	}
	request, err := http.NewRequest(http.MethodGet, "https://nowhere.invalid", nil)
	if err != nil {
		return "", err
	}
	_, err = layers.RoundTrip(request)
	return token, err
}

// wire is where a request ends.
type wire func(*http.Request)

func (w wire) RoundTrip(request *http.Request) (*http.Response, error) {
	w(request)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: request}, nil
}

// identify puts in what a server would be shown.
func identify(config *rest.Config, read *reading) error {
	transport, err := rest.TLSConfigFor(config)
	if err != nil || transport == nil || transport.GetClientCertificate == nil {
		return err
	}
	shown, err := transport.GetClientCertificate(nil)
	if err != nil {
		return err
	}
	read.Certificates = shown.Certificate
	read.Key, err = x509.MarshalPKCS8PrivateKey(shown.PrivateKey)
	return err
}

// certificates are those that a pool would take, by the rules of AppendCertsFromPEM.
func certificates(data []byte) (found [][]byte) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" && len(block.Headers) == 0 {
			found = append(found, block.Bytes)
		}
	}
	return found
}
