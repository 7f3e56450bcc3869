package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/client/move"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// startEtcd37 starts an etcd that has only the v3 API, with a bridge to it.
func startEtcd37(t *testing.T, o harness.Options) (*harness.Cluster, client.KeysAPI) {
	t.Helper()
	server, err := harness.BuildEtcd37(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cluster := harness.Start(t, server, o)
	v3 := must[*clientv3.Client](t)(clientv3.New(clientv3.Config{Endpoints: cluster.Endpoints()}))
	t.Cleanup(func() { _ = v3.Close() })
	return cluster, keysapi.New(v3)
}

func wantValue(t *testing.T, kapi client.KeysAPI, key, value string) {
	t.Helper()
	if r, err := kapi.Get(t.Context(), key, &client.GetOptions{Quorum: true}); err != nil || r.Node.Value != value {
		t.Errorf("%s: got %v, %v; want %q", key, r, err, value)
	}
}

// moves gives the arguments of a move.
func moves(from, to *harness.Cluster, more ...string) []string {
	return append([]string{"move", "--endpoints", from.Endpoints()[0], "--to-endpoints", to.Endpoints()[0], "--status-interval", "10ms"}, more...)
}

// TestMoveFollowsUntilTheSignal has a process in a pipe, as in a script, that says how
// far it is, and switches when it gets SIGUSR1.
func TestMoveFollowsUntilTheSignal(t *testing.T) {
	t.Parallel()
	old := startEtcd(t, harness.Options{})
	target, bridge := startEtcd37(t, harness.Options{})
	kapi := keysOf(t, old.Endpoints()...)
	must[*client.Response](t)(kapi.Set(t.Context(), "/app/port", "80", nil))

	p := start(t, moves(old, target)...)
	waitFor(t, "for the copy", func() bool {
		_, err := bridge.Get(t.Context(), "/app/port", nil)
		return err == nil
	})
	must[*client.Response](t)(kapi.Set(t.Context(), "/app/port", "81", nil))
	must[*client.Response](t)(kapi.Set(t.Context(), "/app/_lock", "held", nil))
	waitFor(t, "for the changes", func() bool {
		r, err := bridge.Get(t.Context(), "/app/port", nil)
		_, errHidden := bridge.Get(t.Context(), "/app/_lock", nil)
		return err == nil && errHidden == nil && r.Node.Value == "81"
	})
	if err := p.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // The exit code tells.
	if code := p.ProcessState.ExitCode(); code != exitDone {
		t.Errorf("exit code %d, want %d\n%s", code, exitDone, &p.stderr)
	}
	said := p.stderr.String()
	for _, want := range []string{"Caught up. Stop the programs that write to " + old.Endpoints()[0], "kill -USR1", "Following: ", "Moved 2 keys and 1 directory", "1 applied as changes", "/app/_lock"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if strings.ContainsAny(said, "\r\x1b") {
		t.Errorf("a bar in a pipe: %q", said)
	}
}

// TestMoveOnATerminal has somebody type the word.
func TestMoveOnATerminal(t *testing.T) {
	t.Parallel()
	old := startEtcd(t, harness.Options{})
	target, bridge := startEtcd37(t, harness.Options{})
	must[*client.Response](t)(keysOf(t, old.Endpoints()...).Set(t.Context(), "/app/port", "80", nil))
	s := onTerminal(t, nil, moves(old, target)...)
	s.waitFor("type switch and Enter")
	s.write("what?\n")
	s.waitFor("or Ctrl-C to stop without")
	s.waitFor("Following, changes so far:")
	s.write("switch\n")
	if code := s.end(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.screen())
	}
	if screen := s.screen(); !strings.Contains(screen, "Moved 1 key and 1 directory") {
		t.Errorf("the terminal shows %q", screen)
	}
	wantValue(t, bridge, "/app/port", "80")
}

// TestInterruptedMoveIsFinishedByTheSecond interrupts a move in the middle of its copy,
// by Ctrl-C and by kill -9.
func TestInterruptedMoveIsFinishedByTheSecond(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, os.Kill} {
		old := startEtcd(t, harness.Options{})
		target, bridge := startEtcd37(t, harness.Options{Flags: []string{"--unsafe-no-fsync"}})
		kapi := keysOf(t, old.Endpoints()...)
		file, nodes := writeDump(t, many/2)
		completes(t, "import", "--endpoints", old.Endpoints()[0], "--verify=false", file)
		copied := func() int {
			n := 0
			if r, err := bridge.Get(t.Context(), "/", &client.GetOptions{Recursive: true}); err == nil {
				for range r.Node.All() {
					n++
				}
			}
			return n
		}

		p := start(t, moves(old, target, "--parallel", "4")...)
		waitFor(t, "for the copy to be on its way", func() bool { return copied() >= some })
		if err := p.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // The exit code tells.
		if code := p.ProcessState.ExitCode(); signal == os.Interrupt && (code != exitInterrupted || !strings.Contains(p.stderr.String(), "The same command again goes on")) {
			t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, &p.stderr)
		}
		if n := copied(); n >= nodes {
			t.Errorf("all of %d nodes were copied when it was interrupted: that is not the middle", n)
		}
		wantMark(t, bridge, true)

		must[*client.Response](t)(kapi.Delete(t.Context(), "/d000000", &client.DeleteOptions{Recursive: true}))
		completes(t, moves(old, target, "--once")...)
		wantMark(t, bridge, false)
		if n, want := copied(), nodes-101+1; n != want { // and the root
			t.Errorf("%d nodes in the end, want %d", n, want)
		}
	}
}

