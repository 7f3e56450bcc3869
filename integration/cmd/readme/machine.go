//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A machine is what the README's reader has: Go, git, make and the tools of
// POSIX that every system has, an empty home directory, and a clone.
type machine struct {
	dir string // of everything below
	env []string
}

// posixTools are the tools of POSIX that exist on a machine without anything
// installed; PATH has no others but Go, git and make.
const posixTools = "awk basename cat chmod cp cut date dirname echo env expr false find grep head id ln ls mkdir mktemp mv " +
	"pwd rm rmdir sed sh sleep sort tail tee test touch tr true uname uniq wc xargs"

// newMachine sets a machine up in dir. Modules and builds come from the caches of
// this user, unless they are to be cold.
func newMachine(ctx context.Context, dir string, cold bool) (*machine, error) {
	bin, home := filepath.Join(dir, "bin"), filepath.Join(dir, "home")
	if err := errors.Join(os.Mkdir(bin, 0o700), os.Mkdir(home, 0o700)); err != nil {
		return nil, err
	}
	for _, tool := range append(strings.Fields(posixTools), "go", "git", "make") {
		file, err := exec.LookPath(tool)
		if err != nil {
			return nil, err
		}
		if file, err = filepath.Abs(file); err != nil {
			return nil, err
		}
		if err = os.Symlink(file, filepath.Join(bin, tool)); err != nil {
			return nil, err
		}
	}
	m := &machine{dir: dir, env: []string{"PATH=" + bin, "HOME=" + home, "LC_ALL=C"}}
	kept := []string{"GOPROXY", "GONOSUMDB", "GOSUMDB", "GOFLAGS"} // how this machine reaches modules
	if !cold {
		kept = append(kept, "GOCACHE", "GOMODCACHE")
	}
	for _, name := range kept {
		value, err := exec.CommandContext(ctx, "go", "env", name).Output()
		if err != nil {
			return nil, fmt.Errorf("go env %s: %w", name, err)
		}
		m.env = append(m.env, name+"="+strings.TrimSpace(string(value)))
	}
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR"} {
		for _, name := range []string{name, strings.ToLower(name)} {
			if value, ok := os.LookupEnv(name); ok {
				m.env = append(m.env, name+"="+value)
			}
		}
	}
	slices.Sort(m.env)
	return m, nil
}

// clone clones a repository, as of its last commit, and returns where it is.
func (m *machine) clone(ctx context.Context, repository string) (string, error) {
	dir := filepath.Join(m.dir, "client")
	cmd := exec.CommandContext(ctx, "git", "clone", "--quiet", repository, dir)
	cmd.Env = m.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("git clone: %w\n%s", err, out)
	}
	return dir, nil
}
