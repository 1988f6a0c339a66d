package main

import (
	"embed"
	"fmt"
	"net"
	"net/http"
)

// What an Envoy's administration interface answers: there is no Envoy behind kwok's pods, so what istioctl prints of it
// is not real; its way there is.
//
//go:embed istio/proxy
var proxyAnswers embed.FS

// serveProxyAdmin serves until this process ends.
func (p istioPorts) serveProxyAdmin() error {
	listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", p.proxyAdmin))
	if err != nil {
		return err
	}
	answer := func(name, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", kind)
			http.ServeFileFS(w, r, proxyAnswers, "istio/proxy/"+name)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/config_dump", answer("config_dump.json", "application/json"))
	mux.Handle("/clusters", answer("clusters.json", "application/json"))
	mux.Handle("/logging", answer("logging.txt", "text/plain"))
	mux.Handle("/stats", answer("stats.txt", "text/plain"))
	server := &http.Server{Handler: mux}
	go func() { _ = server.Serve(listener) }()
	return nil
}
