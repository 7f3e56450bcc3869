package harness

import (
	"context"
	"flag"
	"net/http"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coreos/etcd/client"
)

// probeTime is more than a probe of a suspect endpoint may take.
const probeTime = 5 * time.Second

// Main is the TestMain of packages whose tests mostly wait: it runs sideBySide of
// the parallel ones at a time, unless -parallel says, and fails when goroutines
// are left.
func Main(m *testing.M, sideBySide int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", strconv.Itoa(sideBySide)); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(closingIdle{m})
}

// closingIdle runs the tests, closes the connections that are kept for reuse and
// waits for the probes that outlive their call, so that what goleak finds is a
// leak.
type closingIdle struct{ *testing.M }

// Run implements goleak.TestingM.
func (m closingIdle) Run() int {
	code := m.M.Run()
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	_ = Until(ctx, func(context.Context) error { //nolint:errcheck // what is still there at the end is goleak's to tell
		if t, ok := client.DefaultTransport.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
		return goleak.Find()
	})
	return code
}
