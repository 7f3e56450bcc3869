// Command check runs what a contributor runs before each commit, in less than a
// minute: gofmt, go vet of all modules, golangci-lint of the modules with changes,
// and the tests that need neither servers nor the race detector. `make check` runs
// it in tools/ with the Makefile's list of modules as arguments.
package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A step is one line of the output. Its function writes what a reader needs when it
// fails, and returns the part of the checkout that it ran on.
type step struct {
	name string
	run  func(ctx context.Context, out io.Writer) (subject string, err error)
}

func main() {
	root := flag.String("root", "..", "the checkout")
	all := flag.Bool("all", false, "lint all modules, not only those with changes")
	since := flag.String("since", "", "lint what changed since this commit; by default since the branch left the main branch")
	flag.Parse()
	log.SetFlags(0)

	dir, err := filepath.Abs(*root)
	if err != nil {
		log.Fatal(err)
	}
	c := checkout{root: dir, modules: flag.Args(), all: *all, since: *since}
	if !runSteps(context.Background(), log.New(os.Stdout, "", 0), c.steps()) {
		os.Exit(1)
	}
}

// runSteps runs all steps, one after the other, and reports whether all of them
// passed. It prints a line for each, and the output of those that failed.
func runSteps(ctx context.Context, l *log.Logger, steps []step) bool {
	start := time.Now()
	var failed []string
	for _, s := range steps {
		begin := time.Now()
		var out bytes.Buffer
		subject, err := s.run(ctx, &out)
		seconds := time.Since(begin).Seconds()
		if err == nil {
			l.Printf("%-13s %5.1f s  %s", s.name, seconds, subject)
			continue
		}
		failed = append(failed, s.name)
		l.Printf("%-13s %5.1f s  failed\n%s%v", s.name, seconds, out.Bytes(), err)
	}
	seconds := time.Since(start).Seconds()
	if failed != nil {
		l.Printf("check failed in %.0f s: %s", seconds, strings.Join(failed, ", "))
		return false
	}
	l.Printf("check passed in %.0f s", seconds)
	return true
}
