package client_test

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

func TestMain(m *testing.M) {
	wakeResolver()
	code := m.Run()
	client.DefaultTransport.(*http.Transport).CloseIdleConnections()
	if left := leakedGoroutines(20 * time.Second); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of the goroutines that are still there when
// they have had time to end, those of the runtime and of package testing aside.
func leakedGoroutines(timeout time.Duration) string {
	deadline := time.NewTimer(timeout)
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
		case strings.Contains(stack, "TestMain"), // this one
			strings.Contains(stack, "os/signal.signal_recv"),
			strings.Contains(stack, "testing.(*M).startAlarm"),
			strings.Contains(stack, "internal/fuzz"):
		default:
			foreign = append(foreign, stack)
		}
	}
	return strings.Join(foreign, "\n\n")
}
