// Package programs runs programs that others wrote for the historic client,
// with this one in its place, on real etcd servers.
//
// Each directory is a module of its own which pins the programs and replaces the
// historic client by a line in its go.mod. With PROGRAMS_HISTORIC=1
// they are built without that line, which shows that the outputs the tests
// expect are those of the historic client.
package programs

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

const (
	// currentPath is what the programs import, and oldPath what they did up to 2018.
	currentPath = "go.etcd.io/etcd/client/v2"
	oldPath     = "github.com/coreos/etcd/client"
	// runTime bounds one run of a program, so that a hang is a failure.
	runTime = 60 * time.Second
	// sideBySide is how many tests run at a time, unless -parallel says.
	sideBySide = 4
)

func TestMain(m *testing.M) { harness.Main(m, sideBySide) }

// historic reports whether the programs keep the historic client.
func historic() bool { return os.Getenv("PROGRAMS_HISTORIC") == "1" }

// must fails the test for an error, and returns the value else.
func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A module is a wrapper module of this directory.
type module struct {
	dir      string
	replaced string // the import path of the client
}

// The wrapper modules.
var (
	etcdctlModule = module{"etcdctl", currentPath}
	gokitModule   = module{"gokit", currentPath}
	viperModule   = module{"viper", currentPath}
	cryptModule   = module{"crypt", oldPath}
)

// build makes a program of the module with a go command, such as `go build`, and
// checks which client is in it.
func (m module) build(t *testing.T, pkg string, command ...string) string {
	t.Helper()
	dir := must[string](t)(filepath.Abs(m.dir))
	root := must[string](t)(filepath.Abs(filepath.Join("..", "..")))
	var flags []string
	if historic() {
		flags = []string{"-mod=mod", "-modfile=" + m.withoutReplace(t, dir)}
	}
	list := append([]string{"list", "-deps", "-f", `{{if eq .ImportPath "` + m.replaced + `"}}{{.Dir}}{{end}}`}, flags...)
	if from := goTool(t, dir, append(list, pkg)...); from == "" || (from == root) == historic() {
		t.Fatalf("%s imports the client in %q, want %s: %v", pkg, from, root, !historic())
	}
	program := filepath.Join(t.TempDir(), "program")
	flags = append(flags, "-ldflags=-s -w", "-o", program) // Half the time of linking is for debuggers.
	goTool(t, dir, slices.Concat(command, flags, []string{pkg})...)
	m.wantLinked(t, dir, root, program)
	return program
}

// wantLinked checks which client a program was linked with, as `go version -m`
// tells it. Of test programs it tells nothing.
func (m module) wantLinked(t *testing.T, dir, root, program string) {
	t.Helper()
	info := must[*buildinfo.BuildInfo](t)(buildinfo.ReadFile(program))
	replaced := slices.ContainsFunc(info.Deps, func(dep *debug.Module) bool {
		return dep.Path == m.replaced && dep.Replace != nil && filepath.Join(dir, dep.Replace.Path) == root
	})
	if len(info.Deps) > 0 && replaced == historic() {
		t.Fatalf("%s replaced by %s: %v, want %v\n%s", m.replaced, root, replaced, !historic(), info)
	}
}

// withoutReplace returns a copy of the module's go.mod, with go.sum beside it,
// that has the historic client.
func (m module) withoutReplace(t *testing.T, dir string) string {
	t.Helper()
	temp := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		content := must[[]byte](t)(os.ReadFile(filepath.Join(dir, name)))
		if err := os.WriteFile(filepath.Join(temp, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(temp, "go.mod")
	goTool(t, temp, "mod", "edit", "-dropreplace="+m.replaced, "-droprequire="+m.replaced)
	return file
}

// goTool runs the go command, without the flags of the caller (-race, -cover),
// and returns what it prints.
func goTool(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("in %s: go %q: %v\n%s", dir, args, err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// An outcome is what a run of a program left.
type outcome struct {
	stdout, stderr string
	code           int // the exit status
}

// run runs a program to its end, with env added to the environment.
func run(t *testing.T, env []string, program string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && (!errors.As(err, &exit) || !exit.Exited()) {
		t.Fatalf("%s %q: %v\n%s%s", filepath.Base(program), args, err, &stdout, &stderr)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// mustRun runs a program that must succeed, and returns its output.
func mustRun(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	o := run(t, env, program, args...)
	if o.code != 0 {
		t.Fatalf("%s %q: exit status %d\n%s%s", filepath.Base(program), args, o.code, o.stdout, o.stderr)
	}
	return o.stdout
}
