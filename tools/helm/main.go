// helm, as `main` of its cmd/helm (v4.3.2) builds it, but for a few lines: it can be started before there is a
// request (tools/warm).
package main

import (
	"errors"
	"log/slog"
	"os"

	"helm.sh/helm/v4/pkg/cmd"
	"helm.sh/helm/v4/pkg/kube"
	"k8s.io/client-go/discovery/cached/disk"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // as upstream's main does

	"kube-airlock.dev/tools/warm"
)

func main() {
	if cache := warm.WaitWithCache(); cache != nil {
		disk.Cache = cache
	}
	// What managedFields name as the manager, whatever the program is called.
	kube.ManagedFieldsManager = "helm"

	root, err := cmd.NewRootCmd(os.Stdout, os.Args[1:], cmd.SetupLogging)
	if err != nil {
		slog.Warn("command failed", slog.Any("error", err))
		os.Exit(1)
	}
	if err := root.Execute(); err != nil {
		if of, ok := errors.AsType[cmd.CommandError](err); ok {
			os.Exit(of.ExitCode)
		}
		os.Exit(1)
	}
}
