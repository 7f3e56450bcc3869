package integration

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/coreos/etcd/client/concurrency"
)

// A jobLedger records of each job who has put it in, who got it and what came of it.
type jobLedger struct {
	mu         sync.Mutex             // guards the fields below
	jobs       map[string]string      // what was put in, by ID
	twice      map[string]bool        // the IDs that were put in again, in doubt
	deliveries map[string][]*delivery // by ID
	firsts     []uint64               // the indexes of first deliveries, in their order
	faults     []string
}

// A delivery is one job in the hands of one worker.
type delivery struct {
	*concurrency.Item
	worker string
	err    func() error // of its session, by the clock
	end    deliveryEnd
}

// deliveryEnd is what came of a delivery.
type deliveryEnd int

const (
	open     deliveryEnd = iota // the worker has it, unless its session has ended
	acked                       // Ack has said so
	inDoubt                     // the session has ended while Ack waited for an answer
	givenUp                     // it was released
	orphaned                    // the worker has died
)

func newJobLedger() *jobLedger {
	return &jobLedger{jobs: map[string]string{}, twice: map[string]bool{}, deliveries: map[string][]*delivery{}}
}

// putIn notes a job that is in the queue. In doubt, it may be in it a second time.
func (b *jobLedger) putIn(id, value string, doubt bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jobs[id] = value
	b.twice[id] = doubt
}

// mayComeTwice is for a job that is about to be put in again.
func (b *jobLedger) mayComeTwice(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.twice[id] = true
}

// deliver notes that a worker has got a job. Another one may have had it before
// only if that has lost or returned it.
func (b *jobLedger) deliver(d *delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d.err() != nil {
		return // Its session ended as soon as it had the job.
	}
	before := b.deliveries[d.ID]
	for _, prev := range before {
		switch {
		case prev.end == open && prev.err() == nil:
			b.fault("%s gets %v while %s has it, whose session lives", d.worker, d.Item, prev.worker)
		case prev.end == acked && !b.twice[d.ID]:
			b.fault("%s gets %v, which %s has acknowledged", d.worker, d.Item, prev.worker)
		}
	}
	if len(before) == 0 {
		b.firsts = append(b.firsts, d.Index)
	}
	b.deliveries[d.ID] = append(before, d)
}

// finish notes what came of a delivery.
func (b *jobLedger) finish(d *delivery, end deliveryEnd) {
	b.mu.Lock()
	defer b.mu.Unlock()
	d.end = end
}

func (b *jobLedger) fault(format string, args ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, args...))
}

// open returns an error until every job that was put in has been acknowledged, some
// in doubt: what is in the queue in spite of that is delivered again.
func (b *jobLedger) open() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	done := func(d *delivery) bool { return d.end == acked || d.end == inDoubt }
	left := slices.Sorted(maps.Keys(b.jobs))
	left = slices.DeleteFunc(left, func(id string) bool { return slices.ContainsFunc(b.deliveries[id], done) })
	if len(left) > 0 {
		return fmt.Errorf("%d of %d jobs were not acknowledged: %q", len(left), len(b.jobs), left[:min(len(left), 10)])
	}
	return nil
}

// overtaken is the highest number of jobs that came later than one behind them.
func (b *jobLedger) overtaken() int {
	most := 0
	for i, first := range b.firsts {
		n := 0
		for _, later := range b.firsts[i+1:] {
			if later < first {
				n++
			}
		}
		most = max(most, n)
	}
	return most
}

// conclude fails the test for what must not have been.
func (b *jobLedger) conclude(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	again, orphans := 0, 0
	for id, all := range b.deliveries {
		again += len(all) - 1
		for _, d := range all {
			if value, known := b.jobs[id]; !known || d.Value != value {
				b.fault("%s got %v with the value %q; %q was put in", d.worker, d.Item, d.Value, value)
			}
			if d.end == orphaned {
				orphans++
			}
		}
	}
	for _, f := range b.faults {
		t.Error(f)
	}
	t.Logf("%d jobs, delivered again %d times, %d times because a worker died; one overtook %d others", len(b.jobs), again, orphans, b.overtaken())
}
