package oracle

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// root is a tool with a group that runs and one verb below it.
func root() *cobra.Command {
	run := func(*cobra.Command, []string) { panic("an oracle runs nothing") }
	root := &cobra.Command{Use: "tool", PersistentPreRun: run}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringP("namespace", "n", "", "")
	group := &cobra.Command{Use: "apply", Run: run}
	group.Flags().StringSliceP("filename", "f", nil, "")
	verb := &cobra.Command{Use: "view", Aliases: []string{"v"}, Run: run}
	verb.Flags().BoolP("all", "A", false, "")
	verb.Flags().Int("limit", 0, "")
	root.AddCommand(group)
	group.AddCommand(verb)
	return root
}

func TestALineIsReadAsCobraAndPflagReadItAndNothingRuns(t *testing.T) {
	for _, row := range []struct{ argv, want string }{
		{
			`["tool","apply","v","-An=web","x","--limit=07"]`,
			`{"verb":["apply","view"],"flags":{"all":["true"],"limit":["07"],"namespace":["web"]},"numbers":{"all":"true","limit":"7"},"operands":["x"],"afterDash":-1,"earlyScan":"","refusedFlag":"","refusedValue":"","error":""}`,
		},
		// The search for the verb does not see a lone `-`, and pflag takes it for an operand.
		{
			`["tool","apply","-","view"]`,
			`{"verb":["apply","view"],"flags":{},"numbers":{},"operands":["-"],"afterDash":-1,"earlyScan":"","refusedFlag":"","refusedValue":"","error":""}`,
		},
		{
			`["tool","apply","-f","a,b","-f=c","--","view"]`,
			`{"verb":["apply"],"flags":{"filename":["a,b","c"]},"numbers":{},"operands":["view"],"afterDash":0,"earlyScan":"","refusedFlag":"","refusedValue":"","error":""}`,
		},
		// The same command once more: pflag would still know the place of the last line's `--`.
		{
			`["tool","apply","x"]`,
			`{"verb":["apply"],"flags":{},"numbers":{},"operands":["x"],"afterDash":-1,"earlyScan":"","refusedFlag":"","refusedValue":"","error":""}`,
		},
		{
			`["tool","apply","view","--limit=x","--help"]`,
			`{"verb":["apply","view"],"flags":{"help":["true"],"limit":["x"]},"numbers":{"help":"true","limit":"0"},"operands":[],"afterDash":-1,"earlyScan":"","refusedFlag":"limit","refusedValue":"invalid argument \"x\" for \"--limit\" flag: strconv.ParseInt: parsing \"x\": invalid syntax","error":""}`,
		},
		{
			`["tool","apply","--all"]`,
			`{"verb":["apply"],"flags":{},"numbers":{},"operands":[],"afterDash":-1,"earlyScan":"","refusedFlag":"","refusedValue":"","error":"unknown flag: --all"}`,
		},
		{
			`["tool","__complete","apply"]`,
			`{"verb":["__complete"],"flags":{},"numbers":{},"operands":[],"afterDash":-1,"earlyScan":"","refusedFlag":"","refusedValue":"","error":"the command parses its flags itself"}`,
		},
		{
			`["tool","nothing"]`,
			`{"verb":[],"flags":{},"numbers":{},"operands":[],"afterDash":-1,"earlyScan":"","refusedFlag":"","refusedValue":"","error":"unknown command \"nothing\" for \"tool\""}`,
		},
	} {
		// Each line twice, by one tree.
		var out strings.Builder
		if err := Serve(strings.NewReader(row.argv+"\n"+row.argv+"\n"), &out, Tool{Root: root}); err != nil {
			t.Fatal(err)
		}
		if want := row.want + "\n" + row.want + "\n"; out.String() != want {
			t.Errorf("%s:\ngot  %s\nwant %s", row.argv, out.String(), want)
		}
	}
}

func TestATreeThatSawADashIsNotAskedAgain(t *testing.T) {
	lines := `["tool","apply","a","--","b"]` + "\n" + `["tool","apply","a","b"]` + "\n"
	var out strings.Builder
	if err := Serve(strings.NewReader(lines), &out, Tool{Root: root}); err != nil {
		t.Fatal(err)
	}
	if answers := strings.Split(out.String(), "\n"); !strings.Contains(answers[0], `"afterDash":1,`) || !strings.Contains(answers[1], `"afterDash":-1,`) {
		t.Errorf("got %s", out.String())
	}
}
