// Package warm lets a tool start before there is anything for it to do.
//
// A program that was started with AIRLOCK_WARM=N waits, when all of its packages are ready, for one request on the
// descriptor N, and then goes on as if it had been started with it. docs/tuned.md has the protocol. Nothing is
// printed about what goes wrong here: nobody has asked for anything yet. The sandbox allows few system calls, and this
// asks for one that the tool does not need otherwise (prlimit64 for RLIMIT_DATA and RLIMIT_CPU of itself).
package warm

import (
	"bytes"
	"errors"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

const (
	// Variable names the descriptor; without it Wait does nothing.
	Variable = "AIRLOCK_WARM"
	// The longest message that is read. A command line is a few KiB, and so are the variables; the rest is discovery's.
	longest = 2 << 20
	// What a program ends with that could not be confined or handed over, as where the server starts it.
	failed = 125
)

// request is what a child is handed.
type request struct {
	data    uint64 // RLIMIT_DATA, in bytes
	seconds uint64 // of processor time, from now on
	memory  int64  // for Go's runtime, in bytes
	argv    []string
	// NAME=value, each with a name
	variables []string
	// What earlier programs found; nil where nobody asks for what this one does
	found map[string][]byte
}

// Cache is what discovery has found. What is stored is told, so that a later program with the same credentials has it.
type Cache struct {
	mutex sync.Mutex
	found map[string][]byte
	fd    int
}

// Load is what was found under a name.
func (c *Cache) Load(name string) ([]byte, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	content, found := c.found[name]
	return content, found
}

// Store keeps and tells it. That nobody hears it is no fault of the command's.
func (c *Cache) Store(name string, content []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.found[name] = content
	record := slices.Concat([]byte(name), []byte{0}, content, []byte{0})
	if name == "" || bytes.Count(record, []byte{0}) != 2 {
		return
	}
	for len(record) > 0 && c.fd >= 0 {
		told, err := retried(syscall.Write, c.fd, record)
		if err != nil {
			_ = syscall.Close(c.fd)
			c.fd = -1
			return
		}
		record = record[told:]
	}
}

// Wait takes a request and returns as the program that it asks for, or does not return. It is the first that a main does.
func Wait() { wait("r") }

// WaitWithCache is Wait for a program that discovers. What it returns is nil unless the other side wants to hear what it
// finds.
func WaitWithCache() *Cache { return wait("d") }

// wait says that the program is ready by this byte.
func wait(ready string) *Cache {
	number, warm := os.LookupEnv(Variable)
	if !warm {
		return nil
	}
	descriptor, err := decimal(number, math.MaxInt32)
	if err != nil || descriptor < 3 || os.Unsetenv(Variable) != nil {
		os.Exit(failed)
	}
	fd := int(descriptor)
	message, err := receive(fd, ready)
	if err != nil {
		os.Exit(failed)
	}
	if len(message) == 0 {
		os.Exit(0) // nobody needs it any more
	}
	asked, err := parse(message)
	if err != nil || asked.found != nil && ready != "d" || asked.apply() != nil {
		os.Exit(failed)
	}
	// Whoever does not hear this starts another program for the request.
	if _, err := retried(syscall.Write, fd, []byte("g")); err != nil {
		os.Exit(failed)
	}
	if asked.found != nil {
		syscall.CloseOnExec(fd) // a helper finds nothing
		return &Cache{found: asked.found, fd: fd}
	}
	if syscall.Close(fd) != nil {
		os.Exit(failed)
	}
	return nil
}

// receive says that the program is ready and reads until the other side has said all.
func receive(fd int, ready string) ([]byte, error) {
	if _, err := retried(syscall.Write, fd, []byte(ready)); err != nil {
		return nil, err
	}
	message := make([]byte, 0, 4096)
	for {
		if len(message) == cap(message) {
			message = append(message, 0)[:len(message)]
		}
		got, err := retried(syscall.Read, fd, message[len(message):cap(message)])
		if err != nil {
			return nil, err
		}
		if got == 0 {
			return message, nil
		}
		message = message[:len(message)+got]
		if len(message) > longest {
			return nil, errors.New("too long")
		}
	}
}

// retried makes a call again when a signal came first.
func retried(call func(int, []byte) (int, error), fd int, bytes []byte) (int, error) {
	for {
		n, err := call(fd, bytes)
		if err != syscall.EINTR {
			return n, err
		}
	}
}

// parse reads a message: fields that each end with a NUL.
func parse(message []byte) (request, error) {
	text, terminated := strings.CutSuffix(string(message), "\x00")
	if !terminated {
		return request{}, errors.New("the last field has no end")
	}
	fields := strings.Split(text, "\x00")
	if len(fields) < 5 {
		return request{}, errors.New("fields are missing")
	}
	var numbers [4]uint64
	for i := range numbers {
		number, err := decimal(fields[i], math.MaxInt64)
		if err != nil || number == 0 {
			return request{}, errors.New("not a number that limits or counts anything")
		}
		numbers[i] = number
	}
	words := fields[len(numbers):]
	if numbers[3] > uint64(len(words)) {
		return request{}, errors.New("words are missing")
	}
	argv, variables := words[:numbers[3]], words[numbers[3]:]
	if argv[0] == "" {
		return request{}, errors.New("the program has no name")
	}
	var found map[string][]byte
	if end := slices.Index(variables, ""); end >= 0 {
		pairs := variables[end+1:]
		variables, found = variables[:end], make(map[string][]byte, len(pairs)/2)
		if len(pairs)%2 != 0 {
			return request{}, errors.New("what was found has no name, or a name nothing")
		}
		for pair := range slices.Chunk(pairs, 2) {
			found[pair[0]] = []byte(pair[1])
		}
	}
	for _, variable := range variables {
		if strings.IndexByte(variable, '=') < 1 {
			return request{}, errors.New("a variable has no name")
		}
	}
	return request{data: numbers[0], seconds: numbers[1], memory: int64(numbers[2]), argv: argv, variables: variables, found: found}, nil
}

// decimal reads digits and nothing else.
func decimal(text string, most uint64) (uint64, error) {
	number, err := strconv.ParseUint(text, 10, 64)
	if err == nil && number > most {
		err = strconv.ErrRange
	}
	return number, err
}

// apply makes this process one that was started with the request.
func (r request) apply() error {
	used, err := processorTime()
	if err != nil {
		return err
	}
	seconds := uint64((used+time.Second-1)/time.Second) + r.seconds
	if err := lower(syscall.RLIMIT_DATA, r.data); err != nil {
		return err
	}
	if err := lower(syscall.RLIMIT_CPU, seconds); err != nil {
		return err
	}
	debug.SetMemoryLimit(r.memory)
	for _, variable := range r.variables {
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	os.Args = r.argv
	return nil
}

// lower sets a limit for good, or leaves one that is lower already.
func lower(resource int, to uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(resource, &now); err != nil {
		return err
	}
	to = min(to, now.Max)
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: to, Max: to})
}

// processorTime is what this process has used of its processors until now. getrusage(2), which syscall has a function for,
// is one call more that the sandbox would have to allow.
func processorTime() (time.Duration, error) {
	const processClock = 2 // CLOCK_PROCESS_CPUTIME_ID
	var now syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, processClock, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
		return 0, errno
	}
	return time.Duration(now.Nano()), nil
}
