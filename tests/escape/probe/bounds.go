package main

import (
	"fmt"
	"net"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"syscall"
)

// threads has that many threads wait in the kernel. Go's runtime ends the process when it gets no more.
func threads(count string) (string, error) {
	wanted, _ := strconv.Atoi(count)
	var waiting atomic.Int64
	for range wanted {
		go func() {
			runtime.LockOSThread()
			waiting.Add(1)
			minute := syscall.Timespec{Sec: 60}
			syscall.Nanosleep(&minute, nil)
		}()
	}
	for waiting.Load() < int64(wanted) {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Second)
	return fmt.Sprint(waiting.Load(), " threads"), nil
}

// connections holds as many connections to a server as it gets, and says how many.
func connections(address string) (string, error) {
	var held []net.Conn
	for range 100 {
		connection, err := net.DialTimeout("tcp", address, 2*time.Second)
		if err != nil {
			break
		}
		held = append(held, connection)
	}
	return fmt.Sprint(len(held), " connections"), nil
}
