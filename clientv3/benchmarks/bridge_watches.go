package benchmarks

import (
	"context"
	"errors"
	"fmt"
)

const (
	// pastEvents are those of one watch that reads what has been; a server of v2
	// keeps 1,000.
	pastEvents = 900

	// maxAhead is how many events are written at most that have not been read.
	maxAhead = 500
)

// storeWatches measures an event by what happens meanwhile: it is waited for before
// the next one is written, it is one of many, or all are of the past.
func storeWatches(ctx context.Context, a arena) ([]Line, error) {
	past, ahead := min(pastEvents, a.largest), min(maxAhead, a.largest)
	followers := map[store]*follower{}
	for i, s := range a.stores {
		if s != nil {
			f, err := newFollower(ctx, s, fmt.Sprintf("/watched/by-%d", i), past)
			if err != nil {
				return nil, err
			}
			defer f.end()
			followers[s] = f
		}
	}
	var lines []Line
	for _, w := range []struct {
		work  string
		least int
		do    func(f *follower, n int) error
	}{
		{"a Set and its event, one after the other", leastShare, func(f *follower, n int) error { return f.write(n, 1) }},
		{"a Set and its event, side by side", ahead, func(f *follower, n int) error { return f.write(n, ahead) }},
		{"an event of the past", past, func(f *follower, n int) error { return f.lookBack(n) }},
	} {
		taken, err := a.runStores(a.stores, w.least, func(s store, n int) error { return w.do(followers[s], n) })
		if err != nil {
			return nil, err
		}
		lines = append(lines, compare(fmt.Sprintf("%s, %s", w.work, a.server), taken, noLimit)...)
	}
	return lines, nil
}

// A follower watches a directory of its own until its context ends.
type follower struct {
	store

	ctx  context.Context
	end  context.CancelFunc
	dir  string
	next func() error
	past []uint64 // the indexes of so many last writes
}

func newFollower(ctx context.Context, s store, dir string, past int) (*follower, error) {
	f := &follower{store: s, dir: dir, past: make([]uint64, past+1)}
	f.ctx, f.end = context.WithCancel(ctx)
	for range f.past {
		if err := f.setOnce(); err != nil {
			f.end()
			return nil, err
		}
	}
	f.next = s.follow(f.ctx, dir, f.past[past]) //nolint:contextcheck // It is of ctx.
	return f, nil
}

func (f *follower) setOnce() error {
	index, err := f.set(f.ctx, f.dir+"/key")
	f.past = append(f.past[1:], index)
	return err
}

// write writes n times and reads the events, with at most so many under way. The
// follower ends when it fails.
func (f *follower) write(n, ahead int) error {
	underWay := make(chan struct{}, ahead)
	written := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			select {
			case underWay <- struct{}{}:
				err = f.setOnce()
			case <-f.ctx.Done():
				err = f.ctx.Err()
			}
		}
		if err != nil {
			f.end()
		}
		written <- err
	}()
	for range n {
		if err := f.next(); err != nil {
			f.end()
			return errors.Join(err, <-written)
		}
		<-underWay
	}
	return <-written
}

// lookBack reads n events of the past by as many watches as that takes.
func (f *follower) lookBack(n int) error {
	ctx, cancel := context.WithCancel(f.ctx)
	defer cancel()
	for past := len(f.past) - 1; n > 0; n -= past {
		next := f.follow(ctx, f.dir, f.past[0])
		for range min(n, past) {
			if err := next(); err != nil {
				return err
			}
		}
	}
	return nil
}
