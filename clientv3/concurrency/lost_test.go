package concurrency_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

// TestLockOfUnknownOutcome loses the answer or the request, or holds the request back.
func TestLockOfUnknownOutcome(t *testing.T) {
	for name, lock := range map[string]func(*concurrency.Mutex, context.Context) error{
		"Lock": (*concurrency.Mutex).Lock, "TryLock": (*concurrency.Mutex).TryLock,
	} {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			server, client := t.Server, t.Client
			for what, fault := range map[string]fakeetcd.Fault{
				"answer": loseAnswer, "request": loseRequest, "late": holdBack(server, 5*time.Second),
				"within the hold": holdBack(server, 500*time.Millisecond),
			} {
				s := newSession(t, client)
				m := concurrency.NewMutex(s, "/lock")
				server.SetFault(once(puts, fault))
				if err := lock(m, t.Context()); err != nil {
					t.Fatalf("%s, %s: %v", name, what, err)
				}
				if held := keys(t, client, "/lock"); len(held) != 1 {
					t.Errorf("%s, %s: keys %q", name, what, held)
				}
				pass(time.Second)
				mustUnlock(t, m)
				pass(10 * time.Second)
				wantNoKeys(t, client, "/lock")
				closeAll(t, s)
			}
		})
	}
}

// TestLockThatIsGivenUp leaves no key, also where the request that creates it comes
// after the one that deletes it.
func TestLockThatIsGivenUp(t *testing.T) {
	for _, late := range []time.Duration{0, time.Second, time.Minute, time.Hour} {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			server, client := t.Server, t.Client
			s := newSession(t, client)
			m := concurrency.NewMutex(s, "/lock")
			server.SetFault(once(puts, swallow(server, late)))
			if err := m.Lock(within(t, 100*time.Millisecond)); err != context.DeadlineExceeded { //nolint:errorlint // it is returned bare
				t.Fatalf("Lock: %v", err)
			}
			pass(late + time.Second)
			synctest.Wait()
			wantNoKeys(t, client, "/lock")
			wantAlive(t, s)
			mustLock(t, m) // the session is as good as new
			mustUnlock(t, m)
			closeAll(t, s)
		})
	}
}

// TestLateRequestMeetsTheNextLock has it create the key for another Lock, which then
// is as any other.
func TestLateRequestMeetsTheNextLock(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s, other := newSession(t, client), newSession(t, client)
		defer closeAll(t, s, other)
		m := concurrency.NewMutex(s, "/lock")
		server.SetFault(once(puts, swallow(server, time.Second)))
		if err := m.Lock(within(t, 100*time.Millisecond)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Lock: %v", err)
		}
		mustLock(t, m)
		pass(2 * time.Second)
		if !owns(t, client, m) {
			t.Error("the guard has deleted the key of a lock that is held")
		}
		waiting := started(func() error { return concurrency.NewMutex(other, "/lock").Lock(t.Context()) })
		wantWaiting(t, waiting)
		mustUnlock(t, m)
		wantResult(t, waiting, nil)
	})
}

// TestLateUnlock must not end the hold that came after it.
func TestLateUnlock(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		m := concurrency.NewMutex(s, "/lock")
		mustLock(t, m)
		server.SetFault(once(deletes, holdBack(server, time.Minute)))
		mustUnlock(t, m)
		mustLock(t, m)
		pass(time.Hour)
		if !owns(t, client, m) {
			t.Error("the lock was lost to a late Unlock")
		}
		mustUnlock(t, m)
	})
}

func TestUnlockOfUnknownOutcome(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		m := concurrency.NewMutex(s, "/lock")
		for _, fault := range []fakeetcd.Fault{loseAnswer, loseRequest} {
			mustLock(t, m)
			server.SetFault(once(deletes, fault))
			mustUnlock(t, m)
			wantNoKeys(t, client, "/lock")
		}
	})
}

// TestServerIsFirstToSeeTheDeadline has it end a request a moment before ctx ends.
func TestServerIsFirstToSeeTheDeadline(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		m := concurrency.NewMutex(s, "/lock")
		mustLock(t, m)
		server.SetFault(once(deletes, func(context.Context, any, func() (any, error)) (any, error) {
			return nil, status.Error(codes.DeadlineExceeded, "context deadline exceeded")
		}))
		if err := m.Unlock(within(t, time.Minute)); err != context.DeadlineExceeded { //nolint:errorlint // it is returned bare
			t.Errorf("Unlock: %v", err)
		}
	})
}

// TestUnlockThatIsGivenUp is finished by the session, however long that takes.
func TestUnlockThatIsGivenUp(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		m := concurrency.NewMutex(s, "/lock")
		mustLock(t, m)
		server.SetFault(loseRequest)
		began := time.Now()
		if err := m.Unlock(within(t, time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Unlock: %v", err)
		}
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("Unlock took %v", took)
		}
		if m.Key() != "" || !errors.Is(m.Unlock(t.Context()), concurrency.ErrLockReleased) {
			t.Error("the Mutex believes that it is held")
		}
		tried := started(func() error { return m.TryLock(t.Context()) }) // waits for the end of Unlock
		pass(time.Minute)
		wantWaiting(t, tried)
		server.SetFault(nil)
		wantResult(t, tried, nil)
		mustUnlock(t, m)
		wantNoKeys(t, client, "/lock")
	})
}

// TestLostAnswerIsFoundAgain costs a request, and leaves nothing to look for.
func TestLostAnswerIsFoundAgain(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		s := newSession(t, t.Client)
		defer closeAll(t, s)
		m := concurrency.NewMutex(s, "/lock")
		var requests atomic.Int64
		lose := once(puts, loseAnswer)
		t.Server.SetFault(func(ctx context.Context, request any, do func() (any, error)) (any, error) {
			requests.Add(1)
			return lose(ctx, request, do)
		})
		mustLock(t, m)
		mustUnlock(t, m)
		pass(time.Minute)
		if n := requests.Load(); n != 3 {
			t.Errorf("%d requests, not two to lock and one to unlock", n)
		}
	})
}
