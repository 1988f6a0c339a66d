package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"
)

// seeds are the objects of a fresh cluster, in the order of the files' names. Every document starts
// with `# POST <path>`, so that nothing here has to know what YAML or a plural is.
//
//go:embed seeds/*.yaml
var seeds embed.FS

// A document is one object and where it is created.
type document struct {
	path string
	yaml []byte
}

func seed(ctx context.Context, admin *api) error {
	documents, err := readSeeds()
	if err != nil {
		return err
	}
	return createAll(ctx, admin, documents)
}

func createAll(ctx context.Context, admin *api, documents []document) error {
	for _, d := range documents {
		if err := create(ctx, admin, d); err != nil {
			return err
		}
	}
	return nil
}

// create asks again for as long as the answer is about the server, not the object: one that has just
// started to serve may not have its address allocator yet.
func create(ctx context.Context, admin *api, d document) error {
	var refused error
	err := poll(ctx, "the API server created no object", func() error {
		_, err := admin.post(ctx, d.path, d.yaml)
		if answer, ok := err.(*apiError); ok && answer.status < 500 {
			refused = err
			return nil
		}
		return err
	})
	return errors.Join(refused, err)
}

func readSeeds() ([]document, error) {
	files, err := seeds.ReadDir("seeds")
	if err != nil {
		return nil, err
	}
	var documents []document
	for _, file := range files {
		found, err := readDocuments(seeds, path.Join("seeds", file.Name()))
		if err != nil {
			return nil, err
		}
		documents = append(documents, found...)
	}
	return documents, nil
}

func readDocuments(files embed.FS, name string) ([]document, error) {
	content, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return splitDocuments(name, string(content))
}

func splitDocuments(name, content string) ([]document, error) {
	var documents []document
	for text := range strings.SplitSeq(content, "\n---\n") {
		first, _, _ := strings.Cut(text, "\n")
		where, found := strings.CutPrefix(first, "# POST /")
		if !found {
			return nil, fmt.Errorf("%s: a document starts with `%s`, not with `# POST /...`", name, first)
		}
		documents = append(documents, document{"/" + where, []byte(text)})
	}
	return documents, nil
}

// A workload is what Deployments and StatefulSets have in common.
type workload struct {
	Metadata struct {
		Name, Namespace string
		Generation      int64
	}
	Spec   struct{ Replicas int64 }
	Status struct {
		ObservedGeneration, UpdatedReplicas, AvailableReplicas int64
	}
}

func podsRun(ctx context.Context, admin *api) error {
	return poll(ctx, "the workloads did not become ready", func() error { return workloadsAreReady(ctx, admin) })
}

func workloadsAreReady(ctx context.Context, admin *api) error {
	for _, resource := range []string{"deployments", "statefulsets"} {
		var all []workload
		if err := admin.list(ctx, "/apis/apps/v1/"+resource, &all); err != nil {
			return err
		}
		for _, w := range all {
			observed := w.Status.ObservedGeneration >= w.Metadata.Generation
			if !observed || w.Status.UpdatedReplicas != w.Spec.Replicas || w.Status.AvailableReplicas != w.Spec.Replicas {
				return fmt.Errorf("%s %s/%s has %d of %d replicas",
					resource, w.Metadata.Namespace, w.Metadata.Name, w.Status.AvailableReplicas, w.Spec.Replicas)
			}
		}
	}
	return nil
}

// A pod is what its metrics need.
type pod struct {
	Metadata struct{ Name, Namespace string }
	Spec     struct{ Containers []struct{ Name string } }
}

const crdPath = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

const metrics = "/apis/metrics.k8s.io/v1beta1"

// seedMetrics plays the metrics server: objects of a CRD, through the real API server.
func seedMetrics(ctx context.Context, admin *api) error {
	var pods []pod
	if err := admin.list(ctx, "/api/v1/pods", &pods); err != nil {
		return err
	}
	var nodes []struct{ Metadata struct{ Name string } }
	if err := admin.list(ctx, "/api/v1/nodes", &nodes); err != nil {
		return err
	}
	// A CRD is served a moment after it is created.
	for _, resource := range []string{"pods", "nodes"} {
		err := poll(ctx, "the metrics resources are not served", func() error {
			_, err := admin.get(ctx, metrics+"/"+resource)
			return err
		})
		if err != nil {
			return err
		}
	}
	for i, p := range pods {
		var containers []any
		for _, container := range p.Spec.Containers {
			containers = append(containers, map[string]any{
				"name": container.Name, "usage": used(12+7*i, 48+16*i),
			})
		}
		object := measured("PodMetrics", p.Metadata.Name)
		object["containers"] = containers
		if err := postJSON(ctx, admin, metrics+"/namespaces/"+p.Metadata.Namespace+"/pods", object); err != nil {
			return err
		}
	}
	for i, n := range nodes {
		object := measured("NodeMetrics", n.Metadata.Name)
		object["usage"] = used(410+130*i, 2048+512*i)
		if err := postJSON(ctx, admin, metrics+"/nodes", object); err != nil {
			return err
		}
	}
	return nil
}

func measured(kind, name string) map[string]any {
	return map[string]any{
		"apiVersion": "metrics.k8s.io/v1beta1",
		"kind":       kind,
		"metadata":   map[string]any{"name": name},
		"timestamp":  time.Now().UTC().Format(time.RFC3339),
		"window":     "30s",
	}
}

func used(milliCPU, mebibytes int) map[string]string {
	return map[string]string{"cpu": fmt.Sprintf("%dm", milliCPU), "memory": fmt.Sprintf("%dMi", mebibytes)}
}

func postJSON(ctx context.Context, admin *api, path string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return err
	}
	_, err = admin.post(ctx, path, body)
	return err
}

// mintToken is `kubectl create token agent --duration 24h`.
func mintToken(ctx context.Context, admin *api) (string, error) {
	body, err := admin.post(ctx, "/api/v1/namespaces/default/serviceaccounts/agent/token", []byte(
		`{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"expirationSeconds":86400}}`))
	if err != nil {
		return "", err
	}
	var answer struct{ Status struct{ Token string } }
	if err := json.Unmarshal(body, &answer); err != nil {
		return "", err
	}
	if answer.Status.Token == "" {
		return "", errors.New("the API server minted an empty token")
	}
	return answer.Status.Token, nil
}

// agentMayRead waits until the view kubeconfig works: ClusterRole `view` is empty until the controller
// manager has gathered it from its parts.
func agentMayRead(ctx context.Context, agent *api) error {
	for _, path := range []string{"/api/v1/pods", "/api/v1/nodes", metrics + "/pods", metrics + "/nodes"} {
		err := poll(ctx, "the agent may not read yet", func() error {
			_, err := agent.get(ctx, path)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
