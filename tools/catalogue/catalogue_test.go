package catalogue

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// tree is a tool with one group and one verb that shows each member of the format.
func tree() (root, verb *cobra.Command) {
	root = &cobra.Command{Use: "tool"}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringP("namespace", "n", "", "")
	group := &cobra.Command{Use: "rollout"}
	verb = &cobra.Command{Use: "status NAME", Aliases: []string{"st"}, Run: func(*cobra.Command, []string) {}}
	verb.Flags().StringSliceP("filename", "f", nil, "")
	verb.Flags().String("dry-run", "", "")
	verb.Flags().Lookup("dry-run").NoOptDefVal = "client"
	verb.Flags().Bool("old", false, "")
	verb.Flags().Lookup("old").Hidden = true
	verb.Flags().Lookup("old").Deprecated = "use <nothing>"
	verb.Flags().Bool("watch", true, "")
	verb.Flags().Bool("remote", false, "")
	if err := verb.Flags().Lookup("remote").Value.Set("true"); err != nil {
		panic(err)
	}
	root.AddCommand(group)
	group.AddCommand(verb)
	return root, verb
}

func TestATreeIsWrittenOneCommandALineWithItsOwnFlagsOnly(t *testing.T) {
	root, _ := tree()
	var out bytes.Buffer
	if err := write(&out, header{Tool: "tool", Version: "1.2.3", Modules: map[string]string{"example.org/m": "v1"}}, root); err != nil {
		t.Fatal(err)
	}
	help := `{"name":"help","shorthand":"h","type":"bool","noOptDefVal":"true"}`
	want := `{"tool":"tool","version":"1.2.3","modules":{"example.org/m":"v1"},"commands":[
{"path":[],"flags":[` + help + `,{"name":"namespace","shorthand":"n","type":"string","persistent":true}]},
{"path":["help"],"leaf":true,"runnable":true,"flags":[` + help + `]},
{"path":["rollout"],"flags":[` + help + `]},
{"path":["rollout","status"],"aliases":["st"],"leaf":true,"runnable":true,"flags":[{"name":"dry-run","type":"string","noOptDefVal":"client"},{"name":"filename","shorthand":"f","type":"stringSlice","repeatable":true},` + help + `,{"name":"old","type":"bool","noOptDefVal":"true","hidden":true,"deprecated":"use <nothing>"},{"name":"remote","type":"bool","noOptDefVal":"true","defaultsOn":true},{"name":"watch","type":"bool","noOptDefVal":"true","defaultsOn":true}]}
]}
`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestATreeThatTheFormatCannotExpressIsRefusedAndNothingIsWritten(t *testing.T) {
	for reason, change := range map[string]func(*cobra.Command){
		"parses its flags itself":                  func(verb *cobra.Command) { verb.DisableFlagParsing = true },
		"accepts flags that it does not define":    func(verb *cobra.Command) { verb.FParseErrWhitelist.UnknownFlags = true },
		"before it looks for the verb":             func(verb *cobra.Command) { verb.TraverseChildren = true },
		"stops reading flags at the first operand": func(verb *cobra.Command) { verb.Flags().SetInterspersed(false) },
	} {
		root, verb := tree()
		change(verb)
		var out bytes.Buffer
		err := write(&out, header{Tool: "tool", Version: "1.2.3", Modules: map[string]string{"example.org/m": "v1"}}, root)
		if err == nil || !strings.Contains(err.Error(), "tool rollout status: it ") || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: got %v", reason, err)
		}
		if out.Len() > 0 {
			t.Errorf("%s: %d bytes were written", reason, out.Len())
		}
	}
}
