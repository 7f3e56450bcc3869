//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

const (
	// startTimeout bounds the time until a block in the foreground has printed what
	// the README shows: it may build a server.
	startTimeout = 20 * time.Minute
	// endTimeout bounds the time from Ctrl-C to the end of such a block.
	endTimeout = 30 * time.Second
)

// A terminal runs blocks one after the other, each in the directory that the one
// before has left.
type terminal struct {
	machine *machine
	dir     string
	log     io.Writer     // what commands print to standard error
	timeout time.Duration // until a block in the foreground has printed what is shown

	foreground []*running
}

// A running is a block in a terminal of its own.
type running struct {
	cmd    *exec.Cmd
	stdout *output
	ended  chan struct{} // closed after err is set
	err    error
}

// paste does what a reader does with the block, and returns why it went wrong.
// Printed is what the README shows as the output, nil where it shows nothing.
func (t *terminal) paste(ctx context.Context, b block, printed *string) error {
	switch {
	case b.language == "go":
		return os.WriteFile(filepath.Join(t.dir, b.info), []byte(b.text), 0o600)
	case b.info == "foreground":
		return t.runForeground(ctx, b, printed)
	default:
		return t.run(ctx, b, printed)
	}
}

// run runs a block to its end.
func (t *terminal) run(ctx context.Context, b block, printed *string) error {
	left := filepath.Join(t.machine.dir, "left") // The directory, for the next block.
	cmd := t.shell(ctx, b.text+"\npwd >"+left+"\n")
	var stdout bytes.Buffer
	cmd.Stdout = &stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w; standard output:\n%s", err, &stdout)
	}
	if printed != nil && stdout.String() != *printed {
		return fmt.Errorf("printed\n%sthe README shows\n%s", &stdout, *printed)
	}
	dir, err := os.ReadFile(left)
	if err != nil {
		return err
	}
	t.dir = strings.TrimSuffix(string(dir), "\n")
	return nil
}

// runForeground starts a block that does not end, and returns when it has printed
// what the README shows.
func (t *terminal) runForeground(ctx context.Context, b block, printed *string) error {
	if printed == nil {
		return errors.New("the README must show what a block in the foreground prints, or a reader can't know when to go on")
	}
	r := &running{cmd: t.shell(ctx, b.text), stdout: &output{}, ended: make(chan struct{})}
	r.cmd.Stdout = r.stdout
	if err := r.cmd.Start(); err != nil {
		return err
	}
	go func() {
		defer close(r.ended)
		r.err = r.cmd.Wait()
	}()
	t.foreground = append(t.foreground, r)
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, fmt.Errorf("not as shown after %s", t.timeout))
	defer cancel()
	return harness.Until(ctx, func(context.Context) error {
		select {
		case <-r.ended:
			cancel()
			return fmt.Errorf("it ended: %w; standard output:\n%s", r.err, r.stdout)
		default:
		}
		if got := r.stdout.String(); got != *printed {
			return fmt.Errorf("printed\n%sthe README shows\n%s", got, *printed)
		}
		return nil
	})
}

// shell returns a shell that runs the text as if it were typed.
func (t *terminal) shell(ctx context.Context, text string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(t.machine.dir, "bin", "sh"), "-e", "-c", text)
	cmd.Dir, cmd.Stderr = t.dir, t.log
	cmd.Env = slices.Concat(t.machine.env, []string{"PWD=" + t.dir})
	inOwnGroup(cmd)
	return cmd
}

// close types Ctrl-C into the terminals whose blocks go on, and returns what
// goes wrong there.
func (t *terminal) close() error {
	var errs []error
	for _, r := range t.foreground {
		if err := r.interrupt(); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// interrupt sends Ctrl-C and waits for the end.
func (r *running) interrupt() error {
	select {
	case <-r.ended:
		return fmt.Errorf("a block in the foreground ended by itself: %w", r.err)
	default:
	}
	if err := interruptGroup(r.cmd); err != nil {
		return err
	}
	select {
	case <-r.ended: // By which status depends on what make was doing.
		return nil
	case <-time.After(endTimeout):
		killGroup(r.cmd)
		<-r.ended
		return fmt.Errorf("a block in the foreground goes on %s after Ctrl-C", endTimeout)
	}
}

// output is what a process has printed so far.
type output struct {
	mu   sync.Mutex // guards the field below
	text []byte
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	return len(p), nil
}

// String returns what was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}
