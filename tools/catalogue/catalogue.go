// Package catalogue writes down what one tool can do: the command tree that the tool builds for
// itself, with every verb and every flag, as the JSON that kube-airlock's room `catalogue` loads.
//
// A real tree comes in, so nothing here can be mistyped; a file that people review comes out, one
// command a line. What the file's reader cannot express (a verb that parses flags in its own way)
// is an error here, never a silent gap. Usage texts are left out, and defaults but those of switches:
// no decision needs them, and others hold paths and, for some tools, tokens from the environment.
//
// One tool per process: cobra adds pflag.CommandLine to every root (cobra v1.10.2 command.go,
// updateParentsPflags), so two trees in one process leak flags into each other. For the same
// reason neither this package nor a generator may define a flag.
//
// Held by catalogue_test.go and `tools/catalogue/generate --check`.
package catalogue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// header is the first line of a catalogue.
type header struct {
	Tool    string            `json:"tool"`
	Version string            `json:"version"`
	Modules map[string]string `json:"modules"`
}

// command is one node. Inherited flags are not stored: they are the persistent flags of all
// ancestors, nearest first, minus the node's own names.
type command struct {
	Path       []string `json:"path"`
	Aliases    []string `json:"aliases,omitempty"`
	Hidden     bool     `json:"hidden,omitempty"`
	Deprecated string   `json:"deprecated,omitempty"`
	Leaf       bool     `json:"leaf,omitempty"`
	Runnable   bool     `json:"runnable,omitempty"`
	Flags      []flag   `json:"flags,omitempty"`
}

type flag struct {
	Name      string `json:"name"`
	Shorthand string `json:"shorthand,omitempty"`
	Type      string `json:"type"`
	// GoType is set for types that are not pflag's own: two tools may call different types alike
	// (`Level` is a number for klog and a word for istioctl).
	GoType      string `json:"goType,omitempty"`
	NoOptDefVal string `json:"noOptDefVal,omitempty"`
	// DefaultsOn is said of a switch that is on where nobody names it.
	DefaultsOn bool   `json:"defaultsOn,omitempty"`
	Repeatable bool   `json:"repeatable,omitempty"`
	Persistent bool   `json:"persistent,omitempty"`
	Hidden     bool   `json:"hidden,omitempty"`
	Deprecated string `json:"deprecated,omitempty"`
}

// Print writes the catalogue of the tree under root. The version has no leading v; modules are the
// linked modules whose versions the file names, beside cobra's and pflag's.
func Print(w io.Writer, tool, version string, root *cobra.Command, modules ...string) error {
	if version == "" {
		return errors.New("no version is linked in; run tools/catalogue/generate")
	}
	linked, err := linkedVersions(append(modules, "github.com/spf13/cobra", "github.com/spf13/pflag"))
	if err != nil {
		return err
	}
	return write(w, header{Tool: tool, Version: version, Modules: linked}, root)
}

func write(w io.Writer, head header, root *cobra.Command) error {
	if cobra.EnablePrefixMatching || cobra.EnableCaseInsensitive {
		return errors.New("cobra is told to match verbs by prefix or in any case; the reader matches whole names")
	}
	// What Execute adds before it looks for the verb.
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	commands, err := walk(root, []string{})
	if err != nil {
		return err
	}
	slices.SortFunc(commands, func(a, b command) int { return slices.Compare(a.Path, b.Path) })

	// Nothing is written before the whole walk has succeeded: half a catalogue looks like a whole one.
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s,\"commands\":[\n", strings.TrimSuffix(line(head), "}"))
	for i, c := range commands {
		separator := ","
		if i == len(commands)-1 {
			separator = ""
		}
		fmt.Fprintf(&out, "%s%s\n", line(c), separator)
	}
	out.WriteString("]}\n")
	_, err = w.Write(out.Bytes())
	return err
}

func walk(node *cobra.Command, path []string) ([]command, error) {
	own, err := flagsOf(node)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", node.CommandPath(), err)
	}
	commands := []command{{
		Path:       path,
		Aliases:    node.Aliases,
		Hidden:     node.Hidden,
		Deprecated: node.Deprecated,
		Leaf:       !node.HasSubCommands(),
		Runnable:   node.Runnable(),
		Flags:      own,
	}}
	for _, child := range node.Commands() {
		below, err := walk(child, append(slices.Clone(path), child.Name()))
		if err != nil {
			return nil, err
		}
		commands = append(commands, below...)
	}
	return commands, nil
}

