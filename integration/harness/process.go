package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A process is a running server. It ends when kill is called, or with the
// process that started it.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when the server is gone
}

// startProcess runs file, with its output appended to the log file.
func startProcess(ctx context.Context, logFile, file string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Clean(logFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("harness: %w", err)
	}
	defer func() { _ = log.Close() }() // The server has its own copy.

	// The server outlives the context that bounds its start.
	ctx = context.WithoutCancel(ctx)
	cmd := exec.CommandContext(ctx, file, args...)
	cmd.Env = serverEnv()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	if err = cmd.Start(); err != nil {
		return nil, fmt.Errorf("harness: %w", err)
	}
	release, err := guard(ctx, cmd.Process.Pid)
	if err != nil {
		_ = cmd.Process.Kill() // The error of guard says more.
		_ = cmd.Wait()
		return nil, err
	}
	p := &process{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // Killed is how servers end here.
		release()
	}()
	return p, nil
}

// kill ends the server, stopped ones too, and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // It fails only for a process that is gone already.
	<-p.ended
}

// running reports whether the server has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// serverEnv is the environment without the variables that etcd takes as flags.
func serverEnv() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "ETCD_") })
	return append(env, "ETCD_UNSUPPORTED_ARCH="+runtime.GOARCH)
}
