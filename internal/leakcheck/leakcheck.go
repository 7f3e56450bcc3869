// Package leakcheck finds goroutines that tests have left behind. The root package's
// tests have a check of their own, as they import no package of the module.
package leakcheck

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

const patience = 20 * time.Second

// Run runs the tests and gives the exit code, which is 1 also where they passed and
// goroutines are left behind: their stacks are printed. It is called by TestMain.
func Run(m *testing.M) int {
	code := m.Run()
	if left := leakedGoroutines(patience); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	return code
}

// leakedGoroutines gives the stacks of the goroutines that are still there when
// they have had time to end, those of the runtime and of package testing aside.
func leakedGoroutines(patience time.Duration) string {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		left := foreignStacks()
		if left == "" {
			return ""
		}
		select {
		case <-deadline.C:
			return left
		case <-tick.C:
		}
	}
}

func foreignStacks() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var foreign []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		switch {
		case strings.Contains(stack, "TestMain"), // who asks
			strings.Contains(stack, "os/signal.signal_recv"),
			strings.Contains(stack, "testing.(*M).startAlarm"),
			strings.Contains(stack, "internal/fuzz"):
		default:
			foreign = append(foreign, stack)
		}
	}
	return strings.Join(foreign, "\n\n")
}
