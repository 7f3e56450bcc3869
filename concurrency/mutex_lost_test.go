package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// A holder that is cut off knows it before anybody else can have the lock.
func TestLockOfADeadHolderIsFreeWithTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		r := &register{t: t}
		dead, next := begin(t, store, "dead", 30), begin(t, store, "next", 30)
		began := time.Now()
		held := concurrency.NewMutex(dead, "/lock")
		must(t, held.Lock(keystest.As(t.Context(), "dead")))
		r.enter("dead", held.Fence())
		store.CutOff("dead", keystest.HangsUnsent)
		go func() {
			<-dead.Done()
			r.exit("dead")
		}()
		m := concurrency.NewMutex(next, "/lock")
		must(t, m.Lock(t.Context()))
		r.enter("next", m.Fence())
		if waited := time.Since(began); waited != 30*time.Second {
			t.Errorf("the lock was free after %v, want the TTL", waited)
		}
		if held.Fence() != 0 || held.Key() != "" {
			t.Errorf("a lost lock has the fence %d and the key %q", held.Fence(), held.Key())
		}
		var ended *concurrency.SessionError
		if err := held.Lock(t.Context()); !errors.As(err, &ended) || !errors.Is(err, concurrency.ErrSessionExpired) {
			t.Errorf("Lock on a session that has ended: %v", err)
		}
		store.Reconnect("dead")
		must(t, held.Unlock(t.Context())) // of nothing that is left
		if find(store, m.Key()) == nil {
			t.Error("the lost lock's Unlock deleted the next holder's key")
		}
	})
}

// Who has been cut off while it waited does not come back as a holder.
func TestWaiterThatIsCutOffLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		holder, waiter := begin(t, store, "holder", 30), begin(t, store, "waiter", 30)
		held := concurrency.NewMutex(holder, "/lock")
		must(t, held.Lock(t.Context()))
		failed := make(chan error, 1)
		go func() {
			failed <- concurrency.NewMutex(waiter, "/lock").Lock(keystest.As(context.Background(), "waiter"))
		}()
		pass(time.Second)
		store.CutOff("waiter", keystest.NotSent)
		if err := <-failed; !errors.Is(err, concurrency.ErrNotRenewed) {
			t.Errorf("Lock: %v", err)
		}
		pass(30 * time.Second)
		if keys := keysBelow(store, "/lock"); len(keys) != 1 {
			t.Errorf("in the line are %v", keys)
		}
	})
}

// The loss of a lock's key ends its session, that of one that waits as well.
func TestLossOfTheKeyEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		holder, waiter := begin(t, store, "holder", 30), begin(t, store, "waiter", 30)
		held := concurrency.NewMutex(holder, "/lock")
		must(t, held.Lock(t.Context()))
		failed := make(chan error, 1)
		go func() { failed <- concurrency.NewMutex(waiter, "/lock").Lock(context.Background()) }()
		synctest.Wait()
		lock := held.Key()
		_, err := store.Delete(t.Context(), "/lock", &client.DeleteOptions{Recursive: true, Dir: true})
		must(t, err)
		if err := <-failed; !errors.Is(err, concurrency.ErrKeyLost) {
			t.Errorf("the waiter's Lock: %v", err)
		}
		<-holder.Done()
		var ended *concurrency.SessionError
		if err := holder.Err(); !errors.As(err, &ended) || ended.Key != lock || !errors.Is(err, concurrency.ErrKeyLost) {
			t.Errorf("the holder's session: %v", err)
		}
	})
}

// A lock's key with another's value is another's.
func TestOverwrittenKeyEndsTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		s := begin(t, store, "a", 30)
		m := concurrency.NewMutex(s, "/lock")
		must(t, m.Lock(t.Context()))
		_, err := store.Set(t.Context(), m.Key(), "another's", nil)
		must(t, err)
		began := time.Now()
		<-s.Done()
		if err := s.Err(); !errors.Is(err, concurrency.ErrKeyLost) || time.Since(began) > 10*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// The entry whose creation was not answered is found in the line, and gone when it is
// to be renewed.
func TestLockWhoseEntryIsDeletedBeforeItIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		var creations int // of the one goroutine that creates
		store.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op != keystest.OpCreateInOrder {
				return keystest.Fault{}
			}
			if creations++; creations == 1 {
				return keystest.Fault{Kind: keystest.AnswerLost}
			}
			return keystest.Fault{}
		}
		store.Before = func(r keystest.Request) {
			if r.Op == keystest.OpSet && strings.HasPrefix(r.Key, "/lock/") && creations == 1 {
				_, err := store.Delete(context.Background(), r.Key, nil)
				must(t, err)
			}
		}
		s := begin(t, store, "a", 30)
		m := concurrency.NewMutex(s, "/lock")
		must(t, m.Lock(t.Context()))
		if keys := keysBelow(store, "/lock"); creations != 2 || len(keys) != 1 || keys[0] != m.Key() {
			t.Errorf("after %d creations the line has %v", creations, keys)
		}
		must(t, m.Unlock(t.Context()))
	})
}

func TestUnlockWhileCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		m := concurrency.NewMutex(s, "/lock")
		must(t, m.Lock(t.Context()))
		key := m.Key()
		store.CutOff("a", keystest.HangsUnsent)
		ctx, cancel := context.WithTimeout(keystest.As(t.Context(), "a"), time.Second)
		defer cancel()
		if err := m.Unlock(ctx); !isBare(err, context.DeadlineExceeded) {
			t.Errorf("Unlock: %v", err)
		}
		if m.Fence() != 0 || m.Key() != "" {
			t.Errorf("fence %d and key %q after Unlock", m.Fence(), m.Key())
		}
		store.Reconnect("a")
		pass(7 * time.Second) // the keeper's attempt that hangs, and the next one
		if find(store, key) != nil {
			t.Error("the session did not go on deleting the key")
		}
		must(t, s.Err())
		must(t, m.Unlock(t.Context()))
		if err := m.Unlock(t.Context()); !isBare(err, concurrency.ErrLockReleased) {
			t.Errorf("Unlock once more: %v", err)
		}
	})
}

// Without an answer, Unlock ends when the server has dropped the key.
func TestUnlockEndsWithTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		m := concurrency.NewMutex(s, "/lock")
		must(t, m.Lock(t.Context()))
		key := m.Key()
		store.CutOff("a", keystest.NotSent)
		began := time.Now()
		var op *concurrency.OpError
		if err := m.Unlock(keystest.As(context.Background(), "a")); !errors.As(err, &op) || op.Key != key || !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("Unlock: %v", err)
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("Unlock took %v", took)
		}
		if find(store, key) != nil {
			t.Error("the key is still there")
		}
	})
}

// A creation that is carried out after its owner has made another leaves no second
// place behind.
func TestLateCreationIsDeletedByUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		first := true // of the one goroutine that creates
		store.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpCreateInOrder && first {
				first = false
				return keystest.Fault{Kind: keystest.ArrivesLate, Delay: 5 * time.Second}
			}
			return keystest.Fault{}
		}
		s := begin(t, store, "a", 30)
		m := concurrency.NewMutex(s, "/lock")
		must(t, m.Lock(t.Context()))
		pass(6 * time.Second)
		if keys := keysBelow(store, "/lock"); len(keys) != 2 {
			t.Fatalf("in the line are %v: the test proves nothing", keys)
		}
		must(t, m.Unlock(t.Context()))
		if keys := keysBelow(store, "/lock"); len(keys) != 0 {
			t.Errorf("left: %v", keys)
		}
		must(t, s.Err())
	})
}

// A cancelled Lock whose entry can't be deleted hands it to the keeper, which does
// not renew it.
func TestCanceledLockWhileCutOff(t *testing.T) {
	for _, back := range []time.Duration{5 * time.Second, time.Hour} {
		t.Run(fmt.Sprintf("back after %v", back), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				holder := concurrency.NewMutex(begin(t, store, "b", 30), "/lock")
				must(t, holder.Lock(t.Context()))
				s := begin(t, store, "a", 30)
				ctx, cancel := context.WithCancel(keystest.As(context.Background(), "a"))
				failed := make(chan error, 1)
				go func() { failed <- concurrency.NewMutex(s, "/lock").Lock(ctx) }()
				pass(time.Second)
				store.CutOff("a", keystest.NotSent)
				cancel()
				if err := <-failed; !isBare(err, context.Canceled) {
					t.Errorf("Lock: %v", err)
				}
				time.AfterFunc(back, func() { store.Reconnect("a") })
				pass(min(back, 30*time.Second) + 2*time.Second)
				if keys := keysBelow(store, "/lock"); len(keys) != 1 {
					t.Errorf("in the line are %v", keys)
				}
			})
		})
	}
}

// Close while a Lock waits and another is held.
func TestCloseEndsLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		must(t, concurrency.NewMutex(s, "/lock").Lock(t.Context()))
		failed := make(chan error, 1)
		go func() { failed <- concurrency.NewMutex(s, "/lock").Lock(context.Background()) }()
		synctest.Wait()
		must(t, s.Close())
		if err := <-failed; !errors.Is(err, concurrency.ErrClosed) || !errors.Is(err, concurrency.ErrSessionExpired) {
			t.Errorf("Lock: %v", err)
		}
		if keys := keysBelow(store, ""); len(keys) != 0 {
			t.Errorf("left: %v", keys)
		}
	})
}
