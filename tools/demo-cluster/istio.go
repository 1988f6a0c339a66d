package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// istiod's objects in the cluster.
//
//go:embed istio
var istioFiles embed.FS

const istioDir = "istio" // in the cluster's directory: istiod's mesh configuration

// istioPorts are those of the pod that kwok forwards, and where the process listens for each.
type istioPorts struct{ http, https, grpc, secureGRPC, monitoring, control, proxyAdmin int }

type forward struct{ pod, process int }

// kwokForward makes kwok's pods of istiod answer where istioctl asks them, and those of the namespace default as their proxies.
func (p istioPorts) kwokForward() string {
	istiod := []forward{
		{8080, p.http}, {9876, p.control}, {15010, p.grpc}, {15012, p.secureGRPC}, {15014, p.monitoring},
	}
	return kwokForwards("istiod", "istio-system", istiod) + kwokForwards("proxies", "default", []forward{{15000, p.proxyAdmin}})
}

func kwokForwards(name, namespace string, forwards []forward) string {
	text := fmt.Sprintf(`---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterPortForward
metadata: {name: %s}
spec:
  selector: {matchNamespaces: [%s]}
  forwards:
`, name, namespace)
	for _, forward := range forwards {
		text += fmt.Sprintf("  - {ports: [%d], target: {address: 127.0.0.1, port: %d}}\n", forward.pod, forward.process)
	}
	return text
}

// startIstio returns when istiod serves and its pod runs.
func (c *cluster) startIstio(ctx context.Context, admin *api) error {
	documents, err := readDocuments(istioFiles, "istio/istiod.yaml")
	if err != nil {
		return err
	}
	if err := createAll(ctx, admin, documents); err != nil {
		return err
	}
	if err := c.startIstiod(); err != nil {
		return err
	}
	if err := c.istio.serveProxyAdmin(); err != nil {
		return err
	}
	if err := poll(ctx, "istiod did not become ready", func() error { return serves(ctx, c.istio.http, "/ready") }); err != nil {
		return err
	}
	return podsRun(ctx, admin)
}

// seedIstioCRDs creates those that istioctl itself would install.
func (c *cluster) seedIstioCRDs(ctx context.Context, admin *api) error {
	generate := exec.CommandContext(ctx, filepath.Join(c.bin, "istioctl"),
		"manifest", "generate", "--set", "profile=empty", "--set", "components.base.enabled=true")
	generate.Env = []string{"HOME=" + c.dir, "PATH=/nonexistent"}
	manifests, err := generate.Output()
	if err != nil {
		var exited *exec.ExitError
		if errors.As(err, &exited) {
			err = errors.New(string(exited.Stderr))
		}
		return fmt.Errorf("istioctl manifest generate: %w", err)
	}
	for text := range strings.SplitSeq(string(manifests), "\n---\n") {
		if !strings.Contains("\n"+text, "\nkind: CustomResourceDefinition\n") {
			continue
		}
		if err := create(ctx, admin, document{crdPath, []byte(text)}); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) startIstiod() error {
	dir := c.path(istioDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range map[string]string{"mesh": "trustDomain: cluster.local\n", "networks": "networks: {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	local := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	return c.startProgram("pilot-discovery", "istiod", []string{
		"PATH=/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir,
		"POD_NAME=istiod", "POD_NAMESPACE=istio-system", "REVISION=default", "CLUSTER_ID=Kubernetes",
		"PILOT_CERT_PROVIDER=istiod",
		"ENABLE_LEADER_ELECTION=false", // there is one
	}, []string{
		"discovery", "--kubeconfig=" + adminKubeconfig,
		"--meshConfig=" + filepath.Join(istioDir, "mesh"), "--networksConfig=" + filepath.Join(istioDir, "networks"),
		"--httpAddr=" + local(c.istio.http), "--httpsAddr=" + local(c.istio.https),
		"--grpcAddr=" + local(c.istio.grpc), "--secureGRPCAddr=" + local(c.istio.secureGRPC),
		"--monitoringAddr=" + local(c.istio.monitoring), fmt.Sprintf("--ctrlz_port=%d", c.istio.control), "--ctrlz_address=127.0.0.1", "--shutdownDuration=0s",
	})
}

// serves asks without TLS.
func serves(ctx context.Context, port int, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(path + ": " + response.Status)
	}
	return nil
}
