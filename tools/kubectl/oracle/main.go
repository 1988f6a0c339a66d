// Says how kubectl would read an argv (package oracle), and what its scans would find that look at
// argv before cobra does. Built and asked by tests/differential.
package main

import (
	"io"
	"log"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as kubectl's main does
	cliflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"

	"kube-airlock.dev/tools/catalogue/oracle"
)

func main() {
	if err := oracle.Serve(os.Stdin, os.Stdout, oracle.Tool{Root: root, EarlyScan: earlyScan}); err != nil {
		log.Fatal("kubectl: ", err)
	}
}

// root is the tree of tools/kubectl/catalogue.
func root() *cobra.Command {
	root := cmd.NewKubectlCommand(cmd.KubectlOptions{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: io.Discard, ErrOut: io.Discard},
	})
	root.SetGlobalNormalizationFunc(cliflag.WordSepNormalizeFunc)
	logs.AddFlags(root.PersistentFlags())
	return root
}

// earlyScan is the first thing that kubectl takes from argv without parsing it: the level of its
// log, the file of preferences, a plugin. All three look at words that are values and operands too.
func earlyScan(root *cobra.Command, argv []string, _ oracle.Reading) string {
	if level := cmd.GetLogVerbosity(argv); level != "0" {
		return "log level " + level
	}
	if word := kuberc(argv); word != "" {
		return "preferences in " + word
	}
	return plugin(root, argv[1:])
}

// kuberc is the word that kubectl would take the path of its preferences from, were they not off
// (k8s.io/kubectl v0.37.2 pkg/kuberc/kuberc.go, getExplicitKuberc, which is not exported).
func kuberc(argv []string) string {
	for _, word := range argv {
		if word == "--" {
			return ""
		}
		if word == "--kuberc" || strings.Contains(word, "--kuberc=") {
			return word
		}
	}
	return ""
}

// plugin is the name of the first program that kubectl would look for on PATH
// (k8s.io/kubectl v0.37.2 pkg/cmd/cmd.go, NewDefaultKubectlCommandWithArgs).
func plugin(root *cobra.Command, args []string) string {
	found, rest, err := root.Find(args)
	if err != nil {
		return "plugin for " + strings.Join(args, " ")
	}
	if !cmd.IsSubcommandPluginAllowed(found.Name()) || len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return ""
	}
	for _, child := range found.Commands() {
		if child.Name() == rest[0] {
			return ""
		}
	}
	return "plugin for " + found.Name() + " " + rest[0]
}
