package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var testModules = []string{".", "clientv3", "clientv3/integration", "tools"}

// files is a directory of a test.
type files struct {
	t    *testing.T
	root string
}

func (f files) write(name, text string) {
	f.t.Helper()
	name = filepath.Join(f.root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f files) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.root, filepath.FromSlash(name))); err != nil {
		f.t.Fatal(err)
	}
}

func (f files) git(args ...string) string {
	f.t.Helper()
	args = append([]string{"-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"}, args...)
	out, err := git(f.t.Context(), f.root, args...)
	if err != nil {
		f.t.Fatalf("%q: %v", args, err)
	}
	return strings.TrimSpace(out)
}

func (f files) commit() {
	f.t.Helper()
	f.git("add", "-A")
	f.git("commit", "-q", "-m", "change")
}

// newRepository returns a repository with a commit of some modules on the branch main.
func newRepository(t *testing.T) files {
	t.Helper()
	for _, variable := range os.Environ() { // of a git hook, which the tests may run in
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "GIT_") {
			t.Setenv(name, "") // restores it in the end
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	f := files{t, t.TempDir()}
	for _, name := range []string{
		".golangci.yml", "README.md", "go.mod", "keys.go", "mirror/mirror.go", "testdata/program/main.go",
		"clientv3/go.mod", "clientv3/kv.go", "clientv3/keysapi/get.go",
		"clientv3/integration/go.mod", "clientv3/integration/kv_test.go",
		"server/go.mod", "server/main.go", // a wrapper module, which is not linted
		"tools/go.mod", "tools/check/main.go",
	} {
		f.write(name, "// "+name+"\n")
	}
	f.git("init", "-q", "-b", "main")
	f.commit()
	return f
}

func TestChangedModules(t *testing.T) {
	tests := []struct {
		name   string
		change func(f files)
		want   []string
	}{
		{"nothing", func(files) {}, nil},
		{"changed", func(f files) { f.write("mirror/mirror.go", "x") }, []string{"."}},
		{"staged", func(f files) { f.write("clientv3/keysapi/get.go", "x"); f.git("add", "-A") }, []string{"clientv3"}},
		{"staged and then changed back", func(f files) {
			f.write("keys.go", "x")
			f.git("add", "-A")
			f.write("keys.go", "// keys.go\n")
		}, nil},
		{"committed on a branch", func(f files) {
			f.git("switch", "-q", "-c", "branch")
			f.write("keys.go", "x")
			f.commit()
			f.write("clientv3/kv.go", "x")
		}, []string{".", "clientv3"}},
		{"committed on main", func(f files) { f.write("keys.go", "x"); f.commit() }, nil},
		{"committed on main and not pushed", func(f files) {
			f.git("update-ref", "refs/remotes/origin/main", "HEAD")
			f.write("keys.go", "x")
			f.commit()
		}, []string{"."}},
		{"main went on after the branch", func(f files) {
			f.git("branch", "branch")
			f.write("keys.go", "x")
			f.commit()
			f.git("switch", "-q", "branch")
			f.write("clientv3/kv.go", "x")
		}, []string{"clientv3"}},
		{"untracked", func(f files) { f.write("clientv3/integration/new/ä b.go", "x") }, []string{"clientv3/integration"}},
		{"ignored", func(f files) {
			f.write(".git/info/exclude", "scratch\n")
			f.write("scratch/main.go", "x")
		}, nil},
		{"deleted", func(f files) { f.remove("clientv3/kv.go") }, []string{"clientv3"}},
		{"deleted package", func(f files) { f.remove("clientv3/keysapi") }, []string{"clientv3"}},
		{"deleted module", func(f files) { f.remove("clientv3/integration") }, []string{"clientv3"}},
		{"renamed into another module", func(f files) { f.git("mv", "mirror/mirror.go", "clientv3/mirror.go") }, []string{".", "clientv3"}},
		{"removed from the index only", func(f files) { f.git("rm", "-q", "--cached", "keys.go") }, []string{"."}},
		{"no Go file", func(f files) { f.write("README.md", "x"); f.write("new.txt", "x") }, nil},
		{"testdata", func(f files) {
			f.write("testdata/program/main.go", "x")
			f.write("clientv3/testdata/new.go", "x")
			f.write("_old/old.go", "x")
		}, nil},
		{"wrapper module", func(f files) { f.write("server/main.go", "x") }, nil},
		{"requirements", func(f files) { f.write("clientv3/go.mod", "x") }, []string{"clientv3"}},
		{"sums", func(f files) { f.write("clientv3/integration/go.sum", "x") }, []string{"clientv3/integration"}},
		{"configuration of the linters", func(f files) { f.write(".golangci.yml", "x") }, testModules},
		{"version of the linters", func(f files) { f.write("tools/go.mod", "x") }, testModules},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newRepository(t)
			test.change(f)
			c := checkout{root: f.root}
			since, changed, err := c.changes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := changedModules(f.root, testModules, changed); !slices.Equal(got, test.want) {
				t.Errorf("changed since %s: %q, in modules %q, want %q", since, changed, got, test.want)
			}
		})
	}
}

func TestChanges_SinceACommit(t *testing.T) {
	f := newRepository(t)
	first := f.git("rev-parse", "HEAD")
	f.write("keys.go", "x")
	f.commit()
	c := checkout{root: f.root, since: first}
	_, changed, err := c.changes(t.Context())
	if err != nil || !slices.Equal(changed, []string{"keys.go"}) {
		t.Errorf("changed since the first of two commits: %q, %v", changed, err)
	}
	c.since = "no-such-commit"
	if _, _, err = c.changes(t.Context()); err == nil {
		t.Error("no error for a commit that isn't there")
	}
}

// A checkout below the top of a repository has paths relative to itself.
func TestChanges_Subdirectory(t *testing.T) {
	f := newRepository(t)
	f.write("keys.go", "x")
	f.write("clientv3/kv.go", "x")
	f.write("clientv3/new.go", "x")
	c := checkout{root: filepath.Join(f.root, "clientv3")}
	_, changed, err := c.changes(t.Context())
	if err != nil || !slices.Equal(changed, []string{"kv.go", "new.go"}) {
		t.Errorf("changed below clientv3: %q, %v", changed, err)
	}
}

func TestChanges_NoRepository(t *testing.T) {
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	c := checkout{root: t.TempDir()}
	if since, changed, err := c.changes(t.Context()); err == nil {
		t.Errorf("outside of a repository: %q changed since %q", changed, since)
	}
}
