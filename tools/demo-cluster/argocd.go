package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	texttemplate "text/template"
	"time"
)

// Argo CD's objects, templates of what is new with every start, and what its git repository holds.
//
//go:embed argocd
var argocdFiles embed.FS

const (
	argocdDir  = "argocd" // in the cluster's directory: all that Argo CD keeps in files
	argocdCRDs = "argocd-crds"
	argoproj   = "/apis/argoproj.io/v1alpha1/"
)

// An argocd is Argo CD beside the cluster that it manages. It has one account, `agent`, which may read
// and sync, and one Application, `shop`.
type argocd struct {
	Server string `json:"server"` // host and port, as `argocd --server` takes it
	Token  string `json:"token"`  // the agent's
	CA     string `json:"ca"`     // PEM; the cluster's own
}

// startArgoCD returns when the Application is synced, healthy and to be read with the token.
func (c *cluster) startArgoCD(ctx context.Context, admin *api, made certificates) (*argocd, error) {
	for _, name := range []string{"home", "tls", "ssh", "bin"} {
		if err := os.MkdirAll(filepath.Join(c.path(argocdDir), name), 0o700); err != nil {
			return nil, err
		}
	}
	repository, err := c.makeRepository(ctx)
	if err != nil {
		return nil, fmt.Errorf("a git repository for Argo CD: %w", err)
	}
	account := newAccount()
	if err := c.seedArgoCD(ctx, admin, made, account, repository); err != nil {
		return nil, err
	}
	if err := c.startArgoCDComponents(); err != nil {
		return nil, err
	}
	a := &argocd{
		Server: "127.0.0.1:" + strconv.Itoa(c.argocdPort),
		Token:  account.token(),
		CA:     string(made.authority),
	}
	agent, err := newAPI("https://"+a.Server, made, pair{}, a.Token)
	if err != nil {
		return nil, err
	}
	if err := shopIsSynced(ctx, agent); err != nil {
		return nil, err
	}
	return a, nil
}

// makeRepository commits the embedded files. Argo CD itself reads repositories with `git`.
func (c *cluster) makeRepository(ctx context.Context) (url string, err error) {
	path := filepath.Join(c.path(argocdDir), "repository")
	if err := os.MkdirAll(filepath.Join(path, "shop"), 0o700); err != nil {
		return "", err
	}
	content, err := argocdFiles.ReadFile("argocd/repository/shop/shop.yaml")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(path, "shop", "shop.yaml"), content, 0o600); err != nil {
		return "", err
	}
	for _, arguments := range [][]string{
		{"init", "--quiet", "--initial-branch=main", "."},
		{"add", "--all"},
		{"-c", "user.name=demo", "-c", "user.email=demo@invalid", "commit", "--quiet", "--message=shop: two replicas"},
	} {
		git := exec.CommandContext(ctx, "git", arguments...)
		git.Dir = path
		// Nothing of the user's own configuration: no hooks, no signing.
		git.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.path(argocdDir), "GIT_CONFIG_NOSYSTEM=1"}
		if output, err := git.CombinedOutput(); err != nil {
			return "", fmt.Errorf("git %s: %w: %s", arguments[0], err, output)
		}
	}
	return "file://" + path, nil
}

// An account is what makes a token of the account `agent` good. Argo CD would make the same, but only
// for someone who has signed in.
type account struct {
	SigningKey string
	TokenID    string
	IssuedAt   int64
}

func newAccount() account { return account{rand.Text(), rand.Text(), time.Now().Unix()} }

// token is a JWT like those of `argocd account generate-token` (v3.6.1 util/session/sessionmanager.go).
func (a account) token() string {
	claims, _ := json.Marshal(map[string]any{
		"iss": "argocd", "sub": "agent:apiKey", "jti": a.TokenID, "iat": a.IssuedAt, "nbf": a.IssuedAt,
	})
	text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) +
		"." + base64.RawURLEncoding.EncodeToString(claims)
	signature := hmac.New(sha256.New, []byte(a.SigningKey))
	signature.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(signature.Sum(nil))
}

// seedArgoCD creates the settings and the Application; the CRDs are there.
func (c *cluster) seedArgoCD(ctx context.Context, admin *api, made certificates, agent account, repository string) error {
	fresh := struct {
		account
		Certificate, Key, Repository string
	}{agent, string(made.server.certificate), string(made.server.key), repository}
	if err := seedTemplate(ctx, admin, "argocd/settings.yaml", fresh); err != nil {
		return err
	}
	// A CRD is served a moment after it is created.
	for _, resource := range []string{"appprojects", "applications", "applicationsets"} {
		err := poll(ctx, "Argo CD's resources are not served", func() error {
			_, err := admin.get(ctx, argoproj+resource)
			return err
		})
		if err != nil {
			return err
		}
	}
	return seedTemplate(ctx, admin, "argocd/application.yaml", fresh)
}

