package programs

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// follow starts a command that never ends, reads as many lines as said and kills
// it.
func (e *etcdctl) follow(t *testing.T, lines int, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.program, args...)
	cmd.Env = append(os.Environ(), e.env()...)
	out := must[io.ReadCloser](t)(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for scanner := bufio.NewScanner(out); len(got) < lines && scanner.Scan(); {
		got = append(got, strings.TrimRight(e.words().rewrite(scanner.Text()), " "))
	}
	cancel()
	_ = cmd.Wait() // It was killed.
	return got
}

// etcdctlWatches watches what has happened since an index, so that no event
// comes too early for its watch.
func etcdctlWatches(t *testing.T, e *etcdctl) {
	t.Helper()
	first := e.mustRun(t, "-o", "extended", "set", "/w/0", "zero")
	index := regexp.MustCompile(`Modified-Index: (\d+)`).FindStringSubmatch(first)
	if index == nil {
		t.Fatalf("no index in %q", first)
	}
	after := "--after-index=" + index[1]
	e.mustRun(t, "set", "/w/1", "one")
	e.mustRun(t, "set", "/w/2", "two", "--ttl", "1")
	e.mustRun(t, "rm", "/w/1")

	if got, want := e.mustRun(t, "watch", after, "/w/1"), "one\n"; got != want {
		t.Errorf("watch printed %q, want %q", got, want)
	}
	if got, want := e.mustRun(t, "watch", after, "-r", "/w"), "[set] /w/1\none\n"; got != want {
		t.Errorf("watch -r printed %q, want %q", got, want)
	}

	for _, tt := range []struct {
		args    []string
		ordered bool // exec-watch doesn't wait for a command before it starts the next
		want    []string
	}{
		{[]string{"watch", after, "-f", "-r", "/w"}, true, []string{
			"[set] /w/1", "one", "[set] /w/2", "two", "[delete] /w/1", "PrevNode.Value: one", "[expire] /w/2",
		}},
		{[]string{"-o", "json", "watch", after, "-f", "-r", "/w"}, true, []string{
			"[set] /w/1",
			`{"action":"set","node":{"key":"/w/1","value":"one","nodes":null,"createdIndex":INDEX,"modifiedIndex":INDEX},"prevNode":null}`,
		}},
		{[]string{"exec-watch", after, "-r", "/w", "--", "sh", "-c", `echo $ETCD_WATCH_ACTION $ETCD_WATCH_KEY $ETCD_WATCH_VALUE`}, false, []string{
			"delete /w/1", "expire /w/2", "set /w/1 one", "set /w/2 two",
		}},
	} {
		got := e.follow(t, len(tt.want), tt.args...)
		if !tt.ordered {
			slices.Sort(got)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("etcdctl %q (-want +got):\n%s", tt.args, diff)
		}
	}
}
