// Package oracle says how a real tool would read an argv, without running it: the verb that cobra
// finds, and each flag, value and operand as pflag takes them.
//
// A line of JSON with an argv comes in, a line of JSON with a [Reading] goes out. What Execute does
// up to the moment before it runs a command is done here, in its order and by the tool's own tree
// (cobra v1.10.2 command.go, ExecuteC and execute); no hook of the tool is called. Like a
// generator, an oracle defines no flag of its own.
//
// Held by oracle_test.go; used by tests/differential.
package oracle

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Tool is the tool whose reading is asked for.
type Tool struct {
	// Root builds the command tree as the tool's main does. It is called more than once.
	Root func() *cobra.Command
	// EarlyScan is what the tool takes from argv before cobra sees it, if that is more than the
	// reading has; empty otherwise. Nil for a tool that does not look.
	EarlyScan func(root *cobra.Command, argv []string, reading Reading) string
}

// Reading is how a tool understands one argv.
type Reading struct {
	// Verb is the path of the command that cobra finds, in canonical names.
	Verb []string `json:"verb"`
	// Flags has the texts that were given to each flag, by canonical name and in order.
	Flags map[string][]string `json:"flags"`
	// Numbers has what each flag of a number, a duration or a boolean holds afterwards: pflag reads
	// `010` as eight.
	Numbers map[string]string `json:"numbers"`
	// Operands are all operands, those behind `--` included.
	Operands []string `json:"operands"`
	// AfterDash is how many operands stand before `--`, or -1 without one.
	AfterDash int `json:"afterDash"`
	// EarlyScan is Tool.EarlyScan's answer.
	EarlyScan string `json:"earlyScan"`
	// RefusedFlag is the first flag whose value the tool refuses, if there is one, and RefusedValue
	// is why. Reading goes on behind it.
	RefusedFlag  string `json:"refusedFlag"`
	RefusedValue string `json:"refusedValue"`
	// Error is why the tool does not read the argv to its end.
	Error string `json:"error"`
}

// Serve answers each line of in until there is no more.
func Serve(in io.Reader, out io.Writer, tool Tool) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(out)
	answers.SetEscapeHTML(false)
	tree := &tree{build: tool.Root}
	for lines.Scan() {
		var argv []string
		if err := json.Unmarshal(lines.Bytes(), &argv); err != nil {
			return err
		}
		if len(argv) == 0 {
			return errors.New("an argv has a first word")
		}
		reading := tree.read(argv[1:])
		if tool.EarlyScan != nil {
			reading.EarlyScan = tool.EarlyScan(tree.root, argv, reading)
		}
		if err := answers.Encode(reading); err != nil {
			return err
		}
	}
	return lines.Err()
}

// tree is a command tree that reads many lines. To build one takes some milliseconds and memory
// that cobra never gives back (its map of completion functions), so a line gets a new tree only if
// the last one could read it differently: pflag keeps the place of `--` from one parse to the next
// (pflag v1.0.10 flag.go, argsLenAtDash). What else a parse leaves behind, values and marks of what
// has changed, is not asked for when the next one decides what a word means.
type tree struct {
	build  func() *cobra.Command
	root   *cobra.Command
	dashed []*cobra.Command
}

func (t *tree) read(args []string) Reading {
	if t.root == nil {
		t.root = grown(t.build())
	}
	command, rest, err := t.root.Find(args)
	if slices.Contains(t.dashed, command) {
		t.root, t.dashed = grown(t.build()), nil
		command, rest, err = t.root.Find(args)
	}
	reading := Reading{Verb: []string{}, Flags: map[string][]string{}, Numbers: map[string]string{}, Operands: []string{}, AfterDash: -1}
	for node := command; node != nil && node.HasParent(); node = node.Parent() {
		reading.Verb = append(reading.Verb, node.Name())
	}
	slices.Reverse(reading.Verb)
	if err != nil {
		reading.Error = err.Error()
		return reading
	}
	if command.DisableFlagParsing {
		reading.Error = "the command parses its flags itself"
		return reading
	}
	command.InitDefaultHelpFlag()
	command.InitDefaultVersionFlag()
	command.InheritedFlags() // merges the parents' persistent flags, as ParseFlags does
	flags := command.Flags()
	flags.ParseErrorsAllowlist = pflag.ParseErrorsAllowlist(command.FParseErrWhitelist)
	// ParseFlags, but for the callback: pflag's own is Set alone.
	err = flags.ParseAll(rest, func(flag *pflag.Flag, value string) error {
		reading.Flags[flag.Name] = append(reading.Flags[flag.Name], value)
		if err := flags.Set(flag.Name, value); err != nil && reading.RefusedFlag == "" {
			reading.RefusedFlag, reading.RefusedValue = flag.Name, err.Error()
		}
		if isNumber(flag.Value.Type()) {
			reading.Numbers[flag.Name] = flag.Value.String()
		}
		return nil
	})
	if err != nil {
		reading.Error = err.Error()
	}
	reading.Operands = append(reading.Operands, flags.Args()...)
	if reading.AfterDash = command.ArgsLenAtDash(); reading.AfterDash >= 0 {
		t.dashed = append(t.dashed, command)
	}
	return reading
}

// isNumber reports whether a type's text is that of a single number, duration or boolean. `Level` is
// klog's; istioctl has another one, of words.
func isNumber(kind string) bool {
	switch kind {
	case "bool", "duration", "float32", "float64", "int", "int32", "int64", "uint", "uint32", "uint64", "Level":
		return true
	}
	return false
}

// grown adds what Execute adds to a root before it looks for the verb.
func grown(root *cobra.Command) *cobra.Command {
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	root.InitDefaultHelpCmd()
	// cobra keeps it only when argv calls it; here it stays, for a call to be seen.
	root.AddCommand(&cobra.Command{
		Use:                cobra.ShellCompRequestCmd,
		Aliases:            []string{cobra.ShellCompNoDescRequestCmd},
		Hidden:             true,
		DisableFlagParsing: true,
		Run:                func(*cobra.Command, []string) {},
	})
	root.InitDefaultCompletionCmd()
	return root
}
