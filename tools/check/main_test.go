package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRunSteps(t *testing.T) {
	pass := func(_ context.Context, out io.Writer) (string, error) {
		_, err := fmt.Fprintln(out, "ok")
		return ". clientv3", err
	}
	fail := func(_ context.Context, out io.Writer) (string, error) {
		if _, err := fmt.Fprintln(out, "keys.go:1: wrong"); err != nil {
			return "", err
		}
		return ".", errors.New("exit status 1")
	}
	tests := []struct {
		name   string
		steps  []step
		passes bool
		want   string
	}{
		{"all pass", []step{{"vet", pass}, {"lint", pass}}, true, "vet N s  . clientv3\nlint N s  . clientv3\ncheck passed in N s\n"},
		{
			"the first fails, and the others run",
			[]step{{"vet", fail}, {"lint", pass}, {"test", fail}},
			false,
			"vet N s  failed\nkeys.go:1: wrong\nexit status 1\nlint N s  . clientv3\n" +
				"test N s  failed\nkeys.go:1: wrong\nexit status 1\ncheck failed in N s: vet, test\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			passes := runSteps(t.Context(), log.New(&out, "", 0), test.steps)
			got := regexp.MustCompile(` +[0-9.]+ s`).ReplaceAllString(out.String(), " N s")
			if passes != test.passes || got != test.want {
				t.Errorf("runSteps returned %t and wrote:\n%s\nwant:\n%s", passes, got, test.want)
			}
		})
	}
}

// newModules returns a checkout with two modules. The second calls the first.
func newModules(t *testing.T) checkout {
	t.Helper()
	f := files{t, t.TempDir()}
	for name, text := range map[string]string{
		"go.mod":           "module example.org/a\n\ngo 1.25.0\n",
		"a.go":             "// Package a is for tests.\npackage a\n\n// N returns 1.\nfunc N() int { return 1 }\n",
		"a_test.go":        "package a\n\nimport \"testing\"\n\nfunc TestN(t *testing.T) {\n\tif testing.Short() && N() != 1 {\n\t\tt.Error(N())\n\t}\n}\n",
		"clientv3/go.mod":  "module example.org/b\n\ngo 1.25.0\n\nrequire example.org/a v0.0.0\n\nreplace example.org/a => ../\n",
		"clientv3/main.go": "package main\n\nimport \"example.org/a\"\n\nfunc main() { println(a.N()) }\n",
	} {
		f.write(name, text)
	}
	return checkout{root: f.root, modules: []string{".", "clientv3"}}
}

func TestSteps_FindMistakes(t *testing.T) {
	tests := []struct {
		name       string
		step       string
		file, text string // of the mistake
		want       string // in the output and the error
	}{
		{"format", "format", "clientv3/main.go", "package main\n\nfunc main()  { }\n", "clientv3/main.go"},
		{"syntax", "format", "a.go", "package a\n\nfunc {\n", "a.go:3"},
		{"vet", "vet", "clientv3/main.go", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Printf(\"%d\", \"x\") }\n", "clientv3: go vet ./...: exit status 1"},
		{"caller in another module", "vet", "a.go", "package a\n\nfunc N(int) int { return 1 }\n", "clientv3: go vet ./...: exit status 1"},
		{"test", "test", "a.go", "package a\n\nfunc N() int { return 2 }\n", "--- FAIL: TestN"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newModules(t)
			steps := c.steps()
			tested := steps[slices.IndexFunc(steps, func(s step) bool { return s.name == test.step })]
			var out bytes.Buffer
			if _, err := tested.run(t.Context(), &out); err != nil {
				t.Fatalf("before the mistake: %v\n%s", err, out.String())
			}
			files{t, c.root}.write(test.file, test.text)
			_, err := tested.run(t.Context(), &out)
			if err == nil {
				t.Fatal("the mistake is not found")
			}
			if all := out.String() + err.Error(); !strings.Contains(all, test.want) {
				t.Errorf("no %q in the output:\n%s", test.want, all)
			}
		})
	}
}
