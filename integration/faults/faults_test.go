package faults_test

import (
	"strings"
	"testing"

	"github.com/coreos/etcd/client/integration/faults"
	"github.com/coreos/etcd/client/integration/harness"
)

// sideBySide is how many scenarios, which mostly wait, run at a time, unless
// -parallel says.
const sideBySide = 5

func TestMain(m *testing.M) { harness.Main(m, sideBySide) }

// TestScenarios plays each scenario at its short length; `make faults` plays it
// at its full one.
func TestScenarios(t *testing.T) {
	servers := harness.Servers(t)
	for i, sc := range faults.Scenarios() {
		t.Run(strings.ReplaceAll(sc.Name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			// The servers take turns: all of them would take twice as long.
			result := play(t, sc, servers[i%len(servers)])
			if result.IsExcused() {
				t.Logf("too busy a machine to tell: the members answered nobody for %v", result.Silence)
				return
			}
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

// play plays a scenario until its members are quick enough to tell, or thrice.
func play(t *testing.T, sc faults.Scenario, server harness.Server) *faults.Result {
	t.Helper()
	const rounds = 3
	for round := 1; ; round++ {
		result, err := sc.Run(t.Context(), server, sc.Short)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s in %v, members silent for %v\n%s", server, result.Took, result.Silence, faults.Report([]*faults.Result{result}, true))
		if !result.IsExcused() || round == rounds {
			return result
		}
	}
}