// flagsOf returns the node's own flags by name, `help` with them.
func flagsOf(node *cobra.Command) ([]flag, error) {
	switch {
	case node.DisableFlagParsing:
		return nil, errors.New("it parses its flags itself")
	case node.FParseErrWhitelist.UnknownFlags:
		return nil, errors.New("it accepts flags that it does not define")
	case node.TraverseChildren:
		return nil, errors.New("it parses the flags of parents before it looks for the verb")
	}
	node.InitDefaultHelpFlag()
	node.InitDefaultVersionFlag()
	// Merges the persistent flags of the parents, so that LocalFlags can tell them from the node's own.
	node.InheritedFlags()
	// pflag has a setter for this and no getter (pflag v1.0.10 flag.go).
	if !reflect.ValueOf(node.Flags()).Elem().FieldByName("interspersed").Bool() {
		return nil, errors.New("it stops reading flags at the first operand")
	}
	persistent := node.PersistentFlags()
	var flags []flag
	node.LocalFlags().VisitAll(func(f *pflag.Flag) {
		flags = append(flags, flag{
			Name:        f.Name,
			Shorthand:   f.Shorthand,
			Type:        f.Value.Type(),
			GoType:      foreignType(f.Value),
			NoOptDefVal: f.NoOptDefVal,
			DefaultsOn:  isOn(f),
			Repeatable:  repeatable(f.Value),
			Persistent:  persistent.Lookup(f.Name) == f,
			Hidden:      f.Hidden,
			Deprecated:  f.Deprecated,
		})
	})
	slices.SortFunc(flags, func(a, b flag) int { return strings.Compare(a.Name, b.Name) })
	return flags, nil
}

// isOn reports whether a switch is on where nobody names it. Some tools set one after they have
// declared it (istioctl's `version --remote`), so that its declared default says nothing.
func isOn(f *pflag.Flag) bool {
	return f.Value.Type() == "bool" && (f.DefValue != "false" || f.Value.String() != "false")
}

// foreignType is the value's Go type, unless pflag or the standard library defines it.
func foreignType(value pflag.Value) string {
	kind := reflect.TypeOf(value)
	// pflag wraps the values that came from the standard library's flag sets (golangflag.go).
	if kind.String() == "*pflag.flagValueWrapper" {
		kind = reflect.ValueOf(value).Elem().FieldByName("inner").Elem().Type()
	}
	named := kind
	if kind.Kind() == reflect.Pointer {
		named = kind.Elem()
	}
	switch named.PkgPath() {
	case "github.com/spf13/pflag", "flag":
		return ""
	}
	return kind.String()
}

// repeatable reports whether a second occurrence adds to the first instead of replacing it. Few
// types outside pflag say so by SliceValue, so the naming habit of pflag's types counts as well.
func repeatable(value pflag.Value) bool {
	if _, ok := value.(pflag.SliceValue); ok {
		return true
	}
	kind := value.Type()
	return strings.HasSuffix(kind, "Slice") || strings.HasSuffix(kind, "Array") ||
		strings.HasPrefix(kind, "stringTo") || strings.HasPrefix(kind, "map")
}

// linkedVersions reads the versions of modules from this binary, so the file names what was walked
// and not what a go.mod asks for today.
func linkedVersions(modules []string) (map[string]string, error) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("this binary carries no build information")
	}
	versions := map[string]string{}
	for _, dependency := range info.Deps {
		if !slices.Contains(modules, dependency.Path) {
			continue
		}
		if dependency.Replace != nil {
			versions[dependency.Path] = dependency.Replace.Version
		} else {
			versions[dependency.Path] = dependency.Version
		}
	}
	for _, module := range modules {
		if versions[module] == "" {
			return nil, fmt.Errorf("module %s is not linked into this binary", module)
		}
	}
	return versions, nil
}

// line is value as compact JSON without HTML escapes, which nobody can review.
func line(value any) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // strings, bools and maps of strings always encode
	}
	return strings.TrimSuffix(out.String(), "\n")
}