// seedCRDs creates those of a folder of upstream's.
func seedCRDs(ctx context.Context, admin *api, folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*-crd.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := create(ctx, admin, document{crdPath, content}); err != nil {
			return err
		}
	}
	return nil
}

func seedTemplate(ctx context.Context, admin *api, name string, fresh any) error {
	file, err := texttemplate.ParseFS(argocdFiles, name)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := file.Execute(&text, fresh); err != nil {
		return err
	}
	documents, err := splitDocuments(name, text.String())
	if err != nil {
		return err
	}
	return createAll(ctx, admin, documents)
}

// startArgoCDComponents starts Redis and, from one binary that goes by its name, three servers.
func (c *cluster) startArgoCDComponents() error {
	ports, err := freePorts(0, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	port := func(i int) string { return strconv.Itoa(ports[i]) }
	redis, repoServer := "127.0.0.1:"+port(0), "127.0.0.1:"+port(1)
	git, err := exec.LookPath("git")
	if err != nil {
		return err
	}
	home := c.path(argocdDir)
	// The repo server has this script verify every commit, also where no signature is asked for.
	err = os.WriteFile(filepath.Join(home, "bin", "git-verify-wrapper.sh"), []byte("#!/bin/sh\ngit verify-commit \"$1\" 2>&1 || true\n"), 0o700)
	if err != nil {
		return err
	}
	environment := []string{
		"PATH=" + filepath.Join(home, "bin") + ":" + filepath.Dir(git) + ":/usr/bin:/bin",
		"HOME=" + filepath.Join(home, "home"), "TMPDIR=" + home,
		"KUBECONFIG=" + c.path(adminKubeconfig),
		"ARGOCD_FAKE_IN_CLUSTER=true", // https://kubernetes.default.svc is what KUBECONFIG names
		"ARGOCD_GPG_ENABLED=false",
		"ARGOCD_TLS_DATA_PATH=" + filepath.Join(home, "tls"), "ARGOCD_SSH_DATA_PATH=" + filepath.Join(home, "ssh"),
		// What Redis holds decides what is synced, so it is not for every user of the machine.
		"REDIS_PASSWORD=" + rand.Text(),
	}
	inCluster := []string{"--kubeconfig=" + adminKubeconfig, "--namespace=argocd", "--redis=" + redis, "--repo-server=" + repoServer}
	for _, component := range []struct {
		name      string
		arguments []string
	}{
		{"miniredis", []string{"--address=" + redis}},
		{"argocd-repo-server", []string{
			"--redis=" + redis, "--address=127.0.0.1", "--port=" + port(1),
			"--metrics-address=127.0.0.1", "--metrics-port=" + port(2),
		}},
		{"argocd-application-controller", append([]string{"--metrics-port=" + port(3)}, inCluster...)},
		{"argocd-server", append([]string{
			"--address=127.0.0.1", "--port=" + strconv.Itoa(c.argocdPort), "--metrics-port=" + port(4),
			"--dex-server=http://127.0.0.1:1", // there is none
		}, inCluster...)},
	} {
		binary := component.name
		if component.name != "miniredis" {
			binary = "argocd-servers"
		}
		named := append([]string{"ARGOCD_BINARY_NAME=" + component.name}, environment...)
		if err := c.startProgram(binary, component.name, named, component.arguments); err != nil {
			return err
		}
	}
	return nil
}

func shopIsSynced(ctx context.Context, agent *api) error {
	return poll(ctx, "Argo CD did not sync", func() error {
		body, err := agent.get(ctx, "/api/v1/applications/shop")
		if err != nil {
			return err
		}
		var shop struct {
			Status struct {
				Sync           struct{ Status string }
				Health         struct{ Status string }
				OperationState struct{ Phase, Message string }
			}
		}
		if err := json.Unmarshal(body, &shop); err != nil {
			return err
		}
		s := shop.Status
		if s.Sync.Status != "Synced" || s.Health.Status != "Healthy" || s.OperationState.Phase != "Succeeded" {
			return errors.New("shop is " + s.Sync.Status + " and " + s.Health.Status + ": " + s.OperationState.Message)
		}
		return nil
	})
}
