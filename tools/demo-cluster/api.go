package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// An api is one caller of the API server.
type api struct {
	server, token string
	http          *http.Client
}

// An apiError is an answer that is not a success.
type apiError struct {
	request string
	status  int
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%s: %d %s", e.request, e.status, e.message) }

// newAPI calls with a client certificate, a token or both. It knows no proxy: a zero Transport has none.
func newAPI(server string, made certificates, own pair, token string) (*api, error) {
	config, err := made.client(own)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}
	return &api{server, token, &http.Client{Transport: transport, Timeout: 15 * time.Second}}, nil
}

func (a *api) get(ctx context.Context, path string) ([]byte, error) {
	return a.call(ctx, http.MethodGet, path, nil)
}

// list reads a collection into items, a pointer to a slice.
func (a *api) list(ctx context.Context, path string, items any) error {
	body, err := a.get(ctx, path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, &struct {
		Items any `json:"items"`
	}{items})
}

// post creates an object from its YAML, of which JSON is a part. One that exists already is as good.
func (a *api) post(ctx context.Context, path string, object []byte) ([]byte, error) {
	body, err := a.call(ctx, http.MethodPost, path, object)
	if refused, ok := err.(*apiError); ok && refused.status == http.StatusConflict {
		return nil, nil
	}
	return body, err
}

func (a *api) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/yaml")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "demo-cluster")
	if a.token != "" {
		request.Header.Set("Authorization", "Bearer "+a.token)
	}
	response, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode >= 300 {
		var status struct{ Message string }
		if json.Unmarshal(answer, &status) != nil {
			status.Message = string(answer)
		}
		return nil, &apiError{method + " " + path, response.StatusCode, status.Message}
	}
	return answer, nil
}
