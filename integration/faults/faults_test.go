package faults_test

import (
	"strings"
	"testing"

	"github.com/coreos/etcd/client/integration/faults"
	"github.com/coreos/etcd/client/integration/harness"
)

// sideBySide is how many rows, which mostly wait, run at a time, unless -parallel
// says otherwise.
const sideBySide = 8

func TestMain(m *testing.M) { harness.Main(m, sideBySide) }

// TestScenarios runs the rows of the short form; `make faults` runs all of them.
func TestScenarios(t *testing.T) {
	servers := harness.Servers(t)
	turn := 0
	for _, row := range faults.Rows() {
		if !row.IsShort() {
			continue
		}
		// The servers take turns: all of them would take twice as long.
		server := servers[turn%len(servers)]
		turn++
		t.Run(strings.ReplaceAll(row.Network.Name+"/"+row.Scenario.Name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			const rounds = 3
			result, err := row.RunUntilConclusive(t.Context(), server, row.Scenario.Short, rounds)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s in %v, members silent for %v\n%s", server, result.Took, result.Silence, faults.Report([]*faults.Result{result}, true))
			if result.IsExcused() {
				t.Logf("too busy a machine to tell: the members answered nobody for %v", result.Silence)
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
