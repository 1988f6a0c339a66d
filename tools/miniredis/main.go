// Command miniredis is the Redis of the demo cluster's Argo CD: in memory, on one address, for one password.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func main() {
	address := flag.String("address", "127.0.0.1:0", "where to listen")
	version := flag.Bool("version", false, "print the version and end")
	flag.Parse()
	if *version {
		fmt.Println(libraryVersion())
		return
	}
	if err := serve(*address, os.Getenv("REDIS_PASSWORD")); err != nil {
		fmt.Fprintln(os.Stderr, "miniredis:", err)
		os.Exit(1)
	}
}

func serve(address, password string) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGINT, syscall.SIGTERM)
	redis := miniredis.NewMiniRedis()
	redis.RequireAuth(password)
	if err := redis.StartAddr(address); err != nil {
		return err
	}
	defer redis.Close()
	// Its clock moves only when it is told to; without this nothing would ever expire.
	for ticks := time.Tick(time.Second); ; {
		select {
		case <-ticks:
			redis.FastForward(time.Second)
		case <-asked:
			return nil
		}
	}
}

// libraryVersion is the version of the module that does the work.
func libraryVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == "github.com/alicebob/miniredis/v2" {
			return dependency.Version
		}
	}
	return "unknown"
}
