package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// checkout is what the steps run on.
type checkout struct {
	root    string   // of the repository, absolute
	modules []string // directories below root that have a go.mod

	all   bool   // lint all modules
	since string // lint the modules that changed since this commit; "" for the branch point
}

func (c checkout) steps() []step {
	return []step{
		{"format", c.format},
		{"vet", c.vet},
		{"lint", c.lint},
		{"test", c.test(".")},
		{"test clientv3", c.test("clientv3")},
		{"test tools", c.test("tools")},
	}
}

// format lists the files that gofmt would change.
func (c checkout) format(ctx context.Context, out io.Writer) (string, error) {
	var list bytes.Buffer
	err := c.command(ctx, ".", io.MultiWriter(out, &list), "gofmt", "-l", ".")
	if err == nil && list.Len() > 0 {
		err = errors.New("not formatted: run gofmt -w")
	}
	return ".", err
}

// vet runs go vet in all modules, since a changed signature breaks callers in any
// of them.
func (c checkout) vet(ctx context.Context, out io.Writer) (string, error) {
	return c.inModules(ctx, out, c.modules, "go", "vet", "./...")
}

// lint runs golangci-lint in the modules with changes. It reads a module as a whole:
// packages that did not change are in its cache.
func (c checkout) lint(ctx context.Context, out io.Writer) (string, error) {
	modules := c.modules
	if !c.all {
		since, files, err := c.changes(ctx)
		if err != nil {
			return "", fmt.Errorf("what changed is not known: %w\nCHECK=-all lints all modules", err)
		}
		if modules = changedModules(c.root, modules, files); len(modules) == 0 {
			return fmt.Sprintf("nothing changed since %.10s", since), nil
		}
	}
	tool := []string{"tool", "-modfile=" + filepath.Join(c.root, "tools", "go.mod")}

	// With -n the command builds golangci-lint and doesn't run it.
	notice := time.AfterFunc(5*time.Second, func() {
		log.Print("building golangci-lint, which takes about two minutes, once")
	})
	_, err := c.inModules(ctx, out, []string{"."}, "go", append(tool, "-n", "golangci-lint")...)
	notice.Stop()
	if err != nil {
		return "", err
	}
	return c.inModules(ctx, out, modules, "go", append(tool, "golangci-lint", "run", "./...")...)
}

// changes returns the files that changed and the commit since when.
func (c checkout) changes(ctx context.Context) (since string, files []string, err error) {
	if since = c.since; since == "" {
		if since, err = branchPoint(ctx, c.root); err != nil {
			return "", nil, err
		}
	}
	files, err = changedFiles(ctx, c.root, since)
	return since, files, err
}

// test returns a step that runs the tests of a module, except those that -short
// leaves out because they take about a second or more. The step vet has vetted them.
func (c checkout) test(module string) func(context.Context, io.Writer) (string, error) {
	return func(ctx context.Context, out io.Writer) (string, error) {
		return module, c.command(ctx, module, out, "go", "test", "-short", "-vet=off", "-timeout=5m", "./...")
	}
}

// inModules runs a command in each module, even if it failed in one before, and
// writes the output of those where it failed.
func (c checkout) inModules(ctx context.Context, out io.Writer, modules []string, name string, args ...string) (string, error) {
	var failed []string
	for _, module := range modules {
		var text bytes.Buffer
		err := c.command(ctx, module, &text, name, args...)
		if err == nil {
			continue
		}
		failed = append(failed, module)
		if _, err = fmt.Fprintf(out, "%v\n%s", err, text.Bytes()); err != nil {
			return "", err
		}
	}
	if failed != nil {
		return "", fmt.Errorf("failed in %s", strings.Join(failed, " "))
	}
	return strings.Join(modules, " "), nil
}

// command runs a command in a directory below root.
func (c checkout) command(ctx context.Context, dir string, out io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = filepath.Join(c.root, dir)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %s %s: %w", dir, name, strings.Join(args, " "), err)
	}
	return nil
}
