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

const queueTTL = 10 // seconds

// consumer is a program that uses the queue /q.
type consumer struct {
	t       *testing.T
	name    string
	ctx     context.Context //nolint:containedctx // it is the program's name
	session *concurrency.Session
	queue   *concurrency.Queue
}

// newConsumer begins a session under a name, by which it can be cut off.
func newConsumer(t *testing.T, kapi client.KeysAPI, name string) *consumer {
	t.Helper()
	ctx := keystest.As(t.Context(), name)
	s, err := concurrency.NewSession(kapi, concurrency.WithTTL(queueTTL), concurrency.WithContext(keystest.As(context.Background(), name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing %s: %v", name, err)
		}
	})
	return &consumer{t, name, ctx, s, concurrency.NewQueue(s, "/q")}
}

// within calls something under the consumer's name, with a deadline.
func (c *consumer) within(ctx context.Context, patience time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(keystest.As(ctx, c.name), patience)
	defer cancel()
	return call(ctx)
}

func (c *consumer) put(values ...string) {
	c.t.Helper()
	for _, value := range values {
		if _, err := c.queue.Enqueue(c.ctx, value); err != nil {
			c.t.Fatalf("%s puts %q: %v", c.name, value, err)
		}
	}
}

func (c *consumer) take() *concurrency.Item {
	c.t.Helper()
	item, err := c.queue.Dequeue(c.ctx)
	if err != nil {
		c.t.Fatalf("%s takes: %v", c.name, err)
	}
	return item
}

func (c *consumer) ack(item *concurrency.Item) {
	c.t.Helper()
	if err := item.Ack(c.ctx); err != nil {
		c.t.Fatalf("%s acknowledges %s: %v", c.name, item.Value, err)
	}
}

// wantNext takes items, wants these values, and acknowledges them.
func (c *consumer) wantNext(values ...string) {
	c.t.Helper()
	for _, value := range values {
		item := c.take()
		if item.Value != value {
			c.t.Fatalf("%s got %q, want %q", c.name, item.Value, value)
		}
		c.ack(item)
	}
}

// wantNone wants no item for a second.
func (c *consumer) wantNone() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, time.Second)
	defer cancel()
	if item, err := c.queue.Dequeue(ctx); err != context.DeadlineExceeded { //nolint:errorlint // bare
		c.t.Fatalf("%s got %v, %v", c.name, item, err)
	}
}

func (c *consumer) wantLen(want int) {
	c.t.Helper()
	if got, err := c.queue.Len(c.ctx); err != nil || got != want {
		c.t.Errorf("the length is %d, %v, want %d", got, err, want)
	}
}

// wantNoKeys looks for files that a queue has left behind.
func wantNoKeys(t *testing.T, s *keystest.Store) {
	t.Helper()
	synctest.Wait() // for claims that are deleted behind the caller's back
	for _, n := range s.Dump() {
		if !n.Dir && strings.HasPrefix(n.Key, "/q/") {
			t.Errorf("%s = %q is left behind", n.Key, n.Value)
		}
	}
}

func isClaim(r keystest.Request) bool { return strings.HasPrefix(r.Key, "/q/claims/") }
func isItem(r keystest.Request) bool  { return strings.HasPrefix(r.Key, "/q/items/") }

func TestQueueIsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
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
		store := keystest.New()
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
				store := keystest.New()
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
		store := keystest.New()
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
			store := keystest.New()
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
		store := keystest.New()
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
		store := keystest.New()
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
		store := keystest.New()
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
		store := keystest.New()
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
