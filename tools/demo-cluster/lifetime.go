package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// watchForTheEnd cancels the context for every outside reason to end. It must run on the main thread.
func watchForTheEnd(end context.CancelCauseFunc, untilStdinCloses bool) {
	// Uncaught, the first progress message after a reader went away would kill us before we clean up.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	asked := make(chan os.Signal, 8)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		s := <-asked
		end(errors.New("asked to end by the signal `" + s.String() + "`"))
	}()

	if untilStdinCloses {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			end(errors.New("standard input closed"))
		}()
	}
	watchParent(end)
}

// watchParent ends us when the process that started us is gone.
//
// The kernel sends the signal when the *thread* that started us ends (prctl(2)), as a worker thread of
// an async runtime may while its process lives on. So it is a signal of its own, and only a changed
// parent id counts. A parent that died before this line cannot be told from a reaper that started us;
// a caller for whom that matters uses --until-stdin-closes.
func watchParent(end context.CancelCauseFunc) {
	parent := os.Getppid()
	gone := errors.New("the process that started it is gone")
	hints := make(chan os.Signal, 1)
	signal.Notify(hints, syscall.SIGUSR1)
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGUSR1), 0)
	if errno != 0 {
		say("prctl(PR_SET_PDEATHSIG): %v; it will not end with its parent", errno)
	}
	if os.Getppid() != parent {
		end(gone)
		return
	}
	go func() {
		for range hints {
			if os.Getppid() != parent {
				end(gone)
				return
			}
		}
	}()
}
