package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// Fifty wait, each gets the lock once and in the order in which they came, and each
// release wakes one of them.
func TestFiftyWaitersGetTheLockInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		const waiters = 50
		s := begin(t, store, "holder", 30)
		holder := concurrency.NewMutex(s, "/lock")
		must(t, holder.Lock(t.Context()))
		r := &register{t: t}
		var all sync.WaitGroup
		for i := range waiters {
			name := fmt.Sprint(i)
			other := begin(t, store, name, 30)
			all.Go(func() {
				m := concurrency.NewMutex(other, "/lock")
				if err := m.Lock(context.Background()); err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				r.enter(name, m.Fence())
				pass(10 * time.Millisecond)
				r.exit(name)
				must(t, m.Unlock(context.Background()))
			})
			synctest.Wait()
		}
		pass(100 * time.Second) // each is renewed while it waits
		reads, watches := store.Requests(keystest.OpGet), store.Requests(keystest.OpWatch)
		must(t, holder.Unlock(t.Context()))
		all.Wait()
		for i, name := range r.order {
			if name != fmt.Sprint(i) {
				t.Fatalf("the order was %v", r.order)
			}
		}
		if len(r.order) != waiters {
			t.Errorf("%d of %d got it", len(r.order), waiters)
		}
		if n := store.Requests(keystest.OpGet) - reads; n > waiters {
			t.Errorf("%d reads for %d changes of hands", n, waiters)
		}
		if n := store.Requests(keystest.OpWatch) - watches; n > waiters {
			t.Errorf("%d watches for %d changes of hands", n, waiters)
		}
		if left := keysBelow(store, "/lock"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestTryLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s, other := begin(t, store, "a", 30), begin(t, store, "b", 30)
		m, n := concurrency.NewMutex(s, "/lock"), concurrency.NewMutex(other, "/lock")
		must(t, m.TryLock(t.Context()))
		if err := n.TryLock(t.Context()); !isBare(err, concurrency.ErrLocked) {
			t.Errorf("a lock that is held: %v", err)
		}
		if keys := keysBelow(store, "/lock"); len(keys) != 1 || keys[0] != m.Key() {
			t.Errorf("in the line are %v", keys)
		}
		must(t, m.Unlock(t.Context()))
		must(t, n.TryLock(t.Context()))
		must(t, n.Unlock(t.Context()))
	})
}

// Somebody enters between TryLock's look and its entry.
func TestTryLockLeavesWhenSomebodyIsFaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		var faster *concurrency.Mutex
		store.Before = func(r keystest.Request) {
			if r.Op == keystest.OpCreateInOrder && r.Caller == "a" {
				must(t, faster.Lock(keystest.As(t.Context(), "b")))
			}
		}
		s, other := begin(t, store, "a", 30), begin(t, store, "b", 30)
		faster = concurrency.NewMutex(other, "/lock")
		if err := concurrency.NewMutex(s, "/lock").TryLock(keystest.As(t.Context(), "a")); !isBare(err, concurrency.ErrLocked) {
			t.Errorf("TryLock: %v", err)
		}
		if keys := keysBelow(store, "/lock"); len(keys) != 1 || keys[0] != faster.Key() {
			t.Errorf("in the line are %v", keys)
		}
	})
}

func TestMutexValueIsForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		m := concurrency.NewMutex(s, "lock/")
		if m.Fence() != 0 || m.Key() != "" {
			t.Errorf("fence %d and key %q before Lock", m.Fence(), m.Key())
		}
		if err := m.Unlock(t.Context()); !isBare(err, concurrency.ErrLockReleased) {
			t.Errorf("Unlock before Lock: %v", err)
		}
		must(t, m.Lock(t.Context()))
		if n := find(store, m.Key()); n == nil || n.CreatedIndex != m.Fence() {
			t.Errorf("key %s is %v, the fence %d", m.Key(), n, m.Fence())
		}
		if err := m.Lock(t.Context()); !isBare(err, concurrency.ErrLocked) {
			t.Errorf("a second Lock: %v", err)
		}
		if err := m.TryLock(t.Context()); !isBare(err, concurrency.ErrLocked) {
			t.Errorf("TryLock of what is held: %v", err)
		}
		waits := concurrency.NewMutex(s, "/lock")
		locked := make(chan error, 1)
		go func() { locked <- waits.Lock(context.Background()) }()
		synctest.Wait()
		if err := waits.Lock(t.Context()); !isBare(err, concurrency.ErrLocked) {
			t.Errorf("Lock while another is under way: %v", err)
		}
		must(t, m.Unlock(t.Context()))
		if err := m.Unlock(t.Context()); !isBare(err, concurrency.ErrLockReleased) {
			t.Errorf("a second Unlock: %v", err)
		}
		must(t, <-locked)
		must(t, waits.Unlock(t.Context()))
	})
}

func TestMutexRefusesWhatCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		_, err := store.Set(t.Context(), "/file", "x", nil)
		must(t, err)
		before := store.Requests(keystest.OpCreateInOrder)
		var input *client.InvalidInputError
		for name, m := range map[string]*concurrency.Mutex{
			"no session": concurrency.NewMutex(nil, "/lock"), "the root": concurrency.NewMutex(s, "/"), "dots": concurrency.NewMutex(s, "/a/../b"),
		} {
			if err := m.Lock(t.Context()); !errors.As(err, &input) {
				t.Errorf("%s: %v", name, err)
			}
			if err := m.TryLock(t.Context()); !errors.As(err, &input) {
				t.Errorf("%s, TryLock: %v", name, err)
			}
		}
		m := concurrency.NewMutex(s, "/lock")
		if err := m.Lock(nil); !errors.As(err, &input) { //nolint:staticcheck // that is what is tested
			t.Errorf("no context: %v", err)
		}
		if err := m.Unlock(nil); !errors.As(err, &input) { //nolint:staticcheck // that is what is tested
			t.Errorf("Unlock without context: %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := m.Lock(ended); !isBare(err, context.Canceled) {
			t.Errorf("a context that has ended: %v", err)
		}
		if n := store.Requests(keystest.OpCreateInOrder) - before; n != 0 {
			t.Errorf("%d entries were asked for", n)
		}
		var op *concurrency.OpError
		if err := concurrency.NewMutex(s, "/file").Lock(t.Context()); !errors.As(err, &op) || op.Op != "lock" || op.Key != "/file" || !errors.Is(err, client.Error{Code: client.ErrorCodeNotDir}) {
			t.Errorf("a file: %v", err)
		}
		must(t, s.Err())
	})
}

// What is no entry is nobody's place.
func TestMutexIgnoresWhatIsNoEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		for _, key := range []string{"/lock/note", "/lock/_hidden", "/lock/00000000000000000001/x"} {
			_, err := store.Set(t.Context(), key, "x", nil)
			must(t, err)
		}
		m := concurrency.NewMutex(begin(t, store, "a", 30), "/lock")
		must(t, m.TryLock(t.Context()))
		must(t, m.Unlock(t.Context()))
	})
}

func TestLocker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		shared := concurrency.NewLocker(s, "/lock")
		other := concurrency.NewLocker(s, "/lock")
		var all sync.WaitGroup
		inside := 0
		for i := range 10 {
			all.Go(func() {
				l := []sync.Locker{shared, other}[i%2]
				l.Lock()
				defer l.Unlock()
				if inside++; inside != 1 {
					t.Error("two are inside")
				}
				pass(time.Second)
				inside--
			})
		}
		all.Wait()
		wantPanic(t, concurrency.ErrLockReleased, shared.Unlock)
		must(t, s.Close())
		wantPanic(t, concurrency.ErrSessionExpired, shared.Lock)
		wantPanic(t, concurrency.ErrSessionExpired, shared.Lock) // and not a deadlock
	})
}

func wantPanic(t *testing.T, want error, do func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if err, ok := recover().(error); !ok || !errors.Is(err, want) {
			t.Errorf("panic %v, want %v", err, want)
		}
	}()
	do()
}
