// fifth is the tool of tests/fifth_tool.
package main

import (
	"os"

	"kube-airlock.dev/tests/fifth/tree"
)

func main() {
	if tree.Root().Execute() != nil {
		os.Exit(1)
	}
}
