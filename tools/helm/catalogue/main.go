// Prints the catalogue of helm: its command tree as `main` of helm's cmd/helm builds it, without
// plugins. Run it by tools/catalogue/generate.
package main

import (
	"io"
	"log"
	"os"

	helmcmd "helm.sh/helm/v4/pkg/cmd"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as helm's main does

	"kube-airlock.dev/tools/catalogue"
)

var version string // linked in by tools/catalogue/generate

func main() {
	root, err := helmcmd.NewRootCmd(io.Discard, nil, func(bool) {})
	if err != nil {
		log.Fatal("helm: ", err)
	}
	if err := catalogue.Print(os.Stdout, "helm", version, root, "helm.sh/helm/v4", "k8s.io/cli-runtime"); err != nil {
		log.Fatal("helm: ", err)
	}
}
