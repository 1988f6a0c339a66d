// Command demo-cluster runs a throw-away Kubernetes control plane on loopback: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler, and kwok, which plays two nodes and their pods. Argo CD and
// istiod come with them on request.
//
// It prints one line of JSON when the cluster is ready and lives until it is told to end, its parent
// dies or, with --until-stdin-closes, its standard input closes. Then nothing is left: no process and,
// unless --dir named a directory that was there before, no file.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const helpText = `usage: demo-cluster --bin DIR [--dir DIR] [--ports BASE|auto] [--with NAME,...] [--until-stdin-closes]

  --bin DIR             folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok
  --dir DIR             where the cluster keeps its files; kept at the end if it was there before
                        (default: a fresh temporary directory, removed at the end)
  --ports BASE|auto     the API server listens on BASE, kwok on BASE+1 and Argo CD on BASE+2 (default: auto,
                        free ones)
  --with argocd,istio   start one or both: Argo CD, with an Application that is synced into the cluster, and
                        istiod, which istioctl reaches through a pod of the Deployment istio-system/istiod
  --until-stdin-closes  end when standard input reaches its end, for a caller that holds the other side

standard output is one line of JSON, printed when the cluster is ready; progress goes to standard error.
It ends on SIGINT, SIGTERM and SIGHUP, and when its parent dies. Exit status: 0 after such an end,
1 if it could not become ready or a component died, 2 for a wrong command line.
`

type options struct {
	bin, dir         string
	base             int // 0 means free ports
	with             extras
	untilStdinCloses bool
}

// extras are what --with names.
type extras struct{ argocd, istio bool }

func init() {
	// Pdeathsig fires when the thread that started the child ends, and prctl(2) settings belong to the
	// thread that made them. The main thread lives as long as the process, so main stays on it.
	runtime.LockOSThread()
}

func main() {
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(helpText)
		return
	case err != nil:
		say("%v; see --help", err)
		os.Exit(2)
	}
	// Logs, keys and sockets are the business of this user alone.
	syscall.Umask(0o077)
	if err := run(opts); err != nil {
		say("%v", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	var opts options
	var ports, with string
	flags := flag.NewFlagSet("demo-cluster", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&opts.bin, "bin", "", "")
	flags.StringVar(&opts.dir, "dir", "", "")
	flags.StringVar(&ports, "ports", "auto", "")
	flags.StringVar(&with, "with", "", "")
	flags.BoolVar(&opts.untilStdinCloses, "until-stdin-closes", false, "")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	if flags.NArg() > 0 {
		return opts, fmt.Errorf("`%s` is not an option", flags.Arg(0))
	}
	if opts.bin == "" {
		return opts, errors.New("--bin is required: the folder that `tools/build --bin` prints")
	}
	if ports != "auto" {
		base, err := strconv.Atoi(ports)
		if err != nil || base < 1024 || base > 65533 {
			return opts, fmt.Errorf("--ports is `auto` or a number from 1024 to 65533, not `%s`", ports)
		}
		opts.base = base
	}
	for name := range strings.SplitSeq(with, ",") {
		switch name {
		case "":
		case "argocd":
			opts.with.argocd = true
		case "istio":
			opts.with.istio = true
		default:
			return opts, fmt.Errorf("--with is `argocd`, `istio` or `argocd,istio`, not `%s`", name)
		}
	}
	// Children run in the cluster's directory, where a relative path would mean something else.
	for _, path := range []*string{&opts.bin, &opts.dir} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return opts, err
		}
		*path = absolute
	}
	return opts, nil
}

// ready is the line on standard output.
type ready struct {
	Ready           bool    `json:"ready"`
	Dir             string  `json:"dir"`
	Server          string  `json:"server"`
	AdminKubeconfig string  `json:"admin_kubeconfig"`
	ViewKubeconfig  string  `json:"view_kubeconfig"`
	Argocd          *argocd `json:"argocd,omitempty"`
	Seconds         float64 `json:"seconds"`
}

// run is the whole life of one cluster. A nil error is an end that someone asked for after it was ready.
func run(opts options) error {
	started := time.Now()
	ctx, end := context.WithCancelCause(context.Background())
	watchForTheEnd(end, opts.untilStdinCloses)

	if err := findBinaries(opts.bin, opts.with); err != nil {
		return err
	}
	sweepStaleDirectories(os.TempDir())
	dir, err := openDirectory(opts.dir)
	if err != nil {
		return err
	}
	defer dir.close()

	c := &cluster{bin: opts.bin, dir: dir.path, with: opts.with, started: started, end: end}
	err = c.start(ctx, opts.base)
	if err == nil {
		line, _ := json.Marshal(ready{
			Ready:           true,
			Dir:             dir.path,
			Server:          c.server(),
			AdminKubeconfig: c.path(adminKubeconfig),
			ViewKubeconfig:  c.path(viewKubeconfig),
			Argocd:          c.argocd,
			Seconds:         float64(time.Since(started).Milliseconds()) / 1000,
		})
		// A reader that went away is no reason to fail: its death or its closed pipe ends us in order.
		_, _ = os.Stdout.Write(append(line, '\n'))
		c.say("it is ready")
		<-ctx.Done()
	}

	if err != nil && len(c.processes) > 0 {
		// A call fails a moment before we hear of the death that made it fail.
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
	// What made it end comes before what then failed because of it.
	cause := context.Cause(ctx)
	var died *componentDied
	if errors.As(cause, &died) {
		say("%v; the end of %s:\n%s", died, died.log, tail(died.log, 20))
	} else if cause != nil {
		say("%v; taking everything down", cause)
	}
	c.stop()
	switch {
	case died != nil:
		return errors.New("ended because a component died")
	case err != nil && cause != nil:
		return errors.New("ended before it was ready")
	}
	return err
}

func findBinaries(bin string, with extras) error {
	if err := findGroup(bin, "cluster", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"); err != nil {
		return err
	}
	if with.istio {
		if err := findGroup(bin, "istio-server", "istioctl", "pilot-discovery"); err != nil {
			return err
		}
	}
	if !with.argocd {
		return nil
	}
	if _, err := exec.LookPath("git"); err != nil {
		return fmt.Errorf("Argo CD reads its repositories with `git`, so install git: %w", err)
	}
	return findGroup(bin, "argocd-server", "argocd-servers", argocdCRDs, "miniredis")
}

// findGroup says which of a group of tools/build is missing. A folder of manifests is as good as a program.
func findGroup(bin, group string, names ...string) error {
	var missing []string
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(bin, name)); err != nil || info.Mode()&0o111 == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s has no %s; `tools/build %s` builds what is missing", bin, strings.Join(missing, ", "), group)
	}
	return nil
}

// say writes one message for a person.
func say(format string, words ...any) {
	fmt.Fprintf(os.Stderr, "demo cluster: "+format+"\n", words...)
}
