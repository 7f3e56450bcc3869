package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client/integration/harness"
)

// historicPath is what testdata/dropin imports.
const historicPath = "go.etcd.io/etcd/client/v2"

// dropinOutput is what testdata/dropin prints.
const dropinOutput = `set /dropin one 60
get one
compareAndSwap one two
101 Compare failed [one != two]
key not found: true
false 1 client: etcd cluster is unavailable or misconfigured
`

// buildDropin builds testdata/dropin as a program of its own, whose go.mod has
// this client in place of the historic one.
func buildDropin(t *testing.T, importPath, version string) string {
	t.Helper()
	root := must[string](t)(filepath.Abs(".."))
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	source := must[[]byte](t)(os.ReadFile(filepath.Join("testdata", "dropin", "main.go")))
	write("main.go", strings.ReplaceAll(string(source), historicPath, importPath))
	write("go.mod", fmt.Sprintf("module dropin\n\ngo 1.25.0\n\nrequire %[1]s %[2]s\n\nreplace %[1]s => %[3]s\n", importPath, version, root))
	write("go.sum", string(must[[]byte](t)(os.ReadFile(filepath.Join(root, "go.sum")))))

	program := filepath.Join(dir, "dropin")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

func TestDropIn(t *testing.T) {
	for _, replaced := range []struct{ importPath, version string }{
		{"go.etcd.io/etcd/client/v2", "v2.305.0"},
		{"github.com/coreos/etcd/client", "v0.0.0"},
	} {
		t.Run(replaced.importPath, func(t *testing.T) {
			program := buildDropin(t, replaced.importPath, replaced.version)
			for _, s := range harness.Servers(t) {
				t.Run(s.String(), func(t *testing.T) {
					c := harness.Start(t, s, harness.Options{})
					dead := must[*harness.Member](t)(c.NewMember(t.Context())) // Never started.
					cmd := exec.CommandContext(t.Context(), program, c.Member(0).ClientURL(), dead.ClientURL())
					var stderr strings.Builder
					cmd.Stderr = &stderr
					out, err := cmd.Output()
					if err != nil {
						t.Fatalf("%v\n%s", err, &stderr)
					}
					if diff := cmp.Diff(dropinOutput, string(out)); diff != "" {
						t.Errorf("output (-want +got):\n%s", diff)
					}
				})
			}
		})
	}
}
