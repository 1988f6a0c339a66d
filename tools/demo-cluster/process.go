package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// grace is how long components get between SIGTERM and SIGKILL. They hold nothing worth waiting for.
const grace = 3 * time.Second

// A process is one running component.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it is reaped
}

// componentDied says that a component ended by itself.
type componentDied struct {
	name, log, status string
}

func (d *componentDied) Error() string { return fmt.Sprintf("%s died: %s", d.name, d.status) }

// startProcess starts one component with this environment and no other. Only the main thread may call it: the
// kernel kills the component when the thread that started it ends.
func startProcess(binary, name, dir string, environment []string, log string, arguments []string, died func(*componentDied)) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd := exec.Command(binary, arguments...)
	cmd.Dir = dir
	cmd.Env = environment
	cmd.Stdout, cmd.Stderr = output, output
	// A session of its own keeps a terminal's Ctrl-C from reaching components before the orderly stop.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s did not start: %w", name, err)
	}
	p := &process{name: name, log: log, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the state says the same
		close(p.done)
		died(&componentDied{name, log, cmd.ProcessState.String()})
	}()
	return p, nil
}

// stopProcesses takes at least one, and returns when every one is reaped. The first one started is the last one asked to end:
// an API server whose etcd is gone does not stop by itself.
func stopProcesses(processes []*process) {
	late := time.AfterFunc(grace, func() {
		for _, p := range processes {
			p.signal(syscall.SIGKILL)
		}
	})
	defer late.Stop()
	first, others := processes[0], processes[1:]
	for _, p := range others {
		p.signal(syscall.SIGTERM)
	}
	for _, p := range others {
		<-p.done
	}
	first.signal(syscall.SIGTERM)
	<-first.done
	// What kwok started for `kubectl exec` shares its group and may have outlived it.
	for _, p := range processes {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// signal reaches a process that is not reaped yet; after that its id may be another's.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		_ = p.cmd.Process.Signal(s)
	}
}

// tail is the end of a log, for a person.
func tail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}
