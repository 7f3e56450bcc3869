package benchmarks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// roleVariable tells a program of this package that it is to be the stub.
const roleVariable = "CLIENTV3_BENCHMARKS_STUB"

// PlayRole makes this process the stub and then ends it, if another process of
// the same program started it as that. Call it first of all in main or TestMain of
// programs that use a [Bench].
func PlayRole() {
	if os.Getenv(roleVariable) == "" {
		return
	}
	if err := serveStub(context.Background(), os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// A stub is a server in a process of its own, which answers what it has ready.
type stub struct {
	endpoint string
	cmd      *exec.Cmd
	in       io.Closer
}

// startStub starts this program once more, as the stub.
func startStub(ctx context.Context) (*stub, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program) // it ends with its input
	cmd.Env = append(os.Environ(), roleVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	if err = cmd.Start(); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	s := &stub{cmd: cmd, in: in}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("benchmarks: the stub says no address: %w", err), s.close())
	}
	s.endpoint = "http://" + strings.TrimSpace(line)
	return s, nil
}

// close ends the stub and waits until it is gone.
func (s *stub) close() error {
	return errors.Join(s.in.Close(), s.cmd.Wait())
}
