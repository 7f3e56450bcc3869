package benchmarks

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// A stub is a server in a process of its own, which answers what it has ready.
type stub struct {
	endpoints []string
	cmd       *exec.Cmd
	in        io.Closer
	ask       io.Writer
	out       *bufio.Reader
}

// startStub starts this program once more, as the stub.
func startStub(ctx context.Context) (*stub, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program) // it ends with its input
	cmd.Env = append(os.Environ(), roleVariable+"="+stubRole)
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
	s := &stub{cmd: cmd, in: in, ask: in, out: bufio.NewReader(out)}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("benchmarks: the stub says no address: %w", err), s.close())
	}
	for address := range strings.FieldsSeq(line) {
		s.endpoints = append(s.endpoints, "http://"+address)
	}
	return s, nil
}

// accepted returns how many connections the stub has accepted since it was last asked.
func (s *stub) accepted() (int, error) {
	if _, err := io.WriteString(s.ask, "\n"); err != nil {
		return 0, err
	}
	line, err := s.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

// close ends the stub and waits until it is gone.
func (s *stub) close() error {
	return errors.Join(s.in.Close(), s.cmd.Wait())
}
