// Says whether the upstream standard accepts pods. A line with a pod as JSON comes in; one with a [judgement] goes out.
// Built and asked by tests/differential/pod_security.rs.
package main

import (
	"bufio"
	"encoding/json"
	"io"
	"log"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// judgement is what the newest version of the standard says of a pod: why it is beyond a level, or nothing.
type judgement struct {
	Baseline, Restricted, Error string
}

func main() {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	must(err)
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		must(err)
		var pod corev1.Pod
		if err := json.Unmarshal(line, &pod); err != nil {
			must(answers.Encode(judgement{Error: err.Error()}))
			continue
		}
		why := func(level api.Level) string {
			results := evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec)
			result := policy.AggregateCheckResults(results)
			return result.ForbiddenDetail()
		}
		must(answers.Encode(judgement{Baseline: why(api.LevelBaseline), Restricted: why(api.LevelRestricted)}))
	}
	must(out.Flush())
}

func must(err error) {
	if err != nil {
		log.Fatal("podsecurity: ", err)
	}
}
