package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestQueueIsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		a.wantLen(0)
		a.put("1", "2", "3")
		a.wantLen(3)
		var last uint64
		for _, want := range []string{"1", "2", "3"} {
			item := a.take()
			if item.Value != want || item.Index <= last || item.ID == "" || !strings.HasPrefix(item.String(), item.ID) {
				t.Errorf("got %v with %q after %d", item, item.Value, last)
			}
			last = item.Index
			if want == "1" {
				a.wantLen(3) // it is there until it is acknowledged
			}
			a.ack(item)
			a.ack(item)
		}
		a.wantLen(0)
		a.wantNone()
		wantNoKeys(t, store)
	})
}

// TestQueueOfManyItems takes thousands of items that were there before, and counts
// what that costs.
func TestQueueOfManyItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const items = 5000
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		for i := range items {
			a.put(fmt.Sprint(i))
		}
		before := queueRequests(store)
		for i := range items {
			a.wantNext(fmt.Sprint(i))
		}
		synctest.Wait()
		requests := queueRequests(store) - before
		if want := 4*items + 1; requests != want { // claim, read, delete both; the first snapshot
			t.Errorf("%d requests for %d items, want %d", requests, items, want)
		}
		wantNoKeys(t, store)
	})
}

// TestDequeueWaits wakes a Dequeue by each thing that can.
func TestDequeueWaits(t *testing.T) {
	for _, c := range []struct {
		name string
		wake func(waiting, other *consumer, held *concurrency.Item)
		want func(*concurrency.Item, error) bool
	}{
		{
			name: "an item",
			wake: func(_, other *consumer, _ *concurrency.Item) { other.put("x") },
			want: func(item *concurrency.Item, err error) bool { return err == nil && item.Value == "x" },
		},
		{
			name: "a release",
			wake: func(_, other *consumer, held *concurrency.Item) {
				if err := held.Release(other.ctx); err != nil {
					other.t.Error(err)
				}
			},
			want: func(item *concurrency.Item, err error) bool { return err == nil && item.Value == "held" },
		},
		{
			name: "the end of the session",
			wake: func(waiting, _ *consumer, _ *concurrency.Item) { waiting.session.Orphan() },
			want: func(_ *concurrency.Item, err error) bool {
				var ended *concurrency.SessionError
				return errors.As(err, &ended) && errors.Is(err, concurrency.ErrClosed)
			},
		},
		{
			name: "Close",
			wake: func(waiting, _ *consumer, _ *concurrency.Item) {
				waiting.queue.Close()
				waiting.queue.Close()
			},
			want: func(_ *concurrency.Item, err error) bool {
				return err == concurrency.ErrQueueClosed //nolint:errorlint // bare
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newQueueStore()
				a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
				b.put("held")
				held := b.take()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					if item, err := a.queue.Dequeue(a.ctx); !c.want(item, err) {
						t.Errorf("Dequeue gives %v, %v", item, err)
					}
				}()
				synctest.Wait()
				began := time.Now()
				c.wake(a, b, held)
				<-ended
				if time.Since(began) != 0 {
					t.Errorf("it took %v", time.Since(began))
				}
			})
		})
	}
}

// TestDequeueWhenAllIsOver is refused at once.
func TestDequeueWhenAllIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newConsumer(t, keystest.New(), "a")
		a.put("1", "2")
		item := a.take()
		a.queue.Close()
		if _, err := a.queue.Dequeue(a.ctx); err != concurrency.ErrQueueClosed { //nolint:errorlint // bare
			t.Errorf("Dequeue of a closed queue gives %v", err)
		}
		a.ack(item)
		a.session.Orphan()
		a.queue.Close()
		other := concurrency.NewQueue(a.session, "/q")
		if _, err := other.Dequeue(a.ctx); !errors.Is(err, concurrency.ErrSessionExpired) {
			t.Errorf("Dequeue by a session that has ended gives %v", err)
		}
		a.put("3")
		a.wantLen(2)
	})
}

func TestDequeueEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newConsumer(t, keystest.New(), "a")
		ctx, cancel := context.WithCancelCause(a.ctx)
		time.AfterFunc(3*time.Second, func() { cancel(errors.New("the caller's own reason")) })
		began := time.Now()
		if _, err := a.queue.Dequeue(ctx); err != context.Canceled || time.Since(began) != 3*time.Second { //nolint:errorlint // bare
			t.Errorf("Dequeue gives %v after %v", err, time.Since(began))
		}
		a.put("1") // the queue goes on
		a.wantNext("1")
	})
}

func TestReleasedItemHasItsPlaceAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
		a.put("1", "2", "3", "4")
		one, two := a.take(), a.take()
		for range 2 {
			if err := one.Release(a.ctx); err != nil {
				t.Fatal(err)
			}
		}
		if err := one.Ack(a.ctx); !errors.Is(err, concurrency.ErrNotClaimed) || errors.Is(err, concurrency.ErrSessionExpired) {
			t.Errorf("Ack after Release gives %v", err)
		}
		b.wantNext("1", "3")
		a.ack(two)
		if err := two.Release(a.ctx); err != nil {
			t.Errorf("Release after Ack gives %v", err)
		}
		b.wantNext("4")
		b.wantLen(0)
		wantNoKeys(t, store)
	})
}

// TestCutOffConsumer: what a consumer held that is cut off comes back to its place,
// when its claim expires, and its session has ended before that.
func TestCutOffConsumer(t *testing.T) {
	for _, kind := range []keystest.FaultKind{keystest.HangsUnsent, keystest.NotSent} {
		synctest.Test(t, func(t *testing.T) {
			store := newQueueStore()
			a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
			b.put("1", "2", "3")
			item := a.take()
			b.wantNext("2")
			began := time.Now()
			store.CutOff("a", kind)
			ack := make(chan error)
			go func() { ack <- item.Ack(a.ctx) }()
			err := <-ack
			if !errors.Is(err, concurrency.ErrNotClaimed) || !errors.Is(err, concurrency.ErrNotRenewed) || a.session.Err() == nil {
				t.Errorf("Ack gives %v", err)
			}
			if unknown := errors.Is(err, client.ErrOutcomeUnknown); unknown != (kind == keystest.HangsUnsent) {
				t.Errorf("Ack gives %v", err)
			}
			if took := time.Since(began); took >= queueTTL*time.Second {
				t.Errorf("the session ended after %v", took)
			}
			b.ack(b.take()) // 3, which nobody has claimed
			again := b.take()
			if took := time.Since(began); took > queueTTL*time.Second {
				t.Errorf("the item came back after %v", took)
			}
			if again.ID != item.ID || again.Index != item.Index || again.Value != "1" {
				t.Errorf("got %v, want %v", again, item)
			}
			store.Reconnect("a")
			err = item.Ack(a.ctx)
			if !errors.Is(err, concurrency.ErrNotClaimed) || !errors.Is(err, concurrency.ErrSessionExpired) || errors.Is(err, client.ErrOutcomeUnknown) {
				t.Errorf("Ack gives %v", err)
			}
			if err := item.Release(a.ctx); err != nil {
				t.Errorf("Release gives %v", err)
			}
			b.wantLen(1)
			b.ack(again)
			wantNoKeys(t, store)
		})
	}
}

func TestClosedSessionGivesItsItemsBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
		a.put("1", "2")
		a.take()
		a.take()
		began := time.Now()
		if err := a.session.Close(); err != nil {
			t.Fatal(err)
		}
		b.wantNext("1", "2")
		if time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}

// TestClaimsAreRenewed works on an item for an hour.
func TestClaimsAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
		a.put("1")
		item := a.take()
		ctx, cancel := context.WithTimeout(b.ctx, time.Hour)
		defer cancel()
		if other, err := b.queue.Dequeue(ctx); err != context.DeadlineExceeded { //nolint:errorlint // bare
			t.Errorf("b got %v, %v", other, err)
		}
		a.ack(item)
		wantNoKeys(t, store)
	})
}

