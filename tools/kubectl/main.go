// kubectl, as `main` of kubernetes' cmd/kubectl (v1.37.2) builds it, but for a few lines: it can be started before there
// is a request (tools/warm).
package main

import (
	"os"

	"k8s.io/client-go/discovery/cached/disk"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as upstream's main does
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"

	"kube-airlock.dev/tools/warm"
)

func main() {
	if cache := warm.WaitWithCache(); cache != nil {
		disk.Cache = cache
	}
	// Plugins and preferences are looked for before argv is parsed, and this is the level of what they log.
	logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
