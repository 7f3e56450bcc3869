package concurrency_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// A creation may be carried out after the Lock that made it was given up, and has
// found nothing to delete. The session finds it, and not its TTL.
func TestEntryThatComesAfterLockWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ttl, lateness = 60, 2500 * time.Millisecond // between two looks of the keeper
		store := keystest.New()
		store.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpCreateInOrder && r.Caller == "a" {
				return keystest.Fault{Kind: keystest.Hangs, Delay: lateness}
			}
			return keystest.Fault{}
		}
		s := begin(t, store, "a", ttl)
		ctx, cancel := context.WithTimeout(keystest.As(t.Context(), "a"), time.Millisecond)
		defer cancel()
		if err := concurrency.NewMutex(s, "/lock").Lock(ctx); !isBare(err, context.DeadlineExceeded) {
			t.Fatalf("Lock: %v", err)
		}
		pass(lateness)
		if keys := keysBelow(store, "/lock"); len(keys) != 1 {
			t.Fatalf("in the line are %v: the test proves nothing", keys)
		}
		began := time.Now()
		must(t, concurrency.NewMutex(begin(t, store, "b", ttl), "/lock").Lock(t.Context()))
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("another Lock had to wait for %v", took)
		}
		must(t, s.Close())
	})
}

// What never comes is not looked for any longer than it may come.
func TestEntryThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, lists := keystest.New(), 0
		store.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpCreateInOrder {
				return keystest.Fault{Kind: keystest.HangsUnsent}
			}
			return keystest.Fault{}
		}
		store.Before = func(r keystest.Request) {
			if r.Op == keystest.OpGet && r.Key == "/lock" {
				lists++ // by one goroutine at a time
			}
		}
		s := begin(t, store, "a", 60)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := concurrency.NewMutex(s, "/lock").Lock(ctx); !isBare(err, context.DeadlineExceeded) {
			t.Fatalf("Lock: %v", err)
		}
		pass(15 * time.Second)
		synctest.Wait()
		before := lists
		if before < 5 || before > 20 {
			t.Errorf("%d looks at the line", before)
		}
		pass(time.Minute)
		synctest.Wait()
		if lists != before {
			t.Errorf("%d more looks at the line", lists-before)
		}
		must(t, s.Close())
	})
}

// Close can't wait for what may never come.
func TestCloseDoesNotAwaitALateEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		store.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpCreateInOrder {
				return keystest.Fault{Kind: keystest.HangsUnsent}
			}
			return keystest.Fault{}
		}
		s := begin(t, store, "a", 60)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := concurrency.NewMutex(s, "/lock").Lock(ctx); !isBare(err, context.DeadlineExceeded) {
			t.Fatalf("Lock: %v", err)
		}
		began := time.Now()
		must(t, s.Close())
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}
