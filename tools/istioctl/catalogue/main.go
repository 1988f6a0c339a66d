// Prints the catalogue of istioctl: its command tree as `main` of istio's istioctl/cmd/istioctl
// builds it. Run it by tools/catalogue/generate.
package main

import (
	stdlog "log"
	"os"

	"istio.io/istio/istioctl/cmd"
	"istio.io/istio/pkg/log"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as istioctl's main does

	"kube-airlock.dev/tools/catalogue"
)

var version string // linked in by tools/catalogue/generate

func main() {
	if err := cmd.ConfigAndEnvProcessing(); err != nil {
		stdlog.Fatal("istioctl: ", err)
	}
	root := cmd.GetRootCmd(nil)
	log.EnableKlogWithCobra() // adds --vklog to the flags of the process, which cobra adds to the root
	if err := catalogue.Print(os.Stdout, "istioctl", version, root, "istio.io/istio", "k8s.io/cli-runtime"); err != nil {
		stdlog.Fatal("istioctl: ", err)
	}
}
