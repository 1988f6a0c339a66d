package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Names of files in the cluster's directory, which is also every component's working directory.
const (
	adminKubeconfig = "admin.kubeconfig"
	viewKubeconfig  = "view.kubeconfig"
	authorityFile   = "ca.crt"
	serverFile      = "server.crt"
	serverKeyFile   = "server.key"
	tokenKeyFile    = "tokens.key"
	etcdData        = "etcd"
	etcdSocket      = "etcd.sock"
	etcdPeerSocket  = "etcd-peer.sock"
	kwokConfig      = "kwok.yaml"
	podLog          = "pod.log"
)

// A cluster is the five components, what was asked for with them, and what they share.
type cluster struct {
	bin, dir   string
	with       extras
	started    time.Time
	end        context.CancelCauseFunc
	apiPort    int
	kwokPort   int
	argocdPort int
	istio      istioPorts
	processes  []*process // in the order of their start
	argocd     *argocd    // nil unless it was asked for
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }
func (c *cluster) server() string          { return "https://127.0.0.1:" + strconv.Itoa(c.apiPort) }

// say tells a person what is done, and when.
func (c *cluster) say(what string) {
	say("%s (%.1f s)", what, time.Since(c.started).Seconds())
}

// start returns when the pods run and both kubeconfigs work. It must run on the main thread.
func (c *cluster) start(ctx context.Context, base int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("it was not ready after 3 minutes"))
	defer cancel()
	if err := c.choosePorts(base); err != nil {
		return err
	}
	made, err := makeCertificates()
	if err != nil {
		return err
	}
	if err := made.write(c.path); err != nil {
		return err
	}
	if err := writeAdminKubeconfig(c.path(adminKubeconfig), c.server(), made); err != nil {
		return err
	}
	var forward string
	if c.with.istio {
		forward = c.istio.kwokForward()
	}
	if err := writeKwokFiles(c.path(kwokConfig), forward, c.path(podLog)); err != nil {
		return err
	}

	if err := c.startEtcd(ctx); err != nil {
		return err
	}
	c.say("etcd is up")
	admin, err := newAPI(c.server(), made, made.admin, "")
	if err != nil {
		return err
	}
	if err := c.startAPIServer(ctx, admin); err != nil {
		return err
	}
	c.say("API server is up")
	if err := c.startKwok(); err != nil {
		return err
	}
	if err := c.startScheduler(); err != nil {
		return err
	}
	if err := seed(ctx, admin); err != nil {
		return err
	}
	if c.with.argocd {
		// The API server takes seconds to serve these, in which the pods come to run.
		if err := seedCRDs(ctx, admin, filepath.Join(c.bin, argocdCRDs)); err != nil {
			return err
		}
	}
	if c.with.istio {
		if err := c.seedIstioCRDs(ctx, admin); err != nil {
			return err
		}
	}
	c.say("the objects are created")
	if err := c.startControllerManager(ctx, admin); err != nil {
		return err
	}
	if err := podsRun(ctx, admin); err != nil {
		return err
	}
	c.say("all pods are running")
	if err := seedMetrics(ctx, admin); err != nil {
		return err
	}
	token, err := mintToken(ctx, admin)
	if err != nil {
		return err
	}
	if err := writeTokenKubeconfig(c.path(viewKubeconfig), c.server(), made, "agent", token); err != nil {
		return err
	}
	agent, err := newAPI(c.server(), made, pair{}, token)
	if err != nil {
		return err
	}
	if err := agentMayRead(ctx, agent); err != nil {
		return err
	}
	err = poll(ctx, "the API server did not become ready", func() error {
		_, err := admin.get(ctx, "/readyz")
		return err
	})
	if err != nil {
		return err
	}
	if c.with.argocd {
		if c.argocd, err = c.startArgoCD(ctx, admin, made); err != nil {
			return err
		}
		c.say("Argo CD is up and has synced")
	}
	if c.with.istio {
		if err := c.startIstio(ctx, admin); err != nil {
			return err
		}
		c.say("istiod is up")
	}
	return nil
}

func (c *cluster) stop() {
	if len(c.processes) == 0 {
		return
	}
	stopProcesses(c.processes)
	c.say("it is gone")
}

// choosePorts takes those that were asked for, or some that are free now. etcd needs none, it listens
// on sockets in the directory, and the controller manager and the scheduler do not listen at all.
func (c *cluster) choosePorts(base int) error {
	asked := []int{base, base + 1, base + 2, 0, 0, 0, 0, 0, 0, 0}
	if base == 0 {
		asked = make([]int, len(asked))
	}
	if !c.with.argocd {
		asked[2] = 0
	}
	chosen, err := freePorts(asked...)
	if err != nil {
		return err
	}
	c.apiPort, c.kwokPort, c.argocdPort = chosen[0], chosen[1], chosen[2]
	c.istio = istioPorts{
		http: chosen[3], https: chosen[4], grpc: chosen[5], secureGRPC: chosen[6], monitoring: chosen[7],
		control: chosen[8], proxyAdmin: chosen[9],
	}
	return nil
}

