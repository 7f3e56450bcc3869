package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The blocks of Go in README.md and docs/ that say "go integration" are programs
// that import modules which only this one requires; all others are compiled by a
// test of the root.

const docsMark = "```go integration"

// docsPrograms gives the programs of a document, by the lines that they begin at.
func docsPrograms(text string) map[int]string {
	programs := map[int]string{}
	var program strings.Builder
	start := 0
	for i, line := range strings.Split(text, "\n") {
		switch {
		case start == 0 && line == docsMark:
			start = i + 2
			program.Reset()
		case start > 0 && line == "```":
			programs[start] = program.String()
			start = 0
		case start > 0:
			program.WriteString(line + "\n")
		}
	}
	return programs
}

// buildDocsProgram builds a program in a module that has the requirements of
// this one, and gives what the compiler says where that fails.
func buildDocsProgram(t *testing.T, goMod, file string, line int, program string) error {
	t.Helper()
	dir := t.TempDir()
	root := must[string](t)(filepath.Abs(".."))
	goMod = strings.Replace(goMod, "module github.com/coreos/etcd/client/integration\n", "module docs\n", 1)
	goMod = strings.Replace(goMod, "=> ../\n", "=> "+root+"\n", 1)
	for name, content := range map[string]string{
		"go.mod":  goMod,
		"go.sum":  string(must[[]byte](t)(os.ReadFile("go.sum"))),
		"main.go": fmt.Sprintf("//line %s:%d\n%s", filepath.Join(root, file), line, program),
	} {
		check(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	cmd := exec.CommandContext(t.Context(), "go", "vet", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go vet: %w\n%s", err, out)
	}
	return nil
}

func TestDocsProgramsCompile(t *testing.T) {
	goMod := string(must[[]byte](t)(os.ReadFile("go.mod")))
	files := append([]string{"../README.md"}, must[[]string](t)(filepath.Glob("../docs/*.md"))...)
	built := 0
	for _, file := range files {
		for line, program := range docsPrograms(string(must[[]byte](t)(os.ReadFile(file)))) {
			if err := buildDocsProgram(t, goMod, strings.TrimPrefix(file, "../"), line, program); err != nil {
				t.Error(err)
			}
			built++
		}
	}
	if built == 0 {
		t.Error("no document has a program for this test")
	}
}

// TestDocsProgramsCompileFindsMistakes tests the tester.
func TestDocsProgramsCompileFindsMistakes(t *testing.T) {
	goMod := string(must[[]byte](t)(os.ReadFile("go.mod")))
	programs := docsPrograms("# A heading\n\n" + docsMark + "\n" + `package main

import (
	"github.com/coreos/etcd/client"
	"github.com/google/go-cmp/cmp"
)

func main() { cmp.Diffs(client.Error{}, client.Error{}) }
` + "```\n\n```go\nnot one of ours\n```\n")
	if len(programs) != 1 {
		t.Fatalf("%d programs, want one", len(programs))
	}
	program := programs[4]
	err := buildDocsProgram(t, goMod, "doc.md", 4, program)
	if err == nil || !strings.Contains(err.Error(), "doc.md:11:") {
		t.Errorf("line 11 is not in %v", err)
	}
	if err := buildDocsProgram(t, goMod, "doc.md", 4, strings.Replace(program, "cmp.Diffs", "_ = cmp.Diff", 1)); err != nil {
		t.Error(err)
	}
}
