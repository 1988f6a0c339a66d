// probe stands in for kubectl, istioctl and argocd and tries, inside the sandbox, what its --selector, --revision or another flag
// says. A static Go program like the tools, so that it runs wherever they do, and waits for its request as they do. It prints `ok` or the error's name.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"kube-airlock.dev/tools/warm"
)

// Of a tool that does not say its version: set by the linker.
var silent string

// What earlier tools found, where this one waited and is asked for what it finds.
var cache *warm.Cache

func main() {
	cache = warm.WaitWithCache()
	if len(os.Args) > 3 && strings.HasPrefix(os.Args[1], "restricted") {
		isOld := os.Args[1] == "restricted-before-6.3"
		fmt.Fprintln(os.Stderr, restricted(os.Args[2], isOld, os.Args[3:]))
		os.Exit(1)
	}
	// A lie may stand in any flag: not every verb has one of those below.
	for _, word := range os.Args[1:] {
		if _, lie, found := strings.Cut(word, "=lie:"); found {
			fmt.Println(told(try("lie:" + lie)))
			return
		}
	}
	for _, word := range os.Args[1:] {
		if word == "version" {
			if silent != "" {
				time.Sleep(time.Hour)
			}
			if os.Args[0] == "helm" {
				fmt.Println("v4.3.2")
				return
			}
			fmt.Println(`{"clientVersion":{"gitVersion":"v1.37.2","version":"1.31.0"},"client":{"Version":"v3.6.1"}}`)
			return
		}
		for _, flag := range []string{"--selector=", "--revision=", "--field-manager=", "--resource-version="} {
			if task, found := strings.CutPrefix(word, flag); found {
				fmt.Println(told(try(task)))
				return
			}
		}
	}
	fmt.Println("nothing to try")
}

