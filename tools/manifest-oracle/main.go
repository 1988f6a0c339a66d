// Says which objects kubectl's own reader finds in a text. A line with a text as a string of JSON comes in; one
// with a [reading] goes out. No cluster is asked. Built and asked by tests/differential/manifest.rs.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

// reading is a text as `kubectl create -f -` reads it.
type reading struct {
	// Objects is each object, in the text's order, with the lists taken apart.
	Objects []json.RawMessage
	// Error is why there are none.
	Error string
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		must(err)
		var text string
		must(json.Unmarshal(line, &text))
		must(answers.Encode(read(text)))
	}
	must(out.Flush())
}

func read(text string) reading {
	infos, err := resource.NewLocalBuilder().
		Unstructured().
		Stream(bytes.NewReader([]byte(text)), "stdin").
		Flatten().
		Do().
		Infos()
	if err != nil {
		return reading{Error: err.Error()}
	}
	found := reading{Objects: []json.RawMessage{}}
	for _, info := range infos {
		object, err := info.Object.(*unstructured.Unstructured).MarshalJSON()
		if err != nil {
			return reading{Error: err.Error()}
		}
		found.Objects = append(found.Objects, object)
	}
	return found
}

func must(err error) {
	if err != nil {
		log.Fatal("manifest-oracle: ", err)
	}
}
