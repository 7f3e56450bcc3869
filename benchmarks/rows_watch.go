package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// watcherWork is what the lines of watcherPolls call their work.
const watcherWork = "Watcher, loopback, an event"

// watcherPolls is what an event costs that a long poll brings, where each poll is
// answered at once.
func watcherPolls(ctx context.Context, b *Bench) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	all, leave, err := guests(s.endpoints[0], makers())
	if err != nil {
		return nil, err
	}
	defer leave()
	var subjects []measure.Subject
	for _, g := range all {
		subjects = append(subjects, measure.Subject{Name: g.name, Work: follow(context.WithoutCancel(ctx), g.peer)})
	}
	taken, err := b.runRounds(subjects)
	if err != nil {
		return nil, err
	}
	wall := of(watcherWork, "time", measure.Nanoseconds, taken, measure.Series.Wall)
	return []Line{
		wall.against(wall.historic, 0.80),
		withRatio(of(watcherWork, processorTime, measure.Nanoseconds, taken, measure.Series.CPU)),
		of(watcherWork, "allocations", measure.Count, taken, measure.Series.Allocs).atMostMore(extraAllocs),
	}, nil
}

// errOutOfOrder is an event that is not the next one.
var errOutOfOrder = errors.New("benchmarks: out of order")

// follow takes n events more from one watch at each call, and checks that each is
// the next.
func follow(ctx context.Context, p peer) func(n int) error {
	last := uint64(firstEvent)
	next := p.watch(eventKey, last)
	return func(n int) error {
		for range n {
			index, err := next(ctx)
			if err != nil {
				return err
			}
			if last++; index != last {
				return fmt.Errorf("%w: event %d, want %d", errOutOfOrder, index, last)
			}
		}
		return nil
	}
}

const (
	settleTime  = 5 * time.Second
	settlePause = 10 * time.Millisecond
)

// idleWatchGoroutines are the caller's and the connection's two: what renews an idle
// watch is a timer, and a goroutine only while it does.
const idleWatchGoroutines = 3

// watcherIdle counts the goroutines of a watch that waits.
func watcherIdle(ctx context.Context, b *Bench) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	var counts measure.Spread
	for _, m := range makers() {
		n, err := idleGoroutines(ctx, s, m)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		counts = append(counts, float64(n))
	}
	work := "Watcher that waits, loopback"
	return []Line{quantity{work, "goroutines", measure.Count, counts[:1], counts[1:2], counts[2:3]}.atMost(idleWatchGoroutines)}, nil
}

func idleGoroutines(ctx context.Context, s *stub, m maker) (int, error) {
	all, leave, err := guests(s.endpoints[0], []maker{m})
	if err != nil {
		return 0, err
	}
	defer leave()
	before, err := settled(ctx)
	if err != nil {
		return 0, err
	}
	watching, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		_, reason := all[0].watch(idleKey, firstEvent)(watching)
		ended <- reason
	}()
	during, err := settled(ctx)
	cancel()
	if reason := <-ended; err == nil && !errors.Is(reason, context.Canceled) {
		err = fmt.Errorf("the watch ended: %w", reason)
	}
	return during - before, err
}

// settled returns the number of goroutines once it has not changed for a while.
func settled(ctx context.Context) (int, error) {
	const times = 20
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	tick := time.NewTicker(settlePause)
	defer tick.Stop()
	last, same := -1, 0
	for same < times {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("benchmarks: goroutines come and go: %w", ctx.Err())
		case <-tick.C:
		}
		if n := runtime.NumGoroutine(); n != last {
			last, same = n, 0
		} else {
			same++
		}
	}
	return last, nil
}
