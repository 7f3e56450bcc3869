package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

func mustLock(tb testing.TB, m *concurrency.Mutex) {
	tb.Helper()
	if err := m.Lock(tb.Context()); err != nil {
		tb.Fatalf("Lock: %v", err)
	}
}

func mustUnlock(tb testing.TB, m *concurrency.Mutex) {
	tb.Helper()
	if err := m.Unlock(tb.Context()); err != nil {
		tb.Fatalf("Unlock: %v", err)
	}
}

func wantWaiting(tb testing.TB, result <-chan error) {
	tb.Helper()
	synctest.Wait()
	select {
	case err := <-result:
		tb.Fatalf("it did not wait: %v", err)
	default:
	}
}

func wantResult(tb testing.TB, result <-chan error, want error) {
	tb.Helper()
	if err := <-result; !errors.Is(err, want) {
		tb.Fatalf("%v, not %v", err, want)
	}
}

// owns tells what a transaction on condition of IsOwner does.
func owns(tb testing.TB, client *clientv3.Client, m *concurrency.Mutex) bool {
	tb.Helper()
	response, err := client.Txn(tb.Context()).If(m.IsOwner()).Commit()
	if err != nil {
		tb.Fatal(err)
	}
	return response.Succeeded
}

func TestMutex(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		m := concurrency.NewMutex(s, "/lock")
		if m.Key() != "" || m.Header() != nil || owns(t, client, m) {
			t.Errorf("held before Lock: %q, %v", m.Key(), m.Header())
		}
		if err := m.Unlock(t.Context()); !errors.Is(err, concurrency.ErrLockReleased) {
			t.Errorf("Unlock before Lock: %v", err)
		}
		mustLock(t, m)
		if want := fmt.Sprintf("/lock/%x", int64(s.Lease())); m.Key() != want {
			t.Errorf("key %q, not %q", m.Key(), want)
		}
		if m.Header().GetRevision() == 0 || !owns(t, client, m) {
			t.Error("not held after Lock")
		}
		mustUnlock(t, m)
		if m.Key() != "" || m.Header() != nil || owns(t, client, m) {
			t.Errorf("held after Unlock: %q, %v", m.Key(), m.Header())
		}
		wantNoKeys(t, client, "/lock")
	})
}

// TestWaitersAreServedInTurn has fifty, and compares the fences too.
func TestWaitersAreServedInTurn(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		const waiters = 50
		var sessions []*concurrency.Session
		var order []int
		var fence int64
		var waiting sync.WaitGroup
		for i := range waiters {
			s := newSession(t, client)
			sessions = append(sessions, s)
			waiting.Go(func() {
				m := concurrency.NewMutex(s, "/lock")
				mustLock(t, m)
				if revision := m.Header().Revision; revision <= fence {
					t.Errorf("fence %d after %d", revision, fence)
				} else {
					fence = revision
				}
				order = append(order, i)
				pass(time.Second)
				mustUnlock(t, m)
			})
			synctest.Wait() // its key is there
		}
		waiting.Wait()
		for i, got := range order {
			if i != got {
				t.Fatalf("served in order %v", order)
			}
		}
		if len(order) != waiters {
			t.Errorf("%d were served", len(order))
		}
		closeAll(t, sessions...)
		wantNoKeys(t, client, "/lock")
	})
}

// TestWaiterWaitsForAllOlder has the one in the middle give up.
func TestWaiterWaitsForAllOlder(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		a, b, c := newSession(t, client), newSession(t, client), newSession(t, client)
		defer closeAll(t, a, b, c)
		first, third := concurrency.NewMutex(a, "/lock"), concurrency.NewMutex(c, "/lock")
		mustLock(t, first)
		ctx, cancel := context.WithCancel(t.Context())
		second := started(func() error { return concurrency.NewMutex(b, "/lock").Lock(ctx) })
		wantWaiting(t, second)
		last := started(func() error { return third.Lock(t.Context()) })
		wantWaiting(t, last)
		cancel()
		wantResult(t, second, context.Canceled)
		if left := keys(t, client, "/lock"); len(left) != 2 {
			t.Errorf("keys after one has given up: %q", left)
		}
		pass(time.Minute)
		wantWaiting(t, last)
		mustUnlock(t, first)
		wantResult(t, last, nil)
	})
}

