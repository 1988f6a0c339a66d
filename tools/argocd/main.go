// argocd, as `main` of its cmd (v3.6.1) builds it under the name argocd, but for one line: it can be started before
// there is a request (tools/warm). Under other names upstream's program is one of Argo CD's servers. This is
// none of them, and does not hold those of their packages that argocd does without.
package main

import (
	"errors"
	"os"
	"os/exec"

	"github.com/argoproj/argo-cd/v3/cmd/argocd/commands"
	"github.com/argoproj/argo-cd/v3/util/grpc"
	"github.com/argoproj/argo-cd/v3/util/log"
	"k8s.io/klog/v2"

	"kube-airlock.dev/tools/warm"
)

func init() {
	klog.SetLogger(log.NewLogrusLogger(log.NewWithCurrentConfig()))
}

func main() {
	warm.Wait()
	// A workaround for a bug of gRPC's.
	grpc.DisableSRVLookups()
	command := commands.NewCommand()
	// The plugin handler prints them.
	command.SilenceErrors = true
	command.SilenceUsage = true
	err := command.Execute()
	if err == nil {
		return
	}
	message, err := commands.NewDefaultPluginHandler().HandleCommandExecutionError(err, true, os.Args)
	if err == nil {
		return
	}
	os.Stdout.WriteString(message)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(exit.ExitCode())
	}
	os.Exit(1)
}
