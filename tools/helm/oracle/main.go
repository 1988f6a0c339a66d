// Says how helm would read an argv (package oracle), and whether the scan for global flags that it
// makes before would find others. Built and asked by tests/differential.
package main

import (
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	helmcmd "helm.sh/helm/v4/pkg/cmd"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as helm's main does

	"kube-airlock.dev/tools/catalogue/oracle"
)

func main() {
	slog.SetLogLoggerLevel(slog.LevelError) // some values of flags are deprecated, and helm says so
	if err := oracle.Serve(os.Stdin, os.Stdout, oracle.Tool{Root: root, EarlyScan: earlyScan}); err != nil {
		log.Fatal("helm: ", err)
	}
}

// last is the tree before this one.
var last *cobra.Command

// root is the tree of tools/helm/catalogue. helm keeps its settings in a variable of the package, so
// what the last tree parsed is the default of this one; of a wrong colour none can be built.
func root() *cobra.Command {
	if last != nil {
		if err := last.PersistentFlags().Set("color", "never"); err != nil {
			log.Fatal("helm: ", err)
		}
	}
	root, err := helmcmd.NewRootCmd(io.Discard, nil, func(bool) {})
	if err != nil {
		log.Fatal("helm: ", err)
	}
	last = root
	return root
}

// earlyScan is the first global flag that helm takes from argv while it builds its tree and that is
// not among those of the reading (helm v4.3.2 pkg/cmd/root.go, newRootCmdWithConfig). The set of
// flags is the one it parses with; it skips flags that it does not know, and goes on.
func earlyScan(root *cobra.Command, argv []string, reading oracle.Reading) string {
	extra := ""
	// An error ends the scan, and helm ignores it.
	_ = root.PersistentFlags().ParseAll(argv[1:], func(flag *pflag.Flag, value string) error {
		if extra == "" && !slices.Contains(reading.Flags[flag.Name], value) {
			extra = fmt.Sprintf("--%s=%s", flag.Name, value)
		}
		return nil
	})
	return extra
}
