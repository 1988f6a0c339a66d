// Says what the API server's own resolver makes of a request line. A line with a method and a target, between
// them a blank, comes in; one with a [reading] goes out. Nothing is sent. Built and asked by
// tests/differential/request.rs.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"
)

// reading is a request as the resolver and net/url see it.
type reading struct {
	IsResource                             bool
	Path, Verb, Group, Version             string
	Namespace, Resource, Subresource, Name string
	Parts                                  []string
	FieldSelector, LabelSelector           string
	Query                                  map[string][]string
	// Error is why there is no such request, or none that the resolver knows.
	Error string
}

func main() {
	// The resolver logs each query that it cannot read.
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	must(flags.Parse([]string{"-logtostderr=false", "-alsologtostderr=false", "-stderrthreshold=FATAL", "-log_file=" + os.DevNull}))

	// As k8s.io/apiserver v0.37.2 pkg/server/config.go, NewRequestInfoResolver, makes it for kube-apiserver.
	resolver := &request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		must(answers.Encode(read(resolver, lines.Text())))
	}
	must(lines.Err())
	must(out.Flush())
}

func read(resolver request.RequestInfoResolver, line string) reading {
	// From a connection, as the server reads it.
	text := line + " HTTP/1.1\r\nHost: kubernetes\r\n\r\n"
	asked, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
	if err != nil {
		return reading{Error: err.Error()}
	}
	info, err := resolver.NewRequestInfo(asked)
	if err != nil {
		return reading{Error: err.Error()}
	}
	return reading{
		IsResource: info.IsResourceRequest, Path: info.Path, Verb: info.Verb, Group: info.APIGroup, Version: info.APIVersion,
		Namespace: info.Namespace, Resource: info.Resource, Subresource: info.Subresource, Name: info.Name, Parts: info.Parts,
		FieldSelector: info.FieldSelector, LabelSelector: info.LabelSelector, Query: asked.URL.Query(),
	}
}

func must(err error) {
	if err != nil {
		log.Fatal("request-oracle: ", err)
	}
}
