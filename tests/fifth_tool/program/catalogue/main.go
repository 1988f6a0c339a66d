// Prints the catalogue of fifth, as tools/catalogue does for the tools that are shipped.
package main

import (
	"log"
	"os"

	"kube-airlock.dev/tests/fifth/tree"
	"kube-airlock.dev/tools/catalogue"
)

func main() {
	if err := catalogue.Print(os.Stdout, "fifth", tree.Version, tree.Root()); err != nil {
		log.Fatal("fifth: ", err)
	}
}
