package faults_test

import (
	"context"
	"flag"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/faults"
	"github.com/coreos/etcd/client/integration/harness"
)

// sideBySide is how many scenarios, which mostly wait, run at a time, unless
// -parallel says.
const sideBySide = 5

func TestMain(m *testing.M) {
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

// probeTime is more than a probe of a suspect endpoint may take.
const probeTime = 5 * time.Second

func (m closingIdle) Run() int {
	code := m.M.Run()
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	// What is still there at the end is goleak's to tell.
	_ = harness.Until(ctx, func(context.Context) error {
		if t, ok := client.DefaultTransport.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
		return goleak.Find()
	})
	return code
}

// TestScenarios plays each scenario at its short length; `make faults` plays it
// at its full one.
func TestScenarios(t *testing.T) {
	servers := harness.Servers(t)
	for i, sc := range faults.Scenarios() {
		t.Run(strings.ReplaceAll(sc.Name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			// The servers take turns: all of them would take twice as long.
			result, err := sc.Run(t.Context(), servers[i%len(servers)], sc.Short)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s in %v\n%s", servers[i%len(servers)], result.Took, faults.Report([]*faults.Result{result}, true))
			for _, problem := range result.Known() {
				t.Log("known: " + problem)
			}
			for _, problem := range result.Problems() {
				t.Error(problem)
			}
			if t.Failed() {
				t.Log(result.Logs)
			}
		})
	}
}