// TestStolenClaim: a claim that somebody deletes ends the session, as any other key
// that it keeps.
func TestStolenClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
		a.put("1")
		item := a.take()
		if _, err := store.Delete(t.Context(), "/q/claims/"+item.ID, nil); err != nil {
			t.Fatal(err)
		}
		b.wantNext("1")
		<-a.session.Done()
		if err := item.Ack(a.ctx); !errors.Is(err, concurrency.ErrNotClaimed) || !errors.Is(err, concurrency.ErrKeyLost) {
			t.Errorf("Ack gives %v", err)
		}
	})
}

func TestQueueRefusesBadInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		good := a.queue
		a.put("1")
		item := a.take()
		requests := func() int {
			return queueRequests(store)
		}
		before, nobody := requests(), context.Context(nil)
		root := concurrency.NewQueue(a.session, "//")
		dots := concurrency.NewQueue(a.session, "/q/..")
		for name, call := range map[string]func() error{
			"payload":         func() error { _, err := good.Enqueue(a.ctx, "\xff"); return err },
			"context":         func() error { _, err := good.Enqueue(nobody, ""); return err },
			"Dequeue context": func() error { _, err := good.Dequeue(nobody); return err },
			"Len context":     func() error { _, err := good.Len(nobody); return err },
			"Ack context":     func() error { return item.Ack(nobody) },
			"Release context": func() error { return item.Release(nobody) },
			"root":            func() error { _, err := root.Enqueue(a.ctx, ""); return err },
			"Dequeue root":    func() error { _, err := root.Dequeue(a.ctx); return err },
			"dots":            func() error { _, err := dots.Enqueue(a.ctx, ""); return err },
			"Dequeue dots":    func() error { _, err := dots.Dequeue(a.ctx); return err },
			"no ID":           func() error { return good.EnqueueID(a.ctx, "", "") },
			"hidden ID":       func() error { return good.EnqueueID(a.ctx, "_a", "") },
			"path as ID":      func() error { return good.EnqueueID(a.ctx, "a/b", "") },
			"bytes as ID":     func() error { return good.EnqueueID(a.ctx, "\xff", "") },
			"dots as ID":      func() error { return good.EnqueueID(a.ctx, "..", "") },
		} {
			var input *client.InvalidInputError
			if err := call(); !errors.As(err, &input) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if requests() != before {
			t.Errorf("%d requests were sent", requests()-before)
		}
		a.ack(item)
	})
}

// TestOrderComesBack: a consumer that has lost many races takes items out of order,
// a few places away, and in order again when it is alone.
func TestOrderComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const places, races = 32, 20
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		for i := range 200 {
			a.put(fmt.Sprint(i))
		}
		lost := 0
		store.setBefore(func(r keystest.Request) {
			if isClaim(r) && r.Op == keystest.OpSet && lost < races {
				lost++
				if _, err := store.Set(t.Context(), r.Key, "another", &client.SetOptions{TTL: time.Second}); err != nil {
					t.Error(err)
				}
			}
		})
		a.ack(a.take())
		<-time.After(2 * time.Second) // all others are free again
		free := make([]uint64, 0, 200)
		for _, n := range store.Dump() {
			if strings.HasPrefix(n.Key, "/q/items/") {
				free = append(free, n.CreatedIndex)
			}
		}
		slices.Sort(free)
		for taken := 0; len(free) > 0; taken++ {
			item := a.take()
			at := slices.Index(free, item.Index)
			if limit := max(0, places-2-taken); at > limit {
				t.Errorf("with %d taken, %d free items stand before the next", taken, at)
			}
			free = slices.Delete(free, at, at+1)
			a.ack(item)
			synctest.Wait()
		}
	})
}
