package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// mainBranches are where a branch may have begun, the most telling first.
func mainBranches() []string { return []string{"origin/HEAD", "origin/main", "main", "HEAD"} }

// branchPoint returns the commit at which HEAD left the main branch: the remote's
// where there is one, else the local one. On the main branch itself that is the
// newest commit that was pushed, and without a remote HEAD.
func branchPoint(ctx context.Context, root string) (string, error) {
	var errs []error
	for _, branch := range mainBranches() {
		out, err := git(ctx, root, "merge-base", "HEAD", branch)
		if err == nil {
			return strings.TrimSpace(out), nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// changedFiles returns what differs between the commit since and the working
// tree, untracked files included, as slash-separated paths below root. Of a
// renamed file both names are in it.
func changedFiles(ctx context.Context, root, since string) ([]string, error) {
	tracked, err := git(ctx, root, "diff", "--name-only", "--no-renames", "--relative", "-z", since, "--")
	if err != nil {
		return nil, err
	}
	untracked, err := git(ctx, root, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return nil, err
	}
	files := strings.FieldsFunc(tracked+untracked, func(r rune) bool { return r == 0 })
	slices.Sort(files)
	return slices.Compact(files), nil
}

// changedModules returns those of the modules, directories below root, that the
// linters must read again after the files changed. A module for which files has
// no Go source, go.mod or go.sum is not among them, unless the linters' version
// or configuration changed.
func changedModules(root string, modules, files []string) []string {
	changed := make(map[string]bool)
	for _, file := range files {
		switch {
		case file == ".golangci.yml" || file == "tools/go.mod":
			return modules
		case isLinted(file):
			changed[moduleOf(root, file)] = true
		}
	}
	var list []string
	for _, module := range modules {
		if changed[path.Clean(module)] {
			list = append(list, module)
		}
	}
	return list
}

// isLinted reports whether file belongs to a package that the go command finds,
// or to the requirements of a module.
func isLinted(file string) bool {
	dirs := strings.Split(file, "/")
	name := dirs[len(dirs)-1]
	if path.Ext(name) != ".go" && name != "go.mod" && name != "go.sum" {
		return false
	}
	return !slices.ContainsFunc(dirs, func(dir string) bool {
		return dir == "testdata" || strings.HasPrefix(dir, ".") || strings.HasPrefix(dir, "_")
	})
}

// moduleOf returns the nearest directory above file that has a go.mod.
func moduleOf(root, file string) string {
	dir := path.Dir(file)
	for dir != "." {
		if _, err := os.Stat(filepath.Join(root, dir, "go.mod")); err == nil {
			return dir
		}
		dir = path.Dir(dir)
	}
	return dir
}

// git returns the output of a git command in root.
func git(ctx context.Context, root string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return string(out), nil
}