func TestTryLock(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		a, b := newSession(t, client), newSession(t, client)
		defer closeAll(t, a, b)
		first, second := concurrency.NewMutex(a, "/lock"), concurrency.NewMutex(b, "/lock")
		if err := first.TryLock(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, other := range []*concurrency.Mutex{second, first, concurrency.NewMutex(a, "/lock")} {
			if err := other.TryLock(t.Context()); err != concurrency.ErrLocked { //nolint:errorlint // it is returned bare
				t.Errorf("TryLock of a lock that is held: %v", err)
			}
		}
		if left := keys(t, client, "/lock"); len(left) != 1 {
			t.Errorf("keys: %q", left)
		}
		mustUnlock(t, first)
		if err := second.TryLock(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, second)
	})
}

// TestOneSessionIsOneHolder has goroutines share a session, a Mutex or a Locker.
func TestOneSessionIsOneHolder(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		shared, locker := concurrency.NewMutex(s, "/lock"), concurrency.NewLocker(s, "/lock")
		holders, rounds := 0, 0
		work := func() {
			if holders++; holders != 1 {
				t.Errorf("%d holders", holders)
			}
			pass(time.Second)
			holders--
			rounds++
		}
		var working sync.WaitGroup
		for range 5 {
			working.Go(func() {
				mustLock(t, shared)
				work()
				mustUnlock(t, shared)
			})
			working.Go(func() {
				own := concurrency.NewMutex(s, "/lock")
				mustLock(t, own)
				work()
				mustUnlock(t, own)
			})
			working.Go(func() {
				locker.Lock()
				defer locker.Unlock()
				work()
			})
		}
		working.Wait()
		if rounds != 15 {
			t.Errorf("%d rounds", rounds)
		}
		wantNoKeys(t, client, "/lock")
	})
}

func TestLockEndsWithTheSession(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		holder := newSession(t, client, concurrency.WithTTL(3600))
		waiter := newSession(t, client, concurrency.WithTTL(10))
		held := concurrency.NewMutex(holder, "/lock")
		mustLock(t, held)
		waiting := started(func() error { return concurrency.NewMutex(waiter, "/lock").Lock(t.Context()) })
		second := started(func() error { return concurrency.NewMutex(waiter, "/lock").Lock(t.Context()) })
		wantWaiting(t, waiting)
		server.Mute(true)
		wantResult(t, waiting, concurrency.ErrSessionExpired)
		wantResult(t, second, concurrency.ErrSessionExpired)
		wantResult(t, started(func() error { return concurrency.NewMutex(waiter, "/lock").TryLock(t.Context()) }), concurrency.ErrSessionExpired)
		server.Mute(false)
		mustUnlock(t, held)
		closeAll(t, holder, waiter)
	})
}

// TestUnlockAfterTheSession frees the lock where the lease is still there.
func TestUnlockAfterTheSession(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client)
		m, locker := concurrency.NewMutex(s, "/lock"), concurrency.NewLocker(s, "/other")
		mustLock(t, m)
		locker.Lock()
		s.Orphan()
		mustUnlock(t, m)
		locker.Unlock()
		wantNoKeys(t, client, "/lock")
		wantNoKeys(t, client, "/other")
		for name, call := range map[string]func(){"Lock": locker.Lock, "Unlock": locker.Unlock} {
			func() {
				defer func() {
					if reason := recover(); reason == nil {
						t.Errorf("%s of a Locker without a session does not panic", name)
					}
				}()
				call()
			}()
		}
	})
}

func TestLockWhoseKeyIsDeleted(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		a, b := newSession(t, client), newSession(t, client)
		defer closeAll(t, a, b)
		held := concurrency.NewMutex(a, "/lock")
		mustLock(t, held)
		waiting := started(func() error { return concurrency.NewMutex(b, "/lock").Lock(t.Context()) })
		wantWaiting(t, waiting)
		if _, err := client.Delete(t.Context(), fmt.Sprintf("/lock/%x", int64(b.Lease()))); err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, held)
		wantResult(t, waiting, concurrency.ErrSessionExpired)
	})
}

func TestLockGetsOverACompaction(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		a, b := newSession(t, client), newSession(t, client)
		defer closeAll(t, a, b)
		held, other := concurrency.NewMutex(a, "/lock"), concurrency.NewMutex(b, "/lock")
		mustLock(t, held)
		// Between the look at the line and the watch of it.
		server.SetFault(func(ctx context.Context, request any, do func() (any, error)) (any, error) {
			reply, err := do()
			if !puts(request) && !deletes(request) {
				server.SetFault(nil)
				for i := range 10 {
					client.Put(ctx, "/noise", fmt.Sprint(i))
				}
				client.Compact(ctx, 12)
			}
			return reply, err
		})
		waiting := started(func() error { return other.Lock(t.Context()) })
		wantWaiting(t, waiting)
		mustUnlock(t, held)
		wantResult(t, waiting, nil)
		mustUnlock(t, other)
	})
}
