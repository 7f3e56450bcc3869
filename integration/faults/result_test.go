package faults_test

import (
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/faults"
)

func TestResult_IsExcused(t *testing.T) {
	slow := faults.LoadResult{Problems: []string{"a call took 9s"}, Slow: []string{"a call took 9s"}}
	lost := faults.LoadResult{Problems: []string{"1 acknowledged writes are lost", "a call took 9s"}, Slow: []string{"a call took 9s"}}
	silence, lag, elected := faults.Strain{Silence: 3 * time.Second}, faults.Strain{Lag: time.Second}, faults.Strain{Elections: true}
	for _, tt := range []struct {
		name   string
		load   faults.LoadResult
		strain faults.Strain
		want   bool
	}{
		{"slow on a machine that has time", slow, faults.Strain{Silence: time.Second, Lag: 100 * time.Millisecond}, false},
		{"slow while the members were silent", slow, silence, true},
		{"slow while this process was late", slow, lag, true},
		{"slow after an election", slow, elected, true},
		{"a lost write while the members were silent", lost, silence, false},
		{"a lost write while this process was late", lost, lag, false},
		{"a lost write after an election", lost, elected, false},
		{"no problem", faults.LoadResult{}, silence, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &faults.Result{Loads: []faults.LoadResult{tt.load}, Strain: tt.strain}
			if got := r.IsExcused(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
