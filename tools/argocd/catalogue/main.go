// Prints the catalogue of argocd: the command tree that argo-cd's cmd builds when it runs under the
// name argocd. Run it by tools/catalogue/generate.
package main

import (
	"log"
	"os"

	"github.com/argoproj/argo-cd/v3/cmd/argocd/commands"

	"kube-airlock.dev/tools/catalogue"
)

var version string // linked in by tools/catalogue/generate

func main() {
	root := commands.NewCommand() // fatal without HOME
	if err := catalogue.Print(os.Stdout, "argocd", version, root, "github.com/argoproj/argo-cd/v3"); err != nil {
		log.Fatal("argocd: ", err)
	}
}
