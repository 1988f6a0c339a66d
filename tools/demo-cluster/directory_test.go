package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheSweepTakesDirectoriesWhoseLockIsFreeAndNoOthers(t *testing.T) {
	parent := t.TempDir()
	t.Setenv("TMPDIR", parent)

	running, err := openDirectory("")
	if err != nil {
		t.Fatal(err)
	}
	killed, err := openDirectory("")
	if err != nil {
		t.Fatal(err)
	}
	killed.lock.Close() // the kernel does this for a killed process
	beingMade := filepath.Join(parent, directoryPrefix+"without-lock")
	foreign := filepath.Join(parent, "something-else")
	for _, path := range []string{beingMade, foreign} {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}

	sweepStaleDirectories(parent)

	for path, stays := range map[string]bool{running.path: true, killed.path: false, beingMade: true, foreign: true} {
		if _, err := os.Lstat(path); (err == nil) != stays {
			t.Errorf("%s: stays is %v, want %v", filepath.Base(path), err == nil, stays)
		}
	}
	running.close()
	if _, err := os.Lstat(running.path); err == nil {
		t.Error("a directory that we made stays after close")
	}
}

func TestADirectoryThatWasThereStaysAndServesOneClusterAtATime(t *testing.T) {
	path := t.TempDir()
	first, err := openDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openDirectory(path); err == nil {
		t.Error("a second cluster got the same directory")
	}
	first.close()
	second, err := openDirectory(path)
	if err != nil {
		t.Fatal(err)
	}
	second.close()
	if _, err := os.Lstat(path); err != nil {
		t.Error("a directory that was there is gone")
	}
}