func wantMark(t *testing.T, kapi client.KeysAPI, want bool) {
	t.Helper()
	_, err := kapi.Get(t.Context(), "/"+move.MarkName, nil)
	if (err == nil) != want {
		t.Errorf("the mark: %v", err)
	}
}

// TestMoveTellsWhatIsRefused has a value that is too large for v3.
func TestMoveTellsWhatIsRefused(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1_600_000, 3_000_000} { // of which the server says so, and gRPC
		old := startEtcd(t, harness.Options{})
		target, bridge := startEtcd37(t, harness.Options{})
		kapi := keysOf(t, old.Endpoints()...)
		must[*client.Response](t)(kapi.Set(t.Context(), "/large", strings.Repeat("x", size), nil))
		must[*client.Response](t)(kapi.Set(t.Context(), "/small", "x", nil))
		var c console
		if code := c.run(t.Context(), moves(old, target, "--once")...); code != exitConflict {
			t.Errorf("exit code %d, want %d\n%s", code, exitConflict, c.stderr.String())
		}
		if said := c.stderr.String(); !strings.Contains(said, `"/large"`) || !strings.Contains(said, "--allow-refused") {
			t.Errorf("it says: %s", said)
		}
		said := completes(t, moves(old, target, "--once", "--allow-refused")...)
		if !strings.Contains(said, "1 refused by the new store") || !strings.Contains(said, "Refused: /large.") {
			t.Errorf("it says: %s", said)
		}
		wantValue(t, bridge, "/small", "x")
	}
}

// TestMoveOverTLS moves to a store that is reached over TLS, by its v2 or v3 API.
func TestMoveOverTLS(t *testing.T) {
	t.Parallel()
	ca := must[*harness.CA](t)(harness.NewCA())
	secure := &harness.ServerTLS{CA: ca, Cert: must[harness.KeyPair](t)(ca.Issue("server"))}
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	old, target := startEtcd(t, harness.Options{}), startEtcd(t, harness.Options{TLS: secure})
	must[*client.Response](t)(keysOf(t, old.Endpoints()...).Set(t.Context(), "/a", "1", nil))
	completes(t, moves(old, target, "--once", "--to-cacert", file)...)
	completes(t, moves(old, target, "--once", "--to-cacert", file, "--to-api", "v3")...)
	only3 := harness.Start(t, must[harness.Server](t)(harness.BuildEtcd37(t.Context())), harness.Options{TLS: secure})
	completes(t, moves(old, only3, "--once", "--to-ca-file", file)...)
	var c console
	if code := c.run(t.Context(), moves(old, only3, "--once")...); code != exitStore {
		t.Errorf("without its authority: exit code %d, want %d\n%s", code, exitStore, c.stderr.String())
	}
}

// TestMoveAsAUser moves to a store with users of v3, by each way to name one.
func TestMoveAsAUser(t *testing.T) {
	t.Parallel()
	old := startEtcd(t, harness.Options{})
	must[*client.Response](t)(keysOf(t, old.Endpoints()...).Set(t.Context(), "/a", "1", nil))
	target, _ := startEtcd37(t, harness.Options{})
	v3 := must[*clientv3.Client](t)(clientv3.New(clientv3.Config{Endpoints: target.Endpoints()}))
	t.Cleanup(func() { _ = v3.Close() })
	must[*clientv3.AuthUserAddResponse](t)(v3.UserAdd(t.Context(), "root", securePassword))
	must[*clientv3.AuthRoleAddResponse](t)(v3.RoleAdd(t.Context(), "root"))
	must[*clientv3.AuthUserGrantRoleResponse](t)(v3.UserGrantRole(t.Context(), "root", "root"))
	must[*clientv3.AuthEnableResponse](t)(v3.AuthEnable(t.Context()))
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		want int
	}{
		{name: "flag", args: []string{"--to-user", "root:" + securePassword}, want: exitDone},
		{name: "variable", env: map[string]string{toPassword: securePassword}, args: []string{"--to-username", "root", "--to-api", "v3"}, want: exitDone},
		{name: "another password", args: []string{"--to-username", "root", "--to-password", "hunter2"}, want: exitStore},
		{name: "nobody", want: exitStore},
		{name: "no password and no terminal", args: []string{"--to-username", "root"}, want: exitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := console{env: tt.env}
			if code := c.run(t.Context(), moves(old, target, append(tt.args, "--once", "--overwrite")...)...); code != tt.want {
				t.Errorf("exit code %d, want %d\n%s", code, tt.want, c.stderr.String())
			}
			if said := c.stderr.String(); strings.Contains(said, securePassword) || strings.Contains(said, "hunter2") {
				t.Errorf("a password is printed: %s", said)
			}
		})
	}
}
