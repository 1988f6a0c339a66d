// Says how istioctl would read an argv (package oracle). Built and asked by tests/differential.
package main

import (
	stdlog "log"
	"os"

	"istio.io/istio/istioctl/cmd"
	"istio.io/istio/pkg/log"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as istioctl's main does

	"github.com/spf13/cobra"

	"kube-airlock.dev/tools/catalogue/oracle"
)

func main() {
	if err := cmd.ConfigAndEnvProcessing(); err != nil {
		stdlog.Fatal("istioctl: ", err)
	}
	log.EnableKlogWithCobra() // adds --vklog to the flags of the process, which cobra adds to every root
	root := func() *cobra.Command { return cmd.GetRootCmd(nil) }
	if err := oracle.Serve(os.Stdin, os.Stdout, oracle.Tool{Root: root}); err != nil {
		stdlog.Fatal("istioctl: ", err)
	}
}
