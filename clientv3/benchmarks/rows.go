package benchmarks

import (
	"context"
	"fmt"
	"sync"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// clientRows compare the clients.
func clientRows() []Row {
	return []Row{
		{"get", calls("Get", (*Bench).stub, equal, getOf)},
		{"put", calls("Put", (*Bench).stub, equal, putOf)},
		{"txn", calls("Txn", (*Bench).stub, equal, txnOf)},
		{"watch", watches},
		{"keepalive", keepAlives},
		{"etcd-get", calls("Get, etcd 3.5", (*Bench).etcd35, noLimit, getOf)},
		{"etcd-put", calls("Put, etcd 3.5", (*Bench).etcd35, noLimit, putOf)},
		{"etcd-txn", calls("Txn, etcd 3.5", (*Bench).etcd35, noLimit, txnOf)},
	}
}

func getOf(ctx context.Context, p peer) error { return p.get(ctx) }
func putOf(ctx context.Context, p peer) error { return p.put(ctx) }
func txnOf(ctx context.Context, p peer) error { return p.txn(ctx) }

// leastShare is how many operations of a round each goroutine has, so that most of
// the time all are at work.
const leastShare = 16

// calls measures a call made by one and by many goroutines.
func calls(
	name string, endpoint func(*Bench, context.Context) (string, error), limit float64, do func(context.Context, peer) error,
) func(context.Context, *Bench) ([]Line, error) {
	return func(ctx context.Context, b *Bench) ([]Line, error) {
		at, err := endpoint(b, ctx)
		if err != nil {
			return nil, err
		}
		ctx = context.WithoutCancel(ctx) // as most benchmarks have it: nothing to wait for
		var lines []Line
		for _, goroutines := range []int{1, 8, 64} {
			taken, err := b.play(at, leastShare*goroutines, func(p peer, n int) error {
				return measure.Share(goroutines, n, func() error { return do(ctx, p) })
			})
			if err != nil {
				return nil, err
			}
			work := fmt.Sprintf("%s, %d at a time", name, goroutines)
			lines = append(lines, compare(work, taken, limit)...)
		}
		return lines, nil
	}
}

// watchedEvents is at least how many events a round of watches has, so that
// beginning and ending them does not count.
const watchedEvents = 5000

// watches measures an event of one watch and of many.
func watches(ctx context.Context, b *Bench) ([]Line, error) {
	at, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, many := range []int{1, 100} {
		taken, err := b.play(at, watchedEvents, func(p peer, n int) error {
			each := (n + many - 1) / many
			return together(many, func(int) error { return p.watch(ctx, watchKey(each), each) })
		})
		if err != nil {
			return nil, err
		}
		work := fmt.Sprintf("an event, %d watches", many)
		if many == 1 {
			work = "an event, one watch"
		}
		lines = append(lines, compare(work, taken, equal)...)
	}
	return lines, nil
}

// manyLeases are renewed at a time.
const manyLeases = 1000

// keepAlives measures how soon many leases are renewed for the first time, and
// what the renewals cost that follow.
func keepAlives(ctx context.Context, b *Bench) ([]Line, error) {
	at, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	var lines []Line
	for answers, work := range []string{"KeepAlive of 1,000 leases, each", "KeepAlive of 1,000 leases, each renewed again"} {
		taken, err := b.play(at, manyLeases, func(p peer, n int) error {
			return together(n, func(i int) error { return p.keepAlive(ctx, int64(i)+1, answers+1) })
		})
		if err != nil {
			return nil, err
		}
		compared := compare(work, taken, equal)
		if answers > 0 {
			compared = compared[1:] // the time is that of the TTL
		}
		lines = append(lines, compared...)
	}
	return lines, nil
}

// together does so many things at once and gives the first error.
func together(many int, do func(i int) error) error {
	errs := make(chan error, many)
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			if err := do(i); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