// try does one `what:argument`; a value instead of an error is printed as it is.
func try(task string) (string, error) {
	what, argument, _ := strings.Cut(task, ":")
	switch what {
	case "read":
		_, err := os.ReadFile(argument)
		return "", err
	case "list":
		_, err := os.ReadDir(argument)
		return "", err
	case "write":
		return "", os.WriteFile(argument, []byte("x"), 0o600)
	case "append":
		file, err := os.OpenFile(argument, os.O_WRONLY|os.O_APPEND, 0)
		if err == nil {
			_, err = file.WriteString("x")
		}
		return "", err
	case "mkdir":
		return "", os.Mkdir(argument, 0o700)
	case "remove":
		return "", os.Remove(argument)
	case "link":
		return "", os.Link(os.Getenv("KUBECONFIG"), os.Getenv("HOME")+"/link")
	case "symlink":
		return "", os.Symlink(argument, os.Getenv("HOME")+"/link")
	case "chmod":
		return "", os.Chmod(argument, 0o666)
	case "exec":
		return "", exec.Command(argument).Run()
	case "greeting":
		// What the one who answers says first.
		return heard(argument, "")
	case "lie":
		// Any bytes, in base64, to whoever answers in the API server's place.
		question, err := base64.RawURLEncoding.DecodeString(argument)
		if err != nil {
			return "", err
		}
		return heard("192.0.2.1:1", string(question))
	case "proxied":
		return heard("192.0.2.1:1", "CONNECT "+argument+" HTTP/1.1\r\nHost: "+argument+"\r\n\r\n")
	case "listen":
		// Without multipath, which Go tries first for listeners and Landlock does not govern.
		var plain net.ListenConfig
		plain.SetMultipathTCP(false)
		_, err := plain.Listen(context.Background(), "tcp", argument)
		return "", err
	case "talk-to-itself":
		return talkToItself()
	case "unix":
		_, err := net.Dial("unix", argument)
		return "", err
	case "datagram":
		_, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
		return "", err
	case "signal":
		pid, _ := strconv.Atoi(argument)
		return "", syscall.Kill(pid, 0)
	case "setuid":
		uid, _ := strconv.Atoi(argument)
		return "", syscall.Setuid(uid)
	case "raise":
		limit := syscall.Rlimit{Cur: 1 << 40, Max: 1 << 40}
		return "", syscall.Setrlimit(syscall.RLIMIT_DATA, &limit)
	case "memory":
		megabytes, _ := strconv.Atoi(argument)
		block := make([]byte, megabytes<<20)
		for at := 0; at < len(block); at += 4096 {
			block[at] = 1
		}
		runtime.KeepAlive(block)
		return "", nil
	case "threads":
		return threads(argument)
	case "connections":
		return connections(argument)
	case "read-only-memory":
		// Written to, and then not writable any more: RLIMIT_DATA does not count it.
		megabytes, _ := strconv.Atoi(argument)
		for ; megabytes > 0; megabytes -= 64 {
			block, err := syscall.Mmap(-1, 0, 64<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
			if err != nil {
				return "", err
			}
			if err := syscall.Mprotect(block, syscall.PROT_READ); err != nil {
				return "", err
			}
		}
		return "", nil
	case "environment":
		return strings.Join(os.Environ(), "\n"), nil
	case "own-kubeconfig":
		text, err := os.ReadFile(os.Getenv("KUBECONFIG"))
		return string(text), err
	case "identity":
		return fmt.Sprintf("uid=%d gid=%d", os.Getuid(), os.Getgid()), nil
	case "descriptors":
		var open []string
		for number := 0; number < 1024; number++ {
			if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(number), syscall.F_GETFD, 0); errno == 0 {
				open = append(open, strconv.Itoa(number))
			}
		}
		return strings.Join(open, " "), nil
	case "orphan":
		// A child in a session of its own that outlives us, if it can.
		self := "/proc/self/exe"
		// Each level in a session of its own; the last one sleeps.
		next := "--selector=sleep:20"
		if depth, _ := strconv.Atoi(argument); depth > 1 {
			next = "--selector=orphan:" + strconv.Itoa(depth-1)
		}
		command := exec.Command(self, next)
		// os/exec would open /dev/null, which the sandbox does not let us; standard input is it already.
		command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdin, os.Stdin
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := command.Start(); err != nil {
			return "", err
		}
		time.Sleep(100 * time.Millisecond)
		return "", nil
	case "multiply":
		return "", multiply(argument)
	case "spawn":
		return "", spawn(argument)
	case "fill":
		return "", fill(argument)
	case "litter":
		return "", litter()
	case "lock-out":
		// The workspace is ours while we run: shut the door behind us.
		home := os.Getenv("HOME")
		os.Chmod(home, 0)
		return "", os.Chmod(strings.TrimSuffix(home, "/home"), 0)
	case "sleep":
		seconds, _ := strconv.Atoi(argument)
		time.Sleep(time.Duration(seconds) * time.Second)
		return "", nil
	case "stubborn":
		// Asked to end, it goes on.
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("it goes on")
		return try("sleep:" + argument)
	case "silent":
		// Nobody hears of it any more, and it lives.
		os.Stdout.Close()
		os.Stderr.Close()
		return try("sleep:" + argument)
	case "burn":
		return "", burn(argument)
	case "flood":
		// As fast as it is read.
		block := []byte(strings.Repeat(strings.Repeat("x", 99)+"\n", 655))
		for {
			if _, err := os.Stdout.Write(block); err != nil {
				return "", err
			}
		}
	case "find":
		// As discovery does, under the name of what it asks for first.
		if cache != nil {
			cache.Store("server/servergroups.json", []byte(argument))
		}
		return argument, nil
	case "known":
		if cache == nil {
			return "not asked", nil
		}
		content, _ := cache.Load("server/servergroups.json")
		return "known: " + string(content), nil
	case "find-too-much":
		megabyte := make([]byte, 1<<20)
		for i := range megabyte {
			megabyte[i] = 'x'
		}
		for range 256 {
			cache.Store("server/servergroups.json", megabyte)
		}
		return "", nil
	case "print":
		bytes, _ := strconv.Atoi(argument)
		line := strings.Repeat("x", 99) + "\n"
		for ; bytes > 0; bytes -= len(line) {
			fmt.Print(line)
		}
		return "the end", nil
	case "escape-sequences":
		return "a\x1b[31mred\x1b[0m\u202eb", nil
	}
	return "", errors.New("there is no such probe")
}

// burn keeps two processors busy for some milliseconds.
func burn(milliseconds string) error {
	length, _ := strconv.Atoi(milliseconds)
	var working sync.WaitGroup
	for range 2 {
		working.Add(1)
		go func() {
			defer working.Done()
			for end := time.Now().Add(time.Duration(length) * time.Millisecond); time.Now().Before(end); {
			}
		}()
	}
	working.Wait()
	return nil
}

// heard is what a server says within a second, after it was asked.
func heard(address, question string) (string, error) {
	connection, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(time.Second))
	if _, err := connection.Write([]byte(question)); err != nil {
		return "", err
	}
	text, err := io.ReadAll(connection)
	if len(text) > 0 {
		err = nil
	}
	return string(text), err
}

func told(value string, err error) string {
	var errno syscall.Errno
	switch {
	case err == nil && value == "":
		return "ok"
	case err == nil:
		return value
	case errors.As(err, &errno):
		for name, known := range map[string]syscall.Errno{"EACCES": syscall.EACCES, "EPERM": syscall.EPERM, "ENOENT": syscall.ENOENT, "ESRCH": syscall.ESRCH, "ECONNREFUSED": syscall.ECONNREFUSED, "EFBIG": syscall.EFBIG, "EROFS": syscall.EROFS} {
			if errno == known {
				return name
			}
		}
		return errno.Error()
	}
	return err.Error()
}
