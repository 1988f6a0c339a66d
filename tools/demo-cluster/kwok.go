package main

import (
	"embed"
	"os"
	"path"
	"strings"
	"time"
)

// stages tell kwok how nodes and pods move from one state to the next.
//
//go:embed stages/*.yaml
var stages embed.FS

// With a configuration file kwok takes these settings from nowhere else (kwok v0.8.0). `enableCRDs: []`
// keeps its own resources out of the cluster.
const kwokOptions = `apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options:
  manageAllNodes: true
  enableCRDs: []
  enableDebuggingHandlers: true  # without it, logs and exec are answered by 405
  nodeLeaseDurationSeconds: 40
  nodeLeaseParallelism: 4
  podPlayStageParallelism: 4
  nodePlayStageParallelism: 4
  cidr: 10.0.1.0/24
`

const kwokLogs = `---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata: {name: all}
spec: {logs: [{logsFile: pod.log, follow: true}]}
`

// `kubectl exec` in a fake pod is a real process on this machine.
const kwokExec = `---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata: {name: all}
spec: {execs: [{local: {workDir: /, envs: [{name: DEMO_POD, value: "yes"}]}}]}
`

// So where we are root, it is nobody's.
const kwokExecAsNobody = `---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterExec
metadata: {name: all}
spec: {execs: [{local: {workDir: /, envs: [{name: DEMO_POD, value: "yes"}], securityContext: {runAsUser: 65534, runAsGroup: 65534}}}]}
`

// podLines is what every fake pod has logged: stream, then text.
var podLines = []string{
	"stdout listening on :8080",
	"stdout GET /healthz 200 1ms",
	"stdout GET /orders/42 200 18ms",
	"stderr warning: the connection pool is at 90 %",
	"stdout GET /orders/43 503 2004ms",
	"stderr error: upstream `payments` timed out after 2 s",
	"stdout GET /healthz 200 1ms",
}

// writeKwokFiles writes kwok's configuration, which ends with `more`, and the log that its pods share.
func writeKwokFiles(config, more, log string) error {
	exec := kwokExec
	if os.Geteuid() == 0 {
		exec = kwokExecAsNobody
	}
	text := kwokOptions + kwokLogs + exec
	files, err := stages.ReadDir("stages")
	if err != nil {
		return err
	}
	for _, file := range files {
		stage, err := stages.ReadFile(path.Join("stages", file.Name()))
		if err != nil {
			return err
		}
		text += "---\n" + string(stage)
	}
	if err := os.WriteFile(config, []byte(text+more), 0o600); err != nil {
		return err
	}

	// The CRI log format: time, stream, F for a full line, text.
	var lines strings.Builder
	at := time.Now().Add(-time.Duration(len(podLines)) * time.Second)
	for _, line := range podLines {
		stream, text, _ := strings.Cut(line, " ")
		lines.WriteString(at.UTC().Format("2006-01-02T15:04:05.000000000Z") + " " + stream + " F " + text + "\n")
		at = at.Add(time.Second)
	}
	return os.WriteFile(log, []byte(lines.String()), 0o600)
}
