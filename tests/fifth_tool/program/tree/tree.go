// Package tree is the command tree of `fifth`, a tool that exists for tests: what it takes to add
// one to the server is shown with it.
package tree

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Version is what `fifth version` prints.
const Version = "1.0.3"

// Root makes the tree.
func Root() *cobra.Command {
	root := &cobra.Command{Use: "fifth", SilenceUsage: true}
	root.AddCommand(version(), greet(), read())
	return root
}

func version() *cobra.Command {
	return &cobra.Command{
		Use: "version",
		RunE: func(command *cobra.Command, _ []string) error {
			return json.NewEncoder(command.OutOrStdout()).Encode(map[string]string{"version": "v" + Version})
		},
	}
}

func greet() *cobra.Command {
	var times int
	command := &cobra.Command{
		Use:     "greet NAME...",
		Aliases: []string{"hello"},
		Run: func(command *cobra.Command, names []string) {
			for range times {
				for _, name := range names {
					fmt.Fprintf(command.OutOrStdout(), "%s, %s\n", os.Getenv("FIFTH_GREETING"), name)
				}
			}
		},
	}
	command.Flags().IntVarP(&times, "times", "t", 1, "")
	return command
}

// read prints a file of this machine, which no call may do.
func read() *cobra.Command {
	return &cobra.Command{
		Use: "read FILE",
		RunE: func(command *cobra.Command, files []string) error {
			bytes, err := os.ReadFile(files[0])
			if err == nil {
				_, err = command.OutOrStdout().Write(bytes)
			}
			return err
		},
	}
}
