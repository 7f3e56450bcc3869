package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/integration/harness"
)

// A program outside of the checkout has nothing but the README's lines in its go.mod.
func TestModuleLinesOfTheReadme(t *testing.T) {
	t.Parallel()
	checkout := must[string](t)(filepath.Abs("../.."))
	readme := string(must[[]byte](t)(os.ReadFile("../README.md")))
	var lines []string
	for line := range strings.Lines(readme) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "require ") || strings.HasPrefix(line, "replace ") {
			lines = append(lines, strings.ReplaceAll(line, "/path/to/this/checkout", checkout))
		}
	}
	dir := t.TempDir()
	write := func(name, content string) { check(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)) }
	write("go.mod", "module program\n\ngo 1.26.0\n\n"+strings.Join(lines, "\n")+"\n")
	write("main.go", string(must[[]byte](t)(os.ReadFile("testdata/keysapi/main.go"))))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", "program", ".")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v with %q\n%s", err, lines, out)
	}
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			c := harness.Start(t, server, harness.Options{})
			run := exec.CommandContext(t.Context(), filepath.Join(dir, "program"))
			run.Env = append(os.Environ(), "ENDPOINTS="+strings.Join(c.Endpoints(), ","))
			out, err := run.CombinedOutput()
			check(t, err)
			want(t, "output", string(out), "/config is on\n")
		})
	}
}

func TestProgramOfTheReadme(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "readme")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/readme").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			c := harness.Start(t, server, harness.Options{Members: 3})
			cmd := exec.CommandContext(t.Context(), program)
			cmd.Env = append(os.Environ(), "ENDPOINTS="+strings.Join(c.Endpoints(), ","))
			out, err := cmd.CombinedOutput()
			check(t, err)
			want(t, "output", string(out), `revision 2
client-side error: etcdserver: key is not provided
ctx is canceled by another routine
ctx is attached with a deadline and it exceeded
`)
		})
	}
}
