package keystest

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/coreos/etcd/client"
)

type watcher struct {
	s         *Store
	key       string
	err       error // why the key can't be watched
	recursive bool
	next      uint64 // the first index of interest; 0: from the first Next on
}

// Watcher implements [client.KeysAPI].
func (s *Store) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	w := &watcher{s: s}
	w.key, w.err = cleanKey(key)
	if opts != nil {
		w.recursive = opts.Recursive
		if opts.AfterIndex > 0 {
			w.next = opts.AfterIndex + 1
		}
	}
	return w
}

// Next implements [client.Watcher]. As that of a client, it gets over a loss of
// history where the node shows that nothing was missed.
func (w *watcher) Next(ctx context.Context) (*client.Response, error) {
	if w.err != nil {
		return nil, w.err
	}
	r, fault, err := w.s.admit(ctx, Request{Op: OpWatch, Key: w.key})
	if err != nil {
		return nil, err
	}
	switch fault.Kind {
	case None:
	case Hangs, HangsUnsent:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		return nil, broken(false)
	}
	for {
		resp, wt, err := w.take(r.Caller)
		if wt == nil {
			return resp, err
		}
		if resp, err = wt.await(ctx); resp != nil || err != nil {
			return resp, err
		}
	}
}

// take begins a long poll: it gives what the history has, or who waits.
func (w *watcher) take(caller string) (*client.Response, *waiter, error) {
	s := w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	cut, isCut := s.cuts[caller]
	switch {
	case isCut && cut == NotSent:
		return nil, nil, broken(false)
	case isCut:
		return nil, s.wait(w, caller, true), nil
	case w.next == 0:
		w.next = s.index + 1
	}
	ev, index, reaches := s.scan(w)
	switch {
	case ev != nil:
		w.next = index + 1
		return ev.response(s.index), nil, nil
	case !reaches:
		cleared := s.refuse(client.ErrorCodeEventIndexCleared, fmt.Sprintf("the requested history has been cleared [%d/%d]", s.oldest(), w.next))
		missedNothing := w.isUnchanged()
		w.next = s.index + 1
		if !missedNothing {
			return nil, nil, cleared
		}
	}
	return nil, s.wait(w, caller, false), nil
}

// isUnchanged reports whether the node shows that no event of the watch was missed,
// which one that is gone, and what is below a directory, does not.
func (w *watcher) isUnchanged() bool {
	e, err := w.s.find(w.key)
	return err == nil && w.key != "/" && (!w.recursive || !e.isDir()) && e.modified < w.next
}

// waiter is a Next that waits.
type waiter struct {
	w      *watcher
	caller string
	taken  uint64        // the index at which it began to wait
	event  *event        // what it waited for
	index  uint64        // that of the event
	deaf   bool          // it is not told of events: its caller is cut off
	over   bool          // it was cut off or connected again: the poll must be made anew
	wake   chan struct{} // says that there is something to see to
}

func (s *Store) wait(w *watcher, caller string, deaf bool) *waiter {
	wt := &waiter{w: w, caller: caller, taken: s.index, deaf: deaf, wake: make(chan struct{}, 1)}
	s.waiting[wt] = struct{}{}
	return wt
}

func (wt *waiter) rouse() {
	select {
	case wt.wake <- struct{}{}:
	default: // It will look in any case.
	}
}

// await gives the event that comes, or nothing when the poll is over.
func (wt *waiter) await(ctx context.Context) (*client.Response, error) {
	s := wt.w.s
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting, wt)
	}()
	for {
		expiry := time.NewTimer(s.untilExpiry())
		select {
		case <-ctx.Done():
		case <-wt.wake:
		case <-expiry.C:
		}
		expiry.Stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if resp, over := wt.outcome(); resp != nil || over {
			return resp, nil
		}
	}
}

func (wt *waiter) outcome() (resp *client.Response, over bool) {
	s := wt.w.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	if wt.event == nil {
		return nil, wt.over
	}
	wt.w.next = wt.index + 1
	return wt.event.response(wt.taken), false
}

// untilExpiry gives the time until the next node expires.
func (s *Store) untilExpiry() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.soonest.IsZero() {
		return math.MaxInt64
	}
	return time.Until(s.soonest)
}
