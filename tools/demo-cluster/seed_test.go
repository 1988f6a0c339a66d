package main

import (
	"embed"
	"regexp"
	"strings"
	"testing"
)

func TestEverySeedNamesItsPath(t *testing.T) {
	documents, err := readSeeds()
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]embed.FS{
		"argocd/settings.yaml": argocdFiles, "argocd/application.yaml": argocdFiles, "istio/istiod.yaml": istioFiles,
	} {
		found, err := readDocuments(files, name)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	version := regexp.MustCompile(`(?m)^apiVersion: (\S+)$`)
	for _, d := range documents {
		found := version.FindAllStringSubmatch(string(d.yaml), -1)
		if len(found) != 1 {
			t.Errorf("%s: %d lines start with apiVersion, want 1", d.path, len(found))
			continue
		}
		root := "/apis/" + found[0][1] + "/"
		if found[0][1] == "v1" {
			root = "/api/v1/"
		}
		if !strings.HasPrefix(d.path, root) {
			t.Errorf("%s: its document is of %s", d.path, found[0][1])
		}
	}
}
