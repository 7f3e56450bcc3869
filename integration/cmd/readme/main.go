//go:build unix

// Readme follows README.md, in the order of its blocks, in a new clone of the
// last commit and with nothing but Go, git and make: it runs commands, saves
// programs, and compares what is printed with what the README shows. It exits with
// 1 at the first difference. The README's server needs port 2379.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	repository := flag.String("repository", "", "the `directory` of the repository; the one that this program is in if empty")
	cold := flag.Bool("cold", false, "download and compile everything, with caches of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *repository, *cold)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "readme:", err)
		os.Exit(1)
	}
}

// run clones the repository and follows its README.
func run(ctx context.Context, repository string, cold bool) (err error) {
	if repository == "" {
		out, gitErr := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
		if gitErr != nil {
			return fmt.Errorf("git rev-parse: %w", gitErr)
		}
		repository = strings.TrimSpace(string(out))
	}
	dir, err := os.MkdirTemp("", "etcd-client-readme-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, removeAll(dir)) }()
	m, err := newMachine(ctx, dir, cold)
	if err != nil {
		return err
	}
	clone, err := m.clone(ctx, repository)
	if err != nil {
		return err
	}
	readme, err := os.ReadFile(filepath.Join(clone, "README.md"))
	if err != nil {
		return err
	}
	f := follower{machine: m, out: os.Stdout, log: os.Stderr, timeout: startTimeout}
	return f.follow(ctx, clone, string(readme))
}

// A follower is a reader of a README who pastes its blocks.
type follower struct {
	machine *machine
	out     io.Writer     // one line for each block
	log     io.Writer     // what commands print to standard error
	timeout time.Duration // until a block in the foreground has printed what is shown
}

// follow pastes the blocks one after the other, beginning in dir.
func (f *follower) follow(ctx context.Context, dir, readme string) (err error) {
	blocks, err := parseBlocks(readme)
	if err != nil {
		return fmt.Errorf("README.md: %w", err)
	}
	t := &terminal{machine: f.machine, dir: dir, log: f.log, timeout: f.timeout}
	defer func() { err = errors.Join(err, t.close()) }()
	pasted, compared := 0, 0
	for i, b := range blocks {
		if b.language == "text" || b.language == "go" && b.info == "" {
			continue // The output of the block before, or a part of a program.
		}
		var printed *string
		if i+1 < len(blocks) && blocks[i+1].language == "text" {
			printed = &blocks[i+1].text
			compared++
		}
		pasted++
		f.print("README.md:%d: %s", b.line, firstLine(b.text))
		began := time.Now()
		if err := t.paste(ctx, b, printed); err != nil {
			return fmt.Errorf("README.md:%d, after %.1f s: %w", b.line, time.Since(began).Seconds(), err)
		}
	}
	if pasted == 0 || compared == 0 {
		return fmt.Errorf("README.md: %d blocks to paste and %d outputs to compare: want some of both", pasted, compared)
	}
	f.print("README.md: %d blocks pasted, %d outputs are as shown", pasted, compared)
	return nil
}

func (f *follower) print(format string, args ...any) {
	fmt.Fprintf(f.out, format+"\n", args...) //nolint:errcheck // A closed pipe loses the log, not the checks.
}

// firstLine returns the first line of a block, for the log.
func firstLine(text string) string {
	line, _, more := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
	if more {
		line += " …"
	}
	return line
}

// removeAll removes a directory in which Go may have put its cache of modules, whose
// directories are read-only.
func removeAll(dir string) error {
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}
