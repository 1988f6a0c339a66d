package main

import (
	"encoding/base64"
	"fmt"
	"os"
)

// A kubeconfig names one cluster, one user and one context, and no file: it works wherever it is sent.
const kubeconfigText = `apiVersion: v1
kind: Config
clusters:
- name: demo
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
%scontexts:
- name: demo
  context:
    cluster: demo
    user: %s
current-context: demo
`

func writeAdminKubeconfig(path, server string, made certificates) error {
	credentials := fmt.Sprintf("    client-certificate-data: %s\n    client-key-data: %s\n",
		base64.StdEncoding.EncodeToString(made.admin.certificate), base64.StdEncoding.EncodeToString(made.admin.key))
	return writeKubeconfig(path, server, made.authority, "admin", credentials)
}

func writeTokenKubeconfig(path, server string, made certificates, user, token string) error {
	return writeKubeconfig(path, server, made.authority, user, fmt.Sprintf("    token: %s\n", token))
}

func writeKubeconfig(path, server string, authority []byte, user, credentials string) error {
	text := fmt.Sprintf(kubeconfigText, server, base64.StdEncoding.EncodeToString(authority), user, credentials, user)
	return os.WriteFile(path, []byte(text), 0o600)
}
