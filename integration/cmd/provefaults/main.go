// Provefaults proves that the tests and rows of package faults can fail: for each
// patch in faults/testdata/reverts, which reverts the fix of a finding, it applies
// the patch to a temporary git worktree of HEAD, runs the row that the patch names,
// and expects it to fail in the way that the patch names. It prints a Markdown table
// and exits with 1 when a row passes, or fails in another way.
//
// It is run in the integration directory (make prove-faults).
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

const (
	patches = "faults/testdata/reverts/*.patch"
	// rowTime bounds one run of a row, the build included.
	rowTime = 10 * time.Minute
	// rounds is how often a row is run that depends on what happens at the same
	// moment, until it fails.
	rounds = 3
)

func main() {
	var p proof
	flag.StringVar(&p.run, "run", "", "prove the patches whose name matches this `regexp`")
	flag.BoolVar(&p.baseline, "baseline", false, "also run each row without its patch, and expect it to pass")
	flag.BoolVar(&p.all, "v", false, "print the output of each row")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := p.main(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "provefaults:", err)
		os.Exit(1)
	}
}

// proof is one run of the command.
type proof struct {
	run           string
	baseline, all bool

	repository, worktree string
}

// revert is a patch and the row that must fail with it.
type revert struct {
	name, path string
	finding    string         // its number
	reverts    string         // what the patch does, in a sentence
	row        string         // a command line of sh, run in the integration directory
	fails      *regexp.Regexp // matches the output of the row that fails
}

// readRevert reads the lines before the diff: "Finding: 1" and so on.
func readRevert(path string) (r revert, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	r.name = strings.TrimSuffix(filepath.Base(path), ".patch")
	if r.path, err = filepath.Abs(path); err != nil {
		return r, err
	}
	head, _, _ := strings.Cut(string(text), "\ndiff ")
	fails := ""
	fields := map[string]*string{"Finding": &r.finding, "Reverts": &r.reverts, "Run": &r.row, "Fails": &fails}
	for line := range strings.Lines(head) {
		name, value, _ := strings.Cut(line, ":")
		if field := fields[name]; field != nil {
			*field = strings.TrimSpace(value)
		}
	}
	for name, field := range fields {
		if *field == "" {
			return r, fmt.Errorf("%s: there is no line %q", path, name+":")
		}
	}
	r.fails, err = regexp.Compile(fails)
	return r, err
}

func (p *proof) reverts() (all []revert, err error) {
	selected, err := regexp.Compile(p.run)
	if err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(patches)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		r, err := readRevert(path)
		if err != nil {
			return nil, err
		}
		if selected.MatchString(r.name) {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no patch in %s matches %q", patches, p.run)
	}
	return all, nil
}

func (p *proof) main(ctx context.Context) (err error) {
	all, err := p.reverts()
	if err != nil {
		return err
	}
	top, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	p.repository = strings.TrimSpace(top)
	directory, err := os.MkdirTemp("", "provefaults")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(directory)) }()
	p.worktree = filepath.Join(directory, "worktree")
	if _, err = git(ctx, p.repository, "worktree", "add", "--quiet", "--detach", p.worktree, "HEAD"); err != nil {
		return err
	}
	defer func() {
		_, removed := git(context.WithoutCancel(ctx), p.repository, "worktree", "remove", "--force", p.worktree)
		err = errors.Join(err, removed)
	}()
	fmt.Println("| finding | patch | reverts | row | with the patch |")
	fmt.Println("|--------:|-------|---------|-----|----------------|")
	var failed []error
	for _, r := range all {
		result, proveErr := p.prove(ctx, r)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if proveErr != nil {
			result = "**" + proveErr.Error() + "**"
			failed = append(failed, fmt.Errorf("%s: %w", r.name, proveErr))
		}
		fmt.Printf("| %s | %s | %s | `%s` | %s |\n", r.finding, r.name, r.reverts, strings.ReplaceAll(r.row, "|", `\|`), result)
	}
	return errors.Join(failed...)
}

// prove returns how the row fails with the patch, or an error where it does not.
func (p *proof) prove(ctx context.Context, r revert) (result string, err error) {
	if p.baseline {
		output, failure := p.runRow(ctx, r)
		if failure != nil {
			fmt.Fprintln(os.Stderr, lastLines(output))
			return "", fmt.Errorf("the row fails without the patch: %w", failure)
		}
	}
	defer func() {
		_, undone := git(context.WithoutCancel(ctx), p.worktree, "reset", "--quiet", "--hard")
		err = errors.Join(err, undone)
	}()
	if _, err = git(ctx, p.worktree, "apply", r.path); err != nil {
		return "", fmt.Errorf("the patch does not apply: %w", err)
	}
	for range rounds {
		began := time.Now()
		output, failure := p.runRow(ctx, r)
		took := time.Since(began).Round(time.Second)
		found := r.fails.FindString(output)
		switch {
		case failure != nil && found != "":
			return fmt.Sprintf("fails after %v: %s", took, strings.ReplaceAll(found, "|", `\|`)), nil
		case failure != nil:
			fmt.Fprintln(os.Stderr, lastLines(output))
			return "", fmt.Errorf("the row fails in another way: %w", failure)
		}
	}
	return "", errors.New("the row passes")
}

// runRow runs the row in the worktree.
func (p *proof) runRow(ctx context.Context, r revert) (output string, err error) {
	ctx, cancel := context.WithTimeout(ctx, rowTime)
	defer cancel()
	fmt.Fprintf(os.Stderr, "%s: %s\n", r.name, r.row)
	cmd := exec.CommandContext(ctx, "sh", "-c", r.row) //nolint:gosec // the rows of the repository's own patches
	cmd.Dir = filepath.Join(p.worktree, "integration")
	cmd.Env = append(os.Environ(), "GOFLAGS="+os.Getenv("GOFLAGS")+" -count=1") // a row that passed is run again
	cmd.WaitDelay = time.Second
	text, err := cmd.CombinedOutput()
	if p.all {
		os.Stderr.Write(text) //nolint:errcheck,gosec // a report
	}
	return string(text), err
}

// git runs git in a directory, and returns its output.
func git(ctx context.Context, directory string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", directory}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, cmp.Or(strings.TrimSpace(stderr.String()), string(output)))
	}
	return string(output), nil
}

// lastLines returns the end of an output.
func lastLines(output string) string {
	const most = 20
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
