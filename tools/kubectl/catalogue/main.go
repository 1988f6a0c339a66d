// Prints the catalogue of kubectl: its command tree as `main` of kubernetes' cmd/kubectl builds it,
// without plugins and without the caller's preferences. Run it by tools/catalogue/generate.
package main

import (
	"io"
	"log"
	"os"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as kubectl's main does
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"

	"kube-airlock.dev/tools/catalogue"
)

var version string // linked in by tools/catalogue/generate

func main() {
	// No Arguments: with them kubectl reads its preferences file and may exit.
	root := cmd.NewKubectlCommand(cmd.KubectlOptions{
		IOStreams: genericiooptions.IOStreams{In: os.Stdin, Out: io.Discard, ErrOut: io.Discard},
	})
	// What k8s.io/component-base/cli.Run does before Execute; -v and --vmodule come from here.
	root.SetGlobalNormalizationFunc(cliflag.WordSepNormalizeFunc)
	logs.AddFlags(root.PersistentFlags())
	if err := catalogue.Print(os.Stdout, "kubectl", version, root, "k8s.io/kubectl", "k8s.io/cli-runtime"); err != nil {
		log.Fatal("kubectl: ", err)
	}
}
