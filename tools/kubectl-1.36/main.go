// kubectl as `main` of kubernetes' cmd/kubectl builds it (v1.36.4 and v1.37.2, which are alike): the
// module k8s.io/kubernetes is not to be had for every patch version, and k8s.io/kubectl has the rest.
package main

import (
	"os"

	_ "k8s.io/client-go/plugin/pkg/client/auth" // as kubectl's main does
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	// Plugins and preferences are looked for before argv is parsed, and this is the level of what they log.
	logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
