package benchmarks

import (
	"context"
	"errors"
	"fmt"
)

const (
	watchedDir = "/watched"
	watchedKey = watchedDir + "/key"

	// pastEvents are those of one watch that reads what has been; a server of v2
	// keeps 1,000.
	pastEvents = 900

	// maxAhead is how many events are written at most that have not been read.
	maxAhead = 500
)

// storeWatches measures an event by what happens meanwhile: it is waited for before
// the next one is written, it is one of many, or all are of the past.
func storeWatches(ctx context.Context, a arena) ([]Line, error) {
	past := map[store]uint64{} // the index before the events of the past
	for _, s := range a.stores {
		if s == nil {
			continue
		}
		for i := range pastEvents + 1 {
			index, err := s.set(ctx, watchedKey)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				past[s] = index
			}
		}
	}
	var lines []Line
	for _, w := range []struct {
		work  string
		least int
		do    func(s store, n int) error
	}{
		{"an event of the past", pastEvents, func(s store, n int) error { return followPast(ctx, s, past[s], n) }},
		{"a Set and its event, one after the other", leastShare, func(s store, n int) error { return writeAndFollow(ctx, s, n, 1) }},
		{"a Set and its event, side by side", maxAhead, func(s store, n int) error { return writeAndFollow(ctx, s, n, maxAhead) }},
	} {
		taken, err := a.playStores(a.stores, w.least, w.do)
		if err != nil {
			return nil, err
		}
		lines = append(lines, compare(fmt.Sprintf("%s, %s", w.work, a.server), taken, noLimit)...)
	}
	return lines, nil
}

// followPast reads n events of the past by as many watches as that takes.
func followPast(ctx context.Context, s store, after uint64, n int) error {
	for ; n > 0; n -= pastEvents {
		if err := s.follow(ctx, watchedDir, after, min(n, pastEvents), func() {}); err != nil {
			return err
		}
	}
	return nil
}

// writeAndFollow writes n times and reads the events, with at most so many under way.
func writeAndFollow(ctx context.Context, s store, n, ahead int) error {
	after, err := s.set(ctx, watchedKey)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	underWay := make(chan struct{}, ahead)
	followed := make(chan error, 1)
	go func() {
		followed <- s.follow(ctx, watchedDir, after, n, func() { <-underWay })
	}()
	for range n {
		select {
		case underWay <- struct{}{}:
		case err = <-followed:
			return err
		}
		if _, err = s.set(ctx, watchedKey); err != nil {
			cancel()
			return errors.Join(err, <-followed)
		}
	}
	return <-followed
}
