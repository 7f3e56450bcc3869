package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// The blocks of the README are run by cmd/readme. The tests here show what its
// tables say: which lines a go.mod needs, and which commands start a server.

var readmeCode = regexp.MustCompile("`([^`]+)`")

// readmeTable returns the code in each cell of a table's rows, header aside.
func readmeTable(t *testing.T, header string) [][][]string {
	t.Helper()
	readme := string(must[[]byte](t)(os.ReadFile("../README.md")))
	_, table, found := strings.Cut(readme, "\n"+header+"\n")
	if !found {
		t.Fatalf("README.md has no table with the header %q", header)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var rows [][][]string
	for i, line := range strings.Split(table, "\n") {
		if i == 0 { // below the header
			continue
		}
		var cells [][]string
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			var code []string
			for _, match := range readmeCode.FindAllStringSubmatch(cell, -1) {
				code = append(code, match[1])
			}
			cells = append(cells, code)
		}
		rows = append(rows, cells)
	}
	return rows
}

// TestReadme_GoModLines builds a program for each row of the table of import paths. Its
// go.mod has what a program that imports the package has already, and the lines.
func TestReadme_GoModLines(t *testing.T) {
	checkout := must[string](t)(filepath.Abs(".."))
	required := map[string]string{ // what programs of these packages have in their go.mod already
		"go.etcd.io/etcd/client/v2": "require go.etcd.io/etcd/client/v2 v2.305.35",
	}
	var paths []string
	for _, row := range readmeTable(t, "| your program imports | lines in its go.mod |") {
		path, lines := row[0][0], row[1]
		paths = append(paths, path)
		t.Run(path, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, content string) { check(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)) }
			goMod := append([]string{"module program", "go 1.26.0", required[path]}, lines...)
			replaced := false
			for i, line := range goMod {
				replaced = replaced || strings.HasPrefix(line, "replace "+path+" => DIR")
				goMod[i] = strings.Replace(line, "=> DIR", "=> "+checkout, 1)
			}
			if !replaced {
				t.Errorf("no line replaces %s by a directory in DIR: %q", path, lines)
			}
			write("go.mod", strings.Join(goMod, "\n")+"\n")
			write("main.go", fmt.Sprintf("package main\n\nimport etcd %q\n\nfunc main() { _ = etcd.Config{}; println(1) }\n", path))
			for _, args := range [][]string{{"mod", "tidy"}, {"build", "-mod=readonly", "-o", os.DevNull, "."}} {
				cmd := exec.CommandContext(t.Context(), "go", args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
				}
			}
		})
	}
	for _, path := range []string{"go.etcd.io/etcd/client/v2", "github.com/coreos/etcd/client", "github.com/coreos/etcd/clientv3"} {
		if !slices.Contains(paths, path) {
			t.Errorf("README.md has no line for %s, only for %q", path, paths)
		}
	}
}

// freePort returns a port of 127.0.0.1 that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l := must[net.Listener](t)((&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0"))
	check(t, l.Close())
	_, port, err := net.SplitHostPort(l.Addr().String())
	check(t, err)
	return port
}

// TestReadme_ServerCommands starts each server with the flags that the README shows,
// on a free port in place of 2379.
func TestReadme_ServerCommands(t *testing.T) {
	commands := 0
	for _, row := range readmeTable(t, "| you have | run |") {
		if len(row[1]) == 0 {
			continue // It refers to a block, which cmd/readme runs.
		}
		_, flags, found := strings.Cut(" "+row[1][0]+" ", " etcd ")
		if !found {
			t.Errorf("%q does not run etcd", row[1][0])
			continue
		}
		commands++
		for _, s := range harness.Servers(t) {
			t.Run(s.String(), func(t *testing.T) {
				port := freePort(t)
				c := harness.Start(t, s, harness.Options{
					DisableV2:  true, // The README's own flag must switch it on.
					ClientPort: must[int](t)(strconv.Atoi(port)),
					Flags:      strings.Fields(strings.ReplaceAll(flags, "2379", port)),
				})
				cl, ctx := newClient(t, client.Config{Endpoints: []string{"http://127.0.0.1:" + port}})
				if _, err := client.NewKeysAPI(cl).Set(ctx, "/a", "b", nil); err != nil {
					t.Errorf("with %q: %v\n%s", flags, err, c.Logs())
				}
				check(t, cl.Sync(ctx)) // What the member advertises can be reached.
				if got, want := cl.Endpoints(), []string{"http://127.0.0.1:" + port}; !slices.Equal(got, want) {
					t.Errorf("the members advertise %q, want %q", got, want)
				}
			})
		}
	}
	if commands != 2 {
		t.Errorf("%d commands that start a server, want one of Docker and one of a local etcd", commands)
	}
}
