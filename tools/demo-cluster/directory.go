package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	directoryPrefix = "kube-airlock-demo-cluster-"
	lockName        = "lock"
)

// A directory is where one cluster keeps its files, locked for as long as this process lives.
type directory struct {
	path string
	lock *os.File
	ours bool // we made it, so we remove it
}

// openDirectory locks the directory that was asked for, or makes and locks a fresh one.
func openDirectory(asked string) (*directory, error) {
	if asked != "" {
		return openAskedDirectory(asked)
	}
	// Between the making and the locking another cluster's sweep may take it; then the next try counts.
	for range 5 {
		path, err := os.MkdirTemp("", directoryPrefix)
		if err != nil {
			return nil, err
		}
		if lock, err := lockDirectory(path, os.O_CREATE); err == nil {
			return &directory{path: path, lock: lock, ours: true}, nil
		}
	}
	return nil, fmt.Errorf("no directory could be made and locked in %s", os.TempDir())
}

func openAskedDirectory(path string) (*directory, error) {
	err := os.Mkdir(path, 0o700)
	ours := err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	lock, err := lockDirectory(path, os.O_CREATE)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s is in use by another demo cluster", path)
	}
	if err != nil {
		return nil, err
	}
	d := &directory{path: path, lock: lock, ours: ours}
	// A cluster starts empty; what an earlier one stored here has other keys and other certificates.
	for _, name := range []string{etcdData, etcdSocket, etcdPeerSocket, argocdDir, istioDir} {
		if err := os.RemoveAll(filepath.Join(path, name)); err != nil {
			d.close()
			return nil, err
		}
	}
	return d, nil
}

// lockDirectory takes the lock file within, and fails if the directory was swept while it did.
func lockDirectory(path string, create int) (*os.File, error) {
	name := filepath.Join(path, lockName)
	lock, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOFOLLOW|create, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, err
	}
	held, heldErr := lock.Stat()
	named, namedErr := os.Lstat(name)
	if heldErr != nil || namedErr != nil || !os.SameFile(held, named) {
		lock.Close()
		return nil, fs.ErrNotExist
	}
	return lock, nil
}

// close removes a directory that we made, then lets go of the lock.
func (d *directory) close() {
	if d.ours {
		if err := os.RemoveAll(d.path); err != nil {
			say("%v", err)
		}
	}
	d.lock.Close()
}

// sweepStaleDirectories removes what killed clusters of this user left: their lock is free.
func sweepStaleDirectories(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, entry := range entries {
		path := filepath.Join(parent, entry.Name())
		if !strings.HasPrefix(entry.Name(), directoryPrefix) || !ownDirectory(path) {
			continue
		}
		// Without a lock file it is not ours, or it is being made right now.
		lock, err := lockDirectory(path, 0)
		if err != nil {
			continue
		}
		if err := os.RemoveAll(path); err == nil {
			say("removed %s, which a killed cluster left", path)
		}
		lock.Close()
	}
}

func ownDirectory(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(owner.Uid) == os.Geteuid()
}
