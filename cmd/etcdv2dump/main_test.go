package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain makes the test program the command too: a script or a test that runs
// etcdv2dump, which is in PATH, runs what is tested here.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"etcdv2dump": main})
}

// leakChecked fails the tests when goroutines are left.
type leakChecked struct{ m *testing.M }

// Run implements testscript.TestingM.
func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
