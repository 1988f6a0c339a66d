package warm

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// message is fields as they are sent.
func message(fields ...string) string { return strings.Join(fields, "\x00") + "\x00" }

func TestAMessageIsReadAsTheRequestItIs(t *testing.T) {
	for name, row := range map[string]struct {
		message string
		want    request
	}{
		"words": {message("1073741824", "30", "805306368", "3", "kubectl", "get", "pods"),
			request{1 << 30, 30, 805306368, []string{"kubectl", "get", "pods"}, []string{}, nil}},
		"an empty word and variables": {message("1", "2", "3", "2", "helm", "", "A=", "B=c=d", "A=again"),
			request{1, 2, 3, []string{"helm", ""}, []string{"A=", "B=c=d", "A=again"}, nil}},
		"bytes of any kind but NUL": {message("1", "2", "3", "2", "argocd", "a\nb \xff=", "T=\xfe\n"),
			request{1, 2, 3, []string{"argocd", "a\nb \xff="}, []string{"T=\xfe\n"}, nil}},
		"the largest numbers": {message("9223372036854775807", "9223372036854775807", "9223372036854775807", "1", "x"),
			request{math.MaxInt64, math.MaxInt64, math.MaxInt64, []string{"x"}, []string{}, nil}},
		"nothing found, and asked to tell": {message("1", "2", "3", "1", "x", ""),
			request{1, 2, 3, []string{"x"}, []string{}, map[string][]byte{}}},
		"variables, and what was found, the later in the place of the earlier": {message("1", "2", "3", "1", "x", "A=b", "", "n", "{}", "", "a=b", "n", ""),
			request{1, 2, 3, []string{"x"}, []string{"A=b"}, map[string][]byte{"n": {}, "": []byte("a=b")}}},
	} {
		got, err := parse([]byte(row.message))
		if err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What is wrong with each of these, in its name.
var malformed = map[string]string{
	"no terminator":              "1\x002\x003\x001\x00x",
	"nothing but a terminator":   "\x00",
	"no words":                   message("1", "2", "3", "0"),
	"no words, but variables":    message("1", "2", "3", "0", "A=b"),
	"fewer fields than numbers":  message("1", "2", "3"),
	"fewer words than announced": message("1", "2", "3", "2", "x"),
	"a word too many":            message("1", "2", "3", "1", "x", "y"),
	"a variable without a name":  message("1", "2", "3", "1", "x", "=y"),
	"a name without what it has": message("1", "2", "3", "1", "x", "", "n"),
	"one that is one too many":   message("1", "2", "3", "1", "x", "A=b", "", "n", "{}", ""),
	"a program without a name":   message("1", "2", "3", "1", ""),
	"a limit that is none":       message("0", "2", "3", "1", "x"),
	"no processor time":          message("1", "0", "3", "1", "x"),
	"a negative number":          message("1", "2", "-3", "1", "x"),
	"a signed number":            message("+1", "2", "3", "1", "x"),
	"a number with a space":      message("1 ", "2", "3", "1", "x"),
	"a number in hexadecimal":    message("0x1", "2", "3", "1", "x"),
	"a missing number":           message("", "2", "3", "1", "x"),
	"more than Go can be told":   message("1", "2", "9223372036854775808", "1", "x"),
	"more than 64 bits":          message("1", "2", "3", "18446744073709551617", "x"),
}

func TestAMalformedMessageIsNoRequest(t *testing.T) {
	for name, text := range malformed {
		if got, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What a program sees of itself when Wait has returned.
type seen struct {
	Args         []string
	Environment  map[string]string
	Data, CPU    syscall.Rlimit
	Memory       int64
	DescriptorIs bool
}

// The program of these tests: this one, started again.
func TestMain(m *testing.M) {
	if os.Getenv("WARM_TEST_BURN") != "" {
		for {
			if used, err := processorTime(); err != nil || used > 1100*time.Millisecond {
				break
			}
		}
	}
	if os.Getenv("WARM_TEST_PROGRAM") == "" {
		os.Exit(m.Run())
	}
	cache := (*Cache)(nil)
	if os.Getenv("WARM_TEST_WITHOUT_CACHE") != "" {
		Wait()
	} else {
		cache = WaitWithCache()
	}
	if cache != nil {
		content, _ := cache.Load("known")
		cache.Store("now known", append(content, '!'))
		cache.Store("never\x00told", nil)
		cache.Store("never told", []byte{0})
		cache.Store("large", bytes.Repeat([]byte("large"), 100_000))
		if _, is := cache.Load("never told"); !is {
			os.Exit(1)
		}
	}
	found := seen{Args: os.Args, Environment: map[string]string{}, Memory: debug.SetMemoryLimit(-1)}
	for _, variable := range os.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		found.Environment[name] = value
	}
	var stat syscall.Stat_t
	found.DescriptorIs = syscall.Fstat(3, &stat) == nil && stat.Mode&syscall.S_IFMT == syscall.S_IFSOCK
	if syscall.Getrlimit(syscall.RLIMIT_DATA, &found.Data) != nil || syscall.Getrlimit(syscall.RLIMIT_CPU, &found.CPU) != nil {
		os.Exit(1)
	}
	json.NewEncoder(os.Stdout).Encode(found)
}

// started runs the program with the variables, one end of a socket pair as descriptor 3, and what is then said to it.
func started(t *testing.T, variables []string, say func(*os.File)) (out []byte, status int) {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	program := exec.Command("/proc/self/exe", "as", "started")
	program.Env = append([]string{"WARM_TEST_PROGRAM=1", "KEPT=kept", "CHANGED=before"}, variables...)
	program.ExtraFiles = []*os.File{theirs}
	var streams bytes.Buffer
	program.Stdout, program.Stderr = &streams, &streams
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	say(ours)
	program.Wait()
	return streams.Bytes(), program.ProcessState.ExitCode()
}

// hand waits until the program is ready, and says all of the message.
func hand(t *testing.T, message string) func(*os.File) {
	return func(peer *os.File) {
		ready := make([]byte, 2)
		if n, err := peer.Read(ready); err != nil || string(ready[:n]) != "r" && string(ready[:n]) != "d" {
			t.Errorf("the program said %q, %v", ready[:n], err)
		}
		peer.WriteString(message) // a program that refuses it has gone before its end
		syscall.Shutdown(int(peer.Fd()), syscall.SHUT_WR)
	}
}

func TestAProgramGoesOnAsIfItHadBeenStartedWithTheRequest(t *testing.T) {
	for name, burnt := range map[string]uint64{"at once": 1, "after more than a second": 2} {
		variables := []string{"AIRLOCK_WARM=3"}
		if burnt > 1 {
			variables = append(variables, "WARM_TEST_BURN=1")
		}
		long := strings.Repeat("long", 10000) // more than one read
		out, status := started(t, variables, hand(t, message("4294967296", "30", "1000000000", "3", "tool", "one", long, "CHANGED=after", "NEW=x=y")))
		var found seen
		if err := json.Unmarshal(out, &found); err != nil || status != 0 {
			t.Fatalf("%s: %.500q, %d", name, out, status)
		}
		for _, mine := range []string{"WARM_TEST_PROGRAM", "WARM_TEST_BURN"} {
			delete(found.Environment, mine)
		}
		want := seen{
			Args:        []string{"tool", "one", long},
			Environment: map[string]string{"KEPT": "kept", "CHANGED": "after", "NEW": "x=y"},
			Data:        syscall.Rlimit{Cur: 4294967296, Max: 4294967296},
			CPU:         syscall.Rlimit{Cur: 30 + burnt, Max: 30 + burnt},
			Memory:      1000000000,
		}
		if !reflect.DeepEqual(found, want) {
			found.Args, want.Args = nil, nil // long
			t.Errorf("%s: %+v, not %+v, or argv differs", name, found, want)
		}
	}
}

func TestAProgramTellsWhatItFindsToWhoeverListens(t *testing.T) {
	request := message("4294967296", "30", "1000000000", "1", "tool", "A=b", "", "known", "known content")
	for name, reads := range map[string]bool{"heard": true, "not heard": false} {
		var told []byte
		out, status := started(t, []string{"AIRLOCK_WARM=3"}, func(peer *os.File) {
			hand(t, request)(peer)
			if reads {
				told, _ = io.ReadAll(peer)
			} else {
				peer.Read(make([]byte, 1))
				syscall.Shutdown(int(peer.Fd()), syscall.SHUT_RD)
			}
		})
		if status != 0 || len(out) == 0 {
			t.Errorf("%s: %q, %d", name, out, status)
		}
		if want := "g" + message("now known", "known content!", "large", strings.Repeat("large", 100_000)); reads && string(told) != want {
			t.Errorf("%s: told %d bytes, %.50q", name, len(told), told)
		}
	}
}

func TestAProgramThatWaitsForNothingIsAsItWasStarted(t *testing.T) {
	out, status := started(t, nil, func(*os.File) {})
	var found seen
	if err := json.Unmarshal(out, &found); err != nil || status != 0 {
		t.Fatalf("%q, %d", out, status)
	}
	if len(found.Args) != 3 || found.Args[1] != "as" || !found.DescriptorIs || found.Memory != math.MaxInt64 || found.Environment["CHANGED"] != "before" {
		t.Errorf("%+v", found)
	}
}

func TestAProgramThatIsNotNeededEnds(t *testing.T) {
	if out, status := started(t, []string{"AIRLOCK_WARM=3"}, hand(t, "")); status != 0 || len(out) > 0 {
		t.Errorf("%q, %d", out, status)
	}
}

func TestAProgramThatCannotBeHandedOverSaysNothing(t *testing.T) {
	silent := func(name string, variables []string, say func(*os.File)) {
		if out, status := started(t, variables, say); status != failed || len(out) > 0 {
			t.Errorf("%s: %q, %d", name, out, status)
		}
	}
	for name, text := range malformed {
		silent(name, []string{"AIRLOCK_WARM=3"}, hand(t, text))
	}
	whole := message("4294967296", "30", "1000000000", "1", "tool")
	silent("asked to tell what it never finds", []string{"AIRLOCK_WARM=3", "WARM_TEST_WITHOUT_CACHE=1"}, hand(t, whole+message("")))
	silent("too long", []string{"AIRLOCK_WARM=3"}, hand(t, whole+message("A="+strings.Repeat("a", longest))))
	for _, number := range []string{"", "2", "-1", "03x", "4", "99999999999999999999", "2147483648"} {
		silent("descriptor "+number, []string{"AIRLOCK_WARM=" + number}, func(*os.File) {})
	}
}
