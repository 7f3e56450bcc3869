package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	// patience bounds what a test waits for on a busy machine.
	patience = 60 * time.Second
	// many are enough files for a signal to come in the middle of them.
	many = 10_000
	// some are how many of them are written, or gone, when it is sent.
	some = 500
)

// A process is the command as a process of its own, which signals reach.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.CommandContext(t.Context(), "etcdv2dump", args...)}
	p.Stderr = &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// interrupt sends what Ctrl-C does, and returns the exit code.
func (p *process) interrupt(t *testing.T) int {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("%v\n%s", err, &p.stderr)
	}
	_ = p.Wait() // The exit code tells.
	return p.ProcessState.ExitCode()
}

// completes runs the command to its end, which must be good.
func completes(t *testing.T, args ...string) string {
	t.Helper()
	var c console
	if code := c.run(t.Context(), args...); code != exitDone {
		t.Fatalf("%q: exit code %d\n%s%s", args, code, &c.stdout, &c.stderr)
	}
	return c.stderr.String()
}

// waitFor waits until ok holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	harness.WaitFor(t, patience, func() error {
		if ok() {
			return nil
		}
		return errors.New("still waiting: " + what)
	})
}

// TestInterruptedImportIsFinishedByTheSecond interrupts an import in the middle.
// After a second run all is there, and each node was written once.
func TestInterruptedImportIsFinishedByTheSecond(t *testing.T) {
	t.Parallel()
	file, nodes := writeDump(t, many)
	cluster := startEtcd(t, harness.Options{Proxied: true})
	writes := harness.Match{Method: "PUT"}
	proxy := cluster.Member(0).Proxy()

	p := start(t, "import", "--endpoints", cluster.Endpoints()[0], file)
	waitFor(t, "for the import to be on its way", func() bool { return proxy.Requests(writes) >= some })
	if code := p.interrupt(t); code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, &p.stderr)
	}
	if said := p.stderr.String(); !strings.Contains(said, "The same command again does the rest") {
		t.Errorf("it does not say how to go on: %s", said)
	}
	waitFor(t, "for the writes under way", func() bool { return proxy.Open(writes) == 0 })
	kapi := keysOf(t, cluster.Endpoints()...)
	if before := writtenOnce(t, kapi); before < some/2 || before >= nodes {
		t.Fatalf("%d of %d nodes were written when it was interrupted: that is not the middle", before, nodes)
	}

	completes(t, "import", "--endpoints", cluster.Endpoints()[0], file)
	if after := writtenOnce(t, kapi); after != nodes {
		t.Errorf("%d nodes after the second run, want %d", after, nodes)
	}
	completes(t, "diff", "--endpoints", cluster.Endpoints()[0], file)
}

// writtenOnce counts the nodes of the store, none of which may have been written
// twice.
func writtenOnce(t *testing.T, kapi client.KeysAPI) int {
	t.Helper()
	r := must[*client.Response](t)(kapi.Get(t.Context(), "/", &client.GetOptions{Recursive: true, Quorum: true}))
	n := 0
	var visit func(*client.Node)
	visit = func(node *client.Node) {
		for _, child := range node.Nodes {
			n++
			if child.CreatedIndex != child.ModifiedIndex {
				t.Errorf("%s was written twice: created at %d, modified at %d", child.Key, child.CreatedIndex, child.ModifiedIndex)
			}
			visit(child)
		}
	}
	visit(r.Node)
	return n
}

// TestInterruptedPurgeIsFinishedByTheSecond interrupts a purge in the middle.
func TestInterruptedPurgeIsFinishedByTheSecond(t *testing.T) {
	t.Parallel()
	cluster := startEtcd(t, harness.Options{Proxied: true})
	removals := harness.Match{Method: "DELETE"}
	proxy := cluster.Member(0).Proxy()
	kapi := keysOf(t, cluster.Endpoints()...)
	for i := range 20 {
		must[*client.Response](t)(kapi.Set(t.Context(), fmt.Sprintf("/d%02d/k", i), "v", nil))
	}
	proxy.Inject(harness.Fault{Kind: harness.Slow, Match: removals, Delay: 300 * time.Millisecond})

	args := []string{"purge", "--endpoints", cluster.Endpoints()[0], "--root", "/", "--yes"}
	p := start(t, args...)
	waitFor(t, "for the purge to be on its way", func() bool { return proxy.Requests(removals) >= 2 })
	if code := p.interrupt(t); code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, &p.stderr)
	}
	if said := p.stderr.String(); !strings.Contains(said, "The same command again removes the rest") {
		t.Errorf("it does not say how to go on: %s", said)
	}
	if left := writtenOnce(t, kapi); left == 0 {
		t.Fatal("all was removed before the interruption")
	}

	proxy.Clear()
	completes(t, args...)
	if left := writtenOnce(t, kapi); left != 0 {
		t.Errorf("%d nodes are left", left)
	}
}

// TestInterruptedExportLeavesNothing interrupts an export that waits for the
// store: no file may look like a dump.
func TestInterruptedExportLeavesNothing(t *testing.T) {
	t.Parallel()
	cluster := startEtcd(t, harness.Options{Proxied: true})
	proxy := cluster.Member(0).Proxy()
	snapshot := harness.Match{Method: "GET", Query: "recursive=true"}
	proxy.Inject(harness.Fault{Kind: harness.Stall, Match: snapshot})

	dir := t.TempDir()
	file := filepath.Join(dir, "dump.jsonl")
	if err := os.WriteFile(file, []byte("the dump of yesterday"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "export", "--endpoints", cluster.Endpoints()[0], "-o", file)
	waitFor(t, "for the export to ask", func() bool { return proxy.Requests(snapshot) > 0 })
	if code := p.interrupt(t); code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%s", code, exitInterrupted, &p.stderr)
	}
	if left := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	if content := must[[]byte](t)(os.ReadFile(file)); string(content) != "the dump of yesterday" {
		t.Errorf("the file that was there: %s", content)
	}
}

