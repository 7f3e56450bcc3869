// Etcdv2dump saves the keys of an etcd v2 store to a file, brings them into
// another one, compares the two, removes what has been moved, and moves a store
// while programs write to it.
//
// etcdv2dump --help teaches its use; README.md shows a session.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
)

func main() {
	// The nodes of a whole store are what this holds most of, and they stay: waiting
	// for as much garbage again would double the memory for nothing.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	os.Exit(runUntilSignal())
}

const garbagePercent = 25

// runUntilSignal is for the sake of its defer, which os.Exit would pass over.
func runUntilSignal() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	return run(ctx, os.Args[1:], surroundings{
		env: os.LookupEnv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, tty: "/dev/tty",
		notifySwitch: notifySwitch,
	})
}

// surroundings are what a process has besides its arguments.
type surroundings struct {
	env            func(name string) (string, bool)
	stdin          io.Reader
	stdout, stderr io.Writer
	tty            string // the file of the terminal that controls the process
	notifySwitch   func() (told <-chan os.Signal, stop func())
}

// run is the whole command, and returns its exit code. The end of ctx is what a
// signal does.
func run(ctx context.Context, args []string, around surroundings) int {
	a := &app{surroundings: around, started: time.Now(), help: helpHint("etcdv2dump")}
	a.json = slices.Contains(args, "--json") // Also where another flag is wrong, so that none is read.
	root := a.command()                      //nolint:contextcheck // the commands get it from ExecuteContext
	root.SetArgs(args)
	root.SetIn(around.stdin)
	root.SetOut(around.stdout)
	root.SetErr(around.stderr)
	err := root.ExecuteContext(ctx)
	return a.end(ctx, err)
}
