package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// multiply starts itself twice per level and waits for none of them.
func multiply(levels string) error {
	left, _ := strconv.Atoi(levels)
	if left == 0 {
		time.Sleep(20 * time.Second)
		return nil
	}
	for range 2 {
		again := exec.Command("/proc/self/exe", fmt.Sprintf("--revision=multiply:%d", left-1))
		again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdin, os.Stdin
		if err := again.Start(); err != nil {
			return err
		}
	}
	return nil
}

// spawn starts for some seconds, one after the other, processes that leave others behind.
func spawn(seconds string) error {
	length, _ := strconv.Atoi(seconds)
	for end := time.Now().Add(time.Duration(length) * time.Second); time.Now().Before(end); {
		again := exec.Command("/proc/self/exe", "--revision=multiply:2")
		again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdin, os.Stdin
		if again.Run() != nil {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// fill writes files of a size, in MiB, until it cannot.
func fill(size string) error {
	megabytes, _ := strconv.Atoi(size)
	for number := 0; ; number++ {
		content := make([]byte, megabytes<<20)
		if err := os.WriteFile(filepath.Join(os.Getenv("TMPDIR"), strconv.Itoa(number)), content, 0o600); err != nil {
			return err
		}
	}
}

// litter leaves what is hard to remove: more than is looked at once, closed folders, and the names that what is
// nested gets while it is removed.
func litter() error {
	folder := os.Getenv("TMPDIR")
	for number := range 10 {
		if err := os.MkdirAll(filepath.Join(folder, fmt.Sprint(number, ".moved"), "in", "in"), 0o700); err != nil {
			return err
		}
	}
	many := filepath.Join(folder, "many")
	if err := os.Mkdir(many, 0o700); err != nil {
		return err
	}
	for number := range 5000 {
		if err := os.WriteFile(filepath.Join(many, strconv.Itoa(number)), nil, 0); err != nil {
			return err
		}
	}
	if err := os.Mkdir(filepath.Join(many, "in"), 0o700); err != nil {
		return err
	}
	return os.Mkdir(filepath.Join(many, "in", "closed"), 0)
}
