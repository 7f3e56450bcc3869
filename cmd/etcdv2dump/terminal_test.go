package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/creack/pty"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A session is the command on a terminal of its own, with a user who reads
// along.
type session struct {
	t    *testing.T
	cmd  *exec.Cmd
	pty  *os.File
	done chan struct{} // closed when all was shown

	mu    sync.Mutex // guards the field below
	shown bytes.Buffer
}

// onTerminal starts the command on a terminal of 80 columns; stdin is that
// terminal too, unless another one is given.
func onTerminal(t *testing.T, stdin *os.File, args ...string) *session {
	t.Helper()
	return programOnTerminal(t, stdin, "etcdv2dump", args...)
}

func programOnTerminal(t *testing.T, stdin *os.File, program string, args ...string) *session {
	t.Helper()
	s := &session{t: t, cmd: exec.CommandContext(t.Context(), program, args...), done: make(chan struct{})}
	if stdin != nil {
		s.cmd.Stdin = stdin
	}
	tty, err := pty.StartWithAttrs(s.cmd, &pty.Winsize{Rows: 24, Cols: 80}, &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.pty = tty
	go func() {
		defer close(s.done)
		_, _ = io.Copy(s, tty) // It ends with an error when the process does.
	}()
	return s
}

// Write keeps what the terminal shows.
func (s *session) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.Write(p)
}

func (s *session) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

func (s *session) waitFor(text string) {
	s.t.Helper()
	harness.WaitFor(s.t, patience, func() error {
		if screen := s.screen(); !strings.Contains(screen, text) {
			return errors.New("the terminal shows no " + text + ":\n" + screen)
		}
		return nil
	})
}

func (s *session) write(keys string) {
	s.t.Helper()
	if _, err := s.pty.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
}

// end waits for the exit code and for all that is shown.
func (s *session) end() int {
	s.t.Helper()
	_ = s.cmd.Wait() // The exit code tells.
	<-s.done
	if err := s.pty.Close(); err != nil {
		s.t.Error(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

// ctrlC is what that key sends: the terminal makes a signal of it.
const ctrlC = "\x03"

// TestProgressOnATerminal imports on a terminal, which shows how far it is, and
// in the end only the result.
func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	cluster := startEtcd(t, harness.Options{})
	file, _ := writeDump(t, many)
	s := onTerminal(t, nil, "import", "--endpoints", cluster.Endpoints()[0], file)
	s.waitFor(" / 10100 [")
	s.waitFor("%")
	if code := s.end(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.screen())
	}
	if seen := lastLines(s.screen()); !strings.HasPrefix(seen, "Imported 10000 keys") {
		t.Errorf("the bar is not cleared: %q", seen)
	}
}

// lastLines is what is seen after the last time the line was cleared.
func lastLines(screen string) string {
	return screen[strings.LastIndex(screen, clearLine)+len(clearLine):]
}

// TestNoProgressInAPipe has no terminal: not one byte of a bar.
func TestNoProgressInAPipe(t *testing.T) {
	t.Parallel()
	cluster := startEtcd(t, harness.Options{})
	file, _ := writeDump(t, 200)
	said := completes(t, "import", "--endpoints", cluster.Endpoints()[0], file)
	if !strings.HasPrefix(said, "Imported") || strings.ContainsAny(said, "\r\x1b") {
		t.Errorf("stderr has more than the result: %q", said)
	}
}

// TestPurgeAsks asks on the terminal, and only the word yes removes anything.
func TestPurgeAsks(t *testing.T) {
	t.Parallel()
	cluster := startEtcd(t, harness.Options{})
	kapi := keysOf(t, cluster.Endpoints()...)
	must[*client.Response](t)(kapi.Set(t.Context(), "/app/port", "80", nil))
	for _, tt := range []struct {
		answer string
		code   int
		left   int
	}{
		{"y\n", exitDifferent, 2},
		{"\n", exitDifferent, 2},
		{"\x04", exitDifferent, 2}, // Ctrl-D
		{ctrlC, exitInterrupted, 2},
		{"yes\n", exitDone, 0},
	} {
		s := onTerminal(t, nil, "purge", "--endpoints", cluster.Endpoints()[0], "--root", "/")
		s.waitFor("This will remove 1 key and 1 directory below / from " + cluster.Endpoints()[0])
		s.waitFor("Type yes to go on: ")
		s.write(tt.answer)
		if code := s.end(); code != tt.code {
			t.Errorf("%q: exit code %d, want %d\n%s", tt.answer, code, tt.code, s.screen())
		}
		if left := writtenOnce(t, kapi); left != tt.left {
			t.Errorf("%q: %d nodes are left, want %d", tt.answer, left, tt.left)
		}
	}
}

// TestPasswordIsAskedFor types a password that the terminal does not show, also
// where stdin is the dump.
func TestPasswordIsAskedFor(t *testing.T) {
	t.Parallel()
	store := startSecure(t)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, store.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	file, _ := writeDump(t, 10)
	piped := must[*os.File](t)(os.Open(file))
	defer piped.Close()
	s := onTerminal(t, piped, "import", "-", "--endpoints", store.url, "--ca-file", ca, "-u", "root")
	s.waitFor("Password of root: ")
	s.write(securePassword + "\n")
	if code := s.end(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.screen())
	}
	if strings.Contains(s.screen(), securePassword) {
		t.Errorf("the terminal shows the password: %q", s.screen())
	}

	// Who thinks better of it has a terminal that shows what is typed.
	s = programOnTerminal(t, nil, "sh", "-c", `trap : INT; etcdv2dump export "$@"; echo "exit code $?"; stty -a`, "sh", "--endpoints", store.url, "--ca-file", ca, "-u", "root")
	s.waitFor("Password of root: ")
	s.write(ctrlC)
	s.end()
	if shown := s.screen(); !strings.Contains(shown, "exit code 130") || !strings.Contains(shown, " echo ") {
		t.Errorf("interrupted: %s", shown)
	}
}
