package benchmarks

import (
	"context"
	"errors"
	"testing"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// A read of the bridge makes a node, its key and its value of each key that is told,
// and nothing of the others.
func TestTreesOfTheBridgeAllocateLittle(t *testing.T) {
	const nodes, reads = 1000, 20
	b := New(Options{})
	at, err := b.etcd37(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, leave, err := newStores(at, false)
	if err != nil {
		t.Fatal(err)
	}
	if err = plant(t.Context(), all[bridged], "/tree", nodes); err != nil {
		t.Fatal(err)
	}
	for _, recursive := range []bool{true, false} {
		allocations := func(s store) float64 {
			return allocationsOf(t, reads, func(ctx context.Context) error {
				_, listErr := s.list(ctx, "/tree", recursive)
				return listErr
			})
		}
		most := 0.1 * nodes
		if recursive {
			most = 3.3 * nodes
		}
		if got := allocations(all[bridged]) - allocations(all[byHand]); got > most {
			t.Errorf("recursive: %v: %.0f allocations more than by hand, want at most %.0f", recursive, got, most)
		}
	}
	if err = errors.Join(leave(), b.Close()); err != nil {
		t.Error(err)
	}
}

// allocationsOf gives the allocations of a call that has been made before.
func allocationsOf(t *testing.T, calls int, do func(context.Context) error) float64 {
	t.Helper()
	work := func(n int) error { return measure.Share(1, n, func() error { return do(t.Context()) }) }
	if err := work(calls); err != nil {
		t.Fatal(err)
	}
	c, err := measure.Work(calls, work)
	if err != nil {
		t.Fatal(err)
	}
	return c.Allocs
}
