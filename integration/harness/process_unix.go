//go:build unix

package harness

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// ownGroup keeps a terminal's interrupt from servers and guards: the process
// that started them ends them.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}

// guard starts a shell that kills pid when this process is gone, however it
// went: then, and only then, the shell's input ends. The caller calls release
// once pid has ended by other means.
func guard(ctx context.Context, pid int) (release func(), err error) {
	input, hold, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("harness: %w", err)
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", `read _; kill -9 "$1"`, "sh", strconv.Itoa(pid))
	cmd.Stdin = input
	cmd.SysProcAttr = ownGroup()
	err = cmd.Start()
	_ = input.Close() // The shell has its own copy.
	if err != nil {
		_ = hold.Close() // Nobody reads it.
		return nil, fmt.Errorf("harness: guard of a server: %w", err)
	}
	return func() {
		_ = cmd.Process.Kill() // Before hold closes: pid may be another process's by now.
		_ = cmd.Wait()
		_ = hold.Close() // Nobody reads it any more.
	}, nil
}

// signal sends the server a signal.
func (p *process) signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("harness: %v: %w", s, err)
	}
	return nil
}

// stop makes the server stand still: it accepts connections, and never answers.
// It returns when all threads stand still, where the system tells: a signal takes
// its time.
func (p *process) stop() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	return Until(ctx, func(context.Context) error { return p.standsStill() })
}

// standsStill gives an error while a thread of the server runs.
func (p *process) standsStill() error {
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil {
		return err
	}
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // The thread has ended.
		}
		// The state follows the name, which is in parentheses and may have some.
		_, state, _ := bytes.Cut(stat[max(0, bytes.LastIndexByte(stat, ')')):], []byte(" "))
		if !bytes.HasPrefix(state, []byte("T")) {
			return fmt.Errorf("harness: %s: state %.1q", name, state)
		}
	}
	return nil
}

// cont lets a stopped server go on.
func (p *process) cont() error { return p.signal(syscall.SIGCONT) }
