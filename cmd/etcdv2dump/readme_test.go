package main

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestReadmeKnowsTheCommand looks in README.md for flags and variables that are
// none, and for exit codes that are missing there or in --help.
func TestReadmeKnowsTheCommand(t *testing.T) {
	readme := string(must[[]byte](t)(os.ReadFile("README.md")))
	root := (&app{}).command()
	isFlag := func(name string) bool {
		defines := func(c *cobra.Command) bool {
			flag := string(aliased(nil, name))
			return c.Flags().Lookup(flag) != nil || c.PersistentFlags().Lookup(flag) != nil
		}
		return name == "help" || defines(root) || slices.ContainsFunc(root.Commands(), defines)
	}
	for _, m := range regexp.MustCompile(`--([a-z][a-z-]+)`).FindAllStringSubmatch(readme, -1) {
		if !isFlag(m[1]) {
			t.Errorf("README.md has the flag --%s, which is none", m[1])
		}
	}
	isVariable := func(name string) bool {
		return slices.ContainsFunc(settings(), func(s setting) bool { return slices.Contains(s.variables, name) })
	}
	for _, name := range regexp.MustCompile(`ETCDCTL_[A-Z_]+`).FindAllString(readme+root.Long, -1) {
		if !isVariable(name) {
			t.Errorf("%s is told of, and not read", name)
		}
	}
	for _, code := range []int{exitDone, exitDifferent, exitUsage, exitStore, exitConflict, exitDump, exitInterrupted} {
		if !strings.Contains(readme, "\n| "+strconv.Itoa(code)+" | ") || !strings.Contains(root.Long, "\n  "+strconv.Itoa(code)+" ") {
			t.Errorf("exit code %d is not told of in README.md and --help", code)
		}
	}
}
