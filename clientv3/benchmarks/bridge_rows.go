package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// bridgeRows compare clientv3/keysapi with the v2 API itself, and with the v3 API.
func bridgeRows() []Row {
	return []Row{
		{"bridge-get", onBoth(storeCalls("Get", []int{1, 64}, func(ctx context.Context, s store, _ int64) error {
			return s.get(ctx, smallKey, false)
		}))},
		{"bridge-get-quorum", onBoth(storeCalls("Get by quorum", []int{1}, func(ctx context.Context, s store, _ int64) error {
			return s.get(ctx, smallKey, true)
		}))},
		{"bridge-set", onBoth(storeCalls("Set", []int{1, 64}, func(ctx context.Context, s store, _ int64) error {
			_, err := s.set(ctx, smallKey)
			return err
		}))},
		{"bridge-create", onBoth(storeCalls("Create and Delete", []int{1}, func(ctx context.Context, s store, i int64) error {
			return s.createAndDelete(ctx, fmt.Sprintf("/services/new/%d", i))
		}))},
		{"bridge-queue", onBoth(storeCalls("CreateInOrder and Delete", []int{1}, func(ctx context.Context, s store, _ int64) error {
			return s.queue(ctx, "/services/jobs")
		}))},
		{"bridge-cas", onBoth(storeSeries("compare and swap", func(ctx context.Context, s store, n int) error {
			return s.swap(ctx, "/services/leader", n)
		}))},
		{"bridge-ttl", onBoth(storeCalls("Set with a TTL", []int{1}, func(ctx context.Context, s store, _ int64) error {
			return s.setTTL(ctx, "/services/short")
		}))},
		{"bridge-refresh", onBoth(storeSeries("refresh of a TTL", func(ctx context.Context, s store, n int) error {
			return s.refresh(ctx, "/services/renewed", n)
		}))},
		{"bridge-tree", onBoth(storeTrees)},
		{"bridge-watch", onBoth(storeWatches)},
	}
}

// An arena is what a row of stores gets: the stores of one server.
type arena struct {
	*Bench
	stores [storeContestants]store
	server string // for the names of works
}

// onBoth measures on a server with both APIs and on one that has only v3's.
func onBoth(measureOn func(context.Context, arena) ([]Line, error)) func(context.Context, *Bench) ([]Line, error) {
	return func(ctx context.Context, b *Bench) ([]Line, error) {
		var lines []Line
		for _, server := range []struct {
			name     string
			endpoint func(*Bench, context.Context) (string, error)
			servesV2 bool
		}{{"etcd 3.5", (*Bench).etcd35, true}, {"etcd 3.7", (*Bench).etcd37, false}} {
			at, err := server.endpoint(b, ctx)
			if err != nil {
				return nil, err
			}
			all, leave, err := newStores(at, server.servesV2)
			if err != nil {
				return nil, err
			}
			for _, s := range all {
				if s != nil && err == nil {
					_, err = s.set(ctx, smallKey)
				}
			}
			var measured []Line
			if err == nil {
				measured, err = measureOn(context.WithoutCancel(ctx), arena{b, all, server.name})
			}
			if err = errors.Join(err, leave()); err != nil {
				return nil, fmt.Errorf("%s: %w", server.name, err)
			}
			lines = append(lines, measured...)
		}
		return lines, nil
	}
}

// storeCalls measures a call made by one and by many goroutines. Each has a number.
func storeCalls(
	name string, goroutines []int, do func(ctx context.Context, s store, i int64) error,
) func(context.Context, arena) ([]Line, error) {
	return func(ctx context.Context, a arena) ([]Line, error) {
		var lines []Line
		var calls atomic.Int64
		for _, many := range goroutines {
			taken, err := a.runStores(a.stores, leastShare*many, func(s store, n int) error {
				return measure.Share(many, n, func() error { return do(ctx, s, calls.Add(1)) })
			})
			if err != nil {
				return nil, err
			}
			work := fmt.Sprintf("%s, %s", name, a.server)
			if len(goroutines) > 1 {
				work = fmt.Sprintf("%s, %d at a time", work, many)
			}
			lines = append(lines, compare(work, taken, noLimit)...)
		}
		return lines, nil
	}
}

// storeSeries measures what is done one after the other.
func storeSeries(name string, do func(ctx context.Context, s store, n int) error) func(context.Context, arena) ([]Line, error) {
	return func(ctx context.Context, a arena) ([]Line, error) {
		taken, err := a.runStores(a.stores, leastShare, func(s store, n int) error { return do(ctx, s, n) })
		if err != nil {
			return nil, err
		}
		return compare(fmt.Sprintf("%s, %s", name, a.server), taken, noLimit), nil
	}
}

// storeTrees measures reads of trees, and of the directory above the largest alone.
func storeTrees(ctx context.Context, a arena) ([]Line, error) {
	var lines []Line
	for _, tree := range []struct {
		work      string
		nodes     int
		recursive bool
	}{
		{"recursive Get of 10 nodes", 10, true},
		{"recursive Get of 1,000 nodes", min(1000, a.largest), true},
		{"recursive Get of 10,000 nodes", a.largest, true},
		{"Get of a directory with 10,000 nodes below", a.largest, false},
	} {
		dir := fmt.Sprintf("/trees/of-%d", tree.nodes)
		if tree.recursive {
			for i, s := range a.stores {
				if s != nil && i != byHand { // which has what the bridge has
					if err := plant(ctx, s, dir, tree.nodes); err != nil {
						return nil, err
					}
				}
			}
		}
		taken, err := a.runStores(a.stores, 1, func(s store, n int) error {
			for range n {
				found, err := s.list(ctx, dir, tree.recursive)
				if err != nil {
					return err
				}
				if found < tree.nodes && tree.recursive {
					return fmt.Errorf("%d nodes below %s", found, dir)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		lines = append(lines, compare(fmt.Sprintf("%s, %s", tree.work, a.server), taken, noLimit)...)
	}
	return lines, nil
}