// TestFollowedUntilInterrupted follows a store until Ctrl-C, and imports what
// came of it.
func TestFollowedUntilInterrupted(t *testing.T) {
	t.Parallel()
	old, target := startEtcd(t, harness.Options{}), startEtcd(t, harness.Options{})
	kapi := keysOf(t, old.Endpoints()...)
	set := func(key, value string) {
		t.Helper()
		must[*client.Response](t)(kapi.Set(t.Context(), key, value, nil))
	}
	set("/app/port", "80")
	set("/app/gone", "x")
	file := filepath.Join(t.TempDir(), "dump.jsonl")
	p := start(t, "export", "--endpoints", old.Endpoints()[0], "--follow", "-o", file)
	waitFor(t, "for the snapshot", func() bool { return exists(file) })
	if exists(partial(file)) {
		t.Error("the snapshot is whole, and its partial file is there")
	}
	whole := completes(t, "import", "--dry-run", "--endpoints", target.Endpoints()[0], file)
	if !strings.Contains(whole, "2 keys") {
		t.Errorf("the snapshot is not whole when it has its name: %s", whole)
	}
	set("/app/port", "81")
	must[*client.Response](t)(kapi.Delete(t.Context(), "/app/gone", nil))
	set("/app/last", "y")
	waitFor(t, "for the last change", func() bool {
		return strings.Contains(string(must[[]byte](t)(os.ReadFile(file))), "/app/last")
	})
	if code := p.interrupt(t); code != exitDone {
		t.Fatalf("exit code %d, want %d\n%s", code, exitDone, &p.stderr)
	}
	if said := p.stderr.String(); !strings.Contains(said, "Followed 3 changes") {
		t.Errorf("it says: %s", said)
	}
	completes(t, "import", "--endpoints", target.Endpoints()[0], file)
	completes(t, "diff", old.Endpoints()[0], target.Endpoints()[0])
}

// TestFollowingAStoreThatIsAway follows a store that is killed, and waits for it
// to come back: what has come until then is a dump.
func TestFollowingAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	old, target := startEtcd(t, harness.Options{}), startEtcd(t, harness.Options{})
	must[*client.Response](t)(keysOf(t, old.Endpoints()...).Set(t.Context(), "/a", "1", nil))
	file := filepath.Join(t.TempDir(), "dump.jsonl")
	p := start(t, "export", "--endpoints", old.Endpoints()[0], "--follow", "-o", file)
	waitFor(t, "for the snapshot", func() bool { return exists(file) })
	old.Member(0).Kill()
	if code := p.interrupt(t); code != exitDone {
		t.Errorf("exit code %d, want %d\n%s", code, exitDone, &p.stderr)
	}
	completes(t, "import", "--endpoints", target.Endpoints()[0], file)
	must[*client.Response](t)(keysOf(t, target.Endpoints()...).Get(t.Context(), "/a", nil))
}

// TestFullDisk exports to where there is no room for all: before the snapshot is
// whole nothing stays; behind it, all up to the last change.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	cluster := startEtcd(t, harness.Options{})
	kapi := keysOf(t, cluster.Endpoints()...)
	set := func(key, value string) {
		t.Helper()
		must[*client.Response](t)(kapi.Set(t.Context(), key, value, nil))
	}
	limited := func(args ...string) *process {
		t.Helper()
		p := &process{Cmd: exec.CommandContext(t.Context(), "sh", append([]string{"-c", `ulimit -f 16; exec etcdv2dump "$@"`, "sh"}, args...)...)}
		p.Stderr = &p.stderr
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "dump.jsonl")
	set("/a", "1")
	p := limited("export", "--endpoints", cluster.Endpoints()[0], "--follow", "-o", file)
	waitFor(t, "for the snapshot", func() bool { return exists(file) })
	set("/a", strings.Repeat("x", 1<<15)) // More than 16 blocks of 512 or 1,024 bytes.
	_ = p.Wait()                          // The exit code tells.
	if code, said := p.ProcessState.ExitCode(), p.stderr.String(); code != exitDump || !strings.Contains(said, "is whole up to the last change") {
		t.Errorf("while following: exit code %d, want %d\n%s", code, exitDump, said)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}

	p = limited("export", "--endpoints", cluster.Endpoints()[0], "-o", file)
	_ = p.Wait() // The exit code tells.
	if code := p.ProcessState.ExitCode(); code != exitDump {
		t.Errorf("exit code %d, want %d\n%s", code, exitDump, &p.stderr)
	}
	if left := must[[]os.DirEntry](t)(os.ReadDir(dir)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// TestInterruptedWhileStdinIsQuiet interrupts an import that waits for its dump.
func TestInterruptedWhileStdinIsQuiet(t *testing.T) {
	t.Parallel()
	cluster := startEtcd(t, harness.Options{})
	p := &process{Cmd: exec.CommandContext(t.Context(), "etcdv2dump", "import", "--endpoints", cluster.Endpoints()[0], "-")}
	p.Stderr = &p.stderr
	pipe, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	// More than a pipe holds goes through only when it is read.
	file, _ := writeDump(t, many)
	text := must[[]byte](t)(os.ReadFile(file))
	if _, err := pipe.Write(text[:bytes.LastIndex(text, []byte(`{"trailer"`))]); err != nil {
		t.Fatal(err)
	}
	if code := p.interrupt(t); code != exitInterrupted {
		t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, &p.stderr)
	}
}
