package benchmarks

import (
	"context"
	"fmt"
	"os"
)

// The roles of a program of this package that starts itself again.
const (
	roleVariable = "BENCHMARKS_ROLE"
	stubRole     = "stub"
	workRole     = "work"
)

// RunRole runs the role that the process which started this one asks for, if
// that is another process of the same program, and then ends it. Call it first of
// all in main or TestMain of programs that use a [Bench].
func RunRole() {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		return
	case stubRole:
		err = serveStub(context.Background(), os.Stdin, os.Stdout)
	case workRole:
		err = doWork(os.Getenv(workVariable))
	default:
		err = fmt.Errorf("benchmarks: unknown %s %q", roleVariable, role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
