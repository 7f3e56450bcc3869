package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// errNoTerminal says that nobody is there to be asked.
var errNoTerminal = errors.New("no terminal to ask on")

// terminal gives the file that a stream is, if that is a terminal.
func terminal(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil, false
	}
	return f, true
}

// askPassword asks on the terminal, which shows nothing of the answer. Standard
// input may be a dump: then the terminal that controls the process is asked.
func (s surroundings) askPassword(ctx context.Context, user string) (string, error) {
	tty, ok := terminal(s.stdin)
	if !ok {
		var err error
		if tty, err = os.OpenFile(s.tty, os.O_RDWR, 0); err != nil {
			return "", errNoTerminal
		}
		defer tty.Close() //nolint:errcheck // nothing is lost with it
	}
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	s.say("Password of %s: ", user)
	password, err := whileWanted(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	s.say("\n")
	if ctx.Err() != nil {
		return "", errors.Join(ctx.Err(), term.Restore(fd, before)) // Or the shell would show nothing of what is typed.
	}
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return string(password), nil
}

// askYes asks a question on the terminal and reports whether the answer is the
// word yes.
func (s surroundings) askYes(ctx context.Context, question string) (bool, error) {
	if _, ok := terminal(s.stdin); !ok {
		return false, errNoTerminal
	}
	s.say("%s", question)
	answer, err := whileWanted(ctx, func() (string, error) { return bufio.NewReader(s.stdin).ReadString('\n') })
	if err != nil {
		s.say("\n")
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		return false, err
	}
	return strings.TrimSpace(answer) == "yes", nil
}

// say prints for people, on stderr. That they can't be reached is no reason to
// stop.
func (s surroundings) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.stderr, format, args...) //nolint:errcheck // see above
}

// whileWanted reads, or gives up when ctx ends: nothing else takes a process
// out of a read from a terminal or a pipe. The goroutine then stays until the
// read returns, or the process ends.
func whileWanted[T any](ctx context.Context, read func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := read()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// An interruptible reads from r until ctx ends.
type interruptible struct {
	ctx context.Context // io.Reader has no place for it.
	r   io.Reader
	// buf is the goroutine's: p may be in other hands when a late read fills it.
	buf []byte
}

// Read implements io.Reader.
func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	if len(i.buf) < len(p) {
		i.buf = make([]byte, len(p))
	}
	buf := i.buf[:len(p)]
	n, err := whileWanted(i.ctx, func() (int, error) { return i.r.Read(buf) })
	return copy(p, buf[:n]), err
}
