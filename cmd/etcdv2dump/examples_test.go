package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestExamplesOfHelpWork runs the examples of --help as a shell does, in the
// order in which a user who moves a store comes upon them.
func TestExamplesOfHelpWork(t *testing.T) {
	old, target, secure := startEtcd(t, harness.Options{}), startEtcd(t, harness.Options{}), startSecure(t)
	kapi := keysOf(t, old.Endpoints()...)
	for _, key := range []string{"/app/port", "/app/_locks/one", "/top"} {
		must[*client.Response](t)(kapi.Set(t.Context(), key, "v", nil))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), secure.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	where := strings.NewReplacer(
		"http://old:2379", old.Endpoints()[0],
		"http://new:2379", target.Endpoints()[0],
		"https://secure:2379", secure.url,
	)
	for _, name := range []string{"export", "import", "", "diff", "purge"} {
		for _, line := range examplesOf(t, name) {
			if strings.Contains(line, "--follow") {
				continue // It does not end by itself: TestFollowedUntilInterrupted runs it.
			}
			t.Log(line)
			cmd := exec.CommandContext(t.Context(), "sh", "-c", where.Replace(line))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "ETCDCTL_PASSWORD="+securePassword)
			out, err := cmd.CombinedOutput()
			if strings.Contains(line, " diff ") && cmd.ProcessState.ExitCode() == exitDifferent {
				err = nil // The new store has /moved besides.
			}
			if err != nil {
				t.Errorf("%s\n%v\n%s", line, err, out)
			}
		}
	}
}

// TestExamplesOfMoveWork runs those of move, whose other store has only the v3 API.
func TestExamplesOfMoveWork(t *testing.T) {
	t.Parallel()
	old := startEtcd(t, harness.Options{})
	target, bridge := startEtcd37(t, harness.Options{})
	must[*client.Response](t)(keysOf(t, old.Endpoints()...).Set(t.Context(), "/app/port", "80", nil))
	where := strings.NewReplacer("http://old:2379", old.Endpoints()[0], "http://new:2379", target.Endpoints()[0])
	for _, line := range examplesOf(t, "move") {
		if !strings.Contains(line, "--once") {
			continue // It does not end by itself: TestMoveOnATerminal runs it.
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", where.Replace(line)).CombinedOutput()
		if err != nil {
			t.Errorf("%s\n%v\n%s", line, err, out)
		}
	}
	wantValue(t, bridge, "/app/port", "80")
	wantValue(t, bridge, "/v2/shop/port", "80")
}

// examplesOf gives the commands in the help of a command, that of the whole for
// an empty name.
func examplesOf(t *testing.T, name string) []string {
	t.Helper()
	root := (&app{}).command()
	cmd := root
	if name != "" {
		cmd, _, _ = root.Find([]string{name})
	}
	var lines []string
	for line := range strings.SplitSeq(cmd.Example, "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		t.Fatalf("%s has no examples", cmd.CommandPath())
	}
	return lines
}

// TestHelpOfEveryCommandTeaches looks for a command without a long text or
// examples, and for lines that a terminal of 80 columns breaks.
func TestHelpOfEveryCommandTeaches(t *testing.T) {
	root := (&app{}).command()
	for _, cmd := range append(root.Commands(), root) {
		if cmd.Name() == "version" {
			continue
		}
		if cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s: no long text or no examples", cmd.CommandPath())
		}
		checkWidth(t, cmd)
	}
}

func checkWidth(t *testing.T, cmd *cobra.Command) {
	t.Helper()
	for line := range strings.SplitSeq(cmd.Long, "\n") {
		if len(line) > 80 {
			t.Errorf("%s: a line of %d columns: %s", cmd.CommandPath(), len(line), line)
		}
	}
}
