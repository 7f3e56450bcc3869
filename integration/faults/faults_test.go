package faults_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/faults"
	"github.com/coreos/etcd/client/integration/harness"
)

const (
	// sideBySide is how many rows run at a time, unless -parallel says otherwise.
	// Each takes about half of a processor under the race detector.
	sideBySide = 3
	// rounds is how often a row is run on a machine that is too busy to tell, and
	// roundsEnd how long after the first row a row is run again at most.
	rounds    = 3
	roundsEnd = 6 * time.Minute
)

func TestMain(m *testing.M) { harness.Main(m, sideBySide) }

// TestScenarios runs the rows of the short form; `make faults` runs all of them.
func TestScenarios(t *testing.T) {
	servers := harness.Servers(t)
	over := time.Now().Add(roundsEnd)
	turn := 0
	for _, row := range faults.Rows() {
		if !row.IsShort() {
			continue
		}
		// The servers take turns: all of them would take twice as long.
		server := servers[turn%len(servers)]
		turn++
		t.Run(strings.ReplaceAll(row.Network.Name+"/"+row.Scenario.Name, " ", "-"), func(t *testing.T) {
			if !row.IsLarge() {
				t.Parallel()
			}
			result, err := row.RunUntilConclusive(t.Context(), server, row.Scenario.Short, rounds, over)
			if errors.Is(err, faults.ErrTooBusy) {
				t.Logf("shows nothing: %v", err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s in %v; %v\n%s", server, result.Took, result.Strain, faults.Report([]*faults.Result{result}, true))
			if result.IsExcused() {
				t.Logf("shows nothing, on too busy a machine: %v", result.Problems())
				return
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

// TestNetworks_NamesOfScenarios checks that the table of networks refers to
// scenarios that there are, and that each exception has its reason.
func TestNetworks_NamesOfScenarios(t *testing.T) {
	names := map[string]bool{}
	for _, sc := range faults.Scenarios() {
		if names[sc.Name] {
			t.Errorf("two scenarios have the name %q", sc.Name)
		}
		names[sc.Name] = true
	}
	for _, n := range faults.Networks() {
		referred := append(append([]string(nil), n.Only...), n.Short...)
		for _, x := range n.Exceptions {
			referred = append(referred, x.Scenarios...)
			if x.Why == "" {
				t.Errorf("%s: an exception without a reason", n.Name)
			}
		}
		for _, name := range referred {
			if !names[name] {
				t.Errorf("%s: there is no scenario %q", n.Name, name)
			}
		}
	}
	short := map[string]bool{}
	for _, row := range faults.Rows() {
		if row.IsShort() {
			short[row.Name()] = true
		}
	}
	for _, n := range faults.Networks() {
		for _, name := range n.Short {
			if !short[n.Name+": "+name] {
				t.Errorf("%s: %q is not in the short form", n.Name, name)
			}
		}
	}
}
