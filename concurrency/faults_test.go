package concurrency_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// faults are all that can become of a request, with delays within a pause, within
// an attempt and beyond it, for a TTL of 30 s.
func faults() map[string]keystest.Fault {
	return map[string]keystest.Fault{
		"answer lost":            {Kind: keystest.AnswerLost},
		"never arrives":          {Kind: keystest.NeverArrives},
		"arrives 3 ms late":      {Kind: keystest.ArrivesLate, Delay: 3 * time.Millisecond},
		"arrives 300 ms late":    {Kind: keystest.ArrivesLate, Delay: 300 * time.Millisecond},
		"arrives 12 s late":      {Kind: keystest.ArrivesLate, Delay: 12 * time.Second},
		"arrives 40 s late":      {Kind: keystest.ArrivesLate, Delay: 40 * time.Second},
		"hangs":                  {Kind: keystest.Hangs},
		"hangs and arrives late": {Kind: keystest.Hangs, Delay: 4 * time.Second},
		"hangs for nothing":      {Kind: keystest.HangsUnsent},
		"not sent":               {Kind: keystest.NotSent},
	}
}

// lateEntries are those that a fault can bring into the store after its owner has
// left, where they last for one TTL.
func lateEntries(f keystest.Fault) bool { return f.Delay > 0 }

// everyFault runs a test for each operation and each fault of its first, second and
// third request. After it and one TTL, nothing may be left below dir, and right
// after it nothing that was not late.
func everyFault(t *testing.T, dir string, test func(t *testing.T, store *keystest.Store)) {
	t.Helper()
	for _, op := range []string{keystest.OpCreateInOrder, keystest.OpGet, keystest.OpSet, keystest.OpDelete, keystest.OpWatch} {
		for name, fault := range faults() {
			for nth := int32(1); nth <= 3; nth++ {
				t.Run(fmt.Sprintf("%s %d %s", op, nth, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						store := keystest.New()

						var count atomic.Int32
						store.Fault = func(r keystest.Request) keystest.Fault {
							if r.Op == op && count.Add(1) == nth {
								return fault
							}
							return keystest.Fault{}
						}
						test(t, store)
						if left := keysBelow(store, dir); len(left) > 0 && !lateEntries(fault) {
							t.Errorf("left: %v", left)
						}
						pass(fault.Delay + 30*time.Second + time.Nanosecond)
						if left := keysBelow(store, dir); len(left) > 0 {
							t.Errorf("left for longer than the TTL: %v", left)
						}
					})
				})
			}
		}
	}
}

// Three sessions take a lock three times each, while each kind of request fails in
// each way.
func TestMutexExcludesThroughEveryFault(t *testing.T) {
	everyFault(t, "/lock", func(t *testing.T, store *keystest.Store) {
		t.Helper()
		r := &register{t: t}
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c"} {
			s := begin(t, store, name, 30)
			all.Go(func() {
				m := concurrency.NewMutex(s, "/lock")
				for range 3 {
					if err := m.Lock(context.Background()); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					r.enter(name, m.Fence())
					pass(time.Second)
					r.exit(name)
					if err := m.Unlock(context.Background()); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			})
		}
		all.Wait()
		if len(r.order) != 9 {
			t.Errorf("%d turns of 9", len(r.order))
		}
	})
}

func TestTryLockThroughEveryFault(t *testing.T) {
	everyFault(t, "/lock", func(t *testing.T, store *keystest.Store) {
		t.Helper()
		s := begin(t, store, "a", 30)
		m, other := concurrency.NewMutex(s, "/lock"), concurrency.NewMutex(s, "/lock")
		deadline := time.Now().Add(2 * time.Minute)
		for range 3 {
			// An entry that came late may be in the way for one TTL.
			err := m.TryLock(t.Context())
			for isBare(err, concurrency.ErrLocked) && time.Now().Before(deadline) {
				pass(time.Second)
				err = m.TryLock(t.Context())
			}
			must(t, err)
			if err := other.TryLock(t.Context()); !isBare(err, concurrency.ErrLocked) {
				t.Errorf("a lock that is held: %v", err)
			}
			must(t, m.Unlock(t.Context()))
		}
	})
}

// Lock is given up in the middle of each request.
func TestCanceledLockLeavesNothingThroughEveryFault(t *testing.T) {
	everyFault(t, "/lock", func(t *testing.T, store *keystest.Store) {
		t.Helper()
		s := begin(t, store, "a", 30)
		holder := concurrency.NewMutex(s, "/lock")
		must(t, holder.Lock(t.Context()))
		for _, after := range []time.Duration{2 * time.Second, 20 * time.Millisecond, time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), after)
			began := time.Now()
			if err := concurrency.NewMutex(s, "/lock").Lock(ctx); !isBare(err, context.DeadlineExceeded) {
				t.Errorf("after %v: %v", after, err)
			}
			if took := time.Since(began); took > after+time.Second {
				t.Errorf("Lock returned after %v, its context ended after %v", took, after)
			}
			cancel()
		}
		must(t, holder.Unlock(t.Context()))
		pass(10 * time.Second) // the keeper deletes what could not be
	})
}

// Elections, proclamations and resignations, through the same faults.
func TestElectionThroughEveryFault(t *testing.T) {
	everyFault(t, "/election", func(t *testing.T, store *keystest.Store) {
		t.Helper()
		r := &register{t: t}
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c"} {
			s := begin(t, store, name, 30)
			all.Go(func() {
				e := concurrency.NewElection(s, "/election")
				for range 2 {
					if err := e.Campaign(context.Background(), name); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					r.enter(name, e.Rev())
					for _, val := range []string{name + " 1", name + " 2"} {
						if err := e.Proclaim(context.Background(), val); err != nil {
							t.Errorf("%s proclaims: %v", name, err)
						}
						asked, cancel := context.WithTimeout(context.Background(), time.Second)
						leader, err := e.Leader(asked)
						cancel()
						if err == nil && (leader.Node.Value != val || leader.Node.CreatedIndex != e.Rev()) {
							t.Errorf("the leader is %v %q, want %q", leader.Node, leader.Node.Value, val)
						}
						if left := time.Until(expiry(t, store, e.Key())); left > 30*time.Second || left < 5*time.Second {
							t.Errorf("%v are left of the TTL", left)
						}
					}
					r.exit(name)
					if err := e.Resign(context.Background()); err != nil {
						t.Errorf("%s resigns: %v", name, err)
					}
				}
			})
		}
		all.Wait()
		if len(r.order) != 6 {
			t.Errorf("%d turns of 6", len(r.order))
		}
	})
}