// freePorts are those that were asked for, if they are free, and any free one for each 0. Those are below the ports that
// the kernel gives to connections (ip(7), ip_local_port_range): a component may listen half a minute later.
func freePorts(asked ...int) ([]int, error) {
	const first, last, attempts = 10000, 32767, 100
	var chosen []int
	for _, port := range asked {
		var listener net.Listener
		var err error
		for range attempts {
			wanted := port
			if port == 0 {
				wanted = first + rand.IntN(last-first+1)
			}
			listener, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", wanted))
			if err == nil || port != 0 {
				break
			}
		}
		if err != nil {
			return nil, fmt.Errorf("a port is not free: %w", err)
		}
		// Held until all are chosen, so that each is another one.
		defer listener.Close()
		chosen = append(chosen, listener.Addr().(*net.TCPAddr).Port)
	}
	return chosen, nil
}

func (c *cluster) startComponent(name string, arguments ...string) error {
	// PATH is for the programs that `kubectl exec` names; the components themselves start nothing.
	environment := []string{"PATH=/usr/bin:/bin", "HOME=" + c.dir, "TMPDIR=" + c.dir}
	return c.startProgram(name, name, environment, arguments)
}

// startProgram starts a component by a name that is not its binary's, or in an environment of its own.
func (c *cluster) startProgram(binary, name string, environment, arguments []string) error {
	p, err := startProcess(filepath.Join(c.bin, binary), name, c.dir, environment, c.path(name+".log"), arguments,
		func(d *componentDied) { c.end(d) })
	if err == nil {
		c.processes = append(c.processes, p)
	}
	return err
}

// startEtcd has it listen on sockets in a directory that only this user may enter: no port, and no way
// around the API server's authorisation for other users of the machine. The names are relative because
// a socket's path has at most 107 bytes (unix(7)).
func (c *cluster) startEtcd(ctx context.Context) error {
	client, peer := "unix://"+etcdSocket, "unix://"+etcdPeerSocket
	err := c.startComponent("etcd",
		"--name=demo", "--data-dir="+etcdData, "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=demo="+peer,
		// The data does not outlive the process, so it need not survive a power cut.
		"--unsafe-no-fsync",
	)
	if err != nil {
		return err
	}
	// An API server that finds no etcd waits a second before it asks again (gRPC's first backoff).
	return poll(ctx, "etcd did not start to listen", func() error {
		_, err := os.Stat(c.path(etcdSocket))
		return err
	})
}

func (c *cluster) startAPIServer(ctx context.Context, admin *api) error {
	err := c.startComponent("kube-apiserver",
		"--etcd-servers=unix://"+etcdSocket,
		"--bind-address=127.0.0.1", "--secure-port="+strconv.Itoa(c.apiPort),
		"--tls-cert-file="+serverFile, "--tls-private-key-file="+serverKeyFile, "--cert-dir="+c.dir,
		"--client-ca-file="+authorityFile, "--kubelet-certificate-authority="+authorityFile,
		"--anonymous-auth=false", "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+tokenKeyFile, "--service-account-signing-key-file="+tokenKeyFile,
		"--service-cluster-ip-range=10.96.0.0/16",
		// The API refuses Endpoints with a loopback address; nothing here needs those of `kubernetes`.
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		// Its taint on new nodes goes once the controller manager saw them ready: a second of waiting.
		"--disable-admission-plugins=TaintNodesByCondition",
		"--enable-priority-and-fairness=false", "--profiling=false",
	)
	if err != nil {
		return err
	}
	// Well before it calls itself ready it serves those who need no RBAC, and system:masters do not.
	return poll(ctx, "the API server did not start to serve", func() error {
		_, err := admin.get(ctx, "/api/v1/namespaces")
		return err
	})
}

func (c *cluster) startKwok() error {
	port := strconv.Itoa(c.kwokPort)
	return c.startComponent("kwok",
		"--config="+kwokConfig, "--kubeconfig="+adminKubeconfig,
		"--node-ip=127.0.0.1", "--node-port="+port, "--server-address=127.0.0.1:"+port,
		"--tls-cert-file="+serverFile, "--tls-private-key-file="+serverKeyFile,
	)
}

// There is one scheduler and one controller manager, so neither takes part in an election; port 0 is
// none; and the rates are for a start in one breath.
var controllerArguments = []string{
	"--kubeconfig=" + adminKubeconfig, "--leader-elect=false", "--secure-port=0",
	"--kube-api-qps=500", "--kube-api-burst=500", "--profiling=false",
}

func (c *cluster) startScheduler() error {
	return c.startComponent("kube-scheduler", controllerArguments...)
}

func (c *cluster) startControllerManager(ctx context.Context, admin *api) error {
	// It looks at this once a second until it is well: looking for it more often is quicker.
	err := poll(ctx, "the API server did not become healthy", func() error {
		_, err := admin.get(ctx, "/healthz")
		return err
	})
	if err != nil {
		return err
	}
	return c.startComponent("kube-controller-manager", append([]string{
		"--service-account-private-key-file=" + tokenKeyFile, "--root-ca-file=" + authorityFile,
		"--allocate-node-cidrs=false",
	}, controllerArguments...)...)
}

// poll asks until there is no error, or until the context ends; then it tells the last one.
func poll(ctx context.Context, failure string, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; %w", failure, err, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
