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
