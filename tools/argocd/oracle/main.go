// Says how argocd would read an argv (package oracle). Built and asked by tests/differential.
package main

import (
	"log"
	"os"

	"github.com/argoproj/argo-cd/v3/cmd/argocd/commands"

	"kube-airlock.dev/tools/catalogue/oracle"
)

func main() {
	// NewCommand is fatal without HOME.
	if err := oracle.Serve(os.Stdin, os.Stdout, oracle.Tool{Root: commands.NewCommand}); err != nil {
		log.Fatal("argocd: ", err)
	}
}
