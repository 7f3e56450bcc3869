package concurrency_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

const queueTTL = 10 // seconds

// queueStore is a Store whose faults can be set while it is in use.
type queueStore struct {
	*keystest.Store
	fault  atomic.Pointer[func(keystest.Request) keystest.Fault]
	before atomic.Pointer[func(keystest.Request)]
}

func newQueueStore() *queueStore {
	s := &queueStore{Store: keystest.New()}
	s.setFault(nil)
	s.setBefore(func(keystest.Request) {})
	s.Fault = func(r keystest.Request) keystest.Fault { return (*s.fault.Load())(r) }
	s.Before = func(r keystest.Request) { (*s.before.Load())(r) }
	return s
}

// setFault sets what becomes of requests from now on; nil: nothing fails.
func (s *queueStore) setFault(fault func(keystest.Request) keystest.Fault) {
	if fault == nil {
		fault = func(keystest.Request) keystest.Fault { return keystest.Fault{} }
	}
	s.fault.Store(&fault)
}

func (s *queueStore) setBefore(before func(keystest.Request)) { s.before.Store(&before) }

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
func wantNoKeys(t *testing.T, s *queueStore) {
	t.Helper()
	synctest.Wait() // for claims that are deleted behind the caller's back
	for _, n := range s.Dump() {
		if !n.Dir && strings.HasPrefix(n.Key, "/q/") {
			t.Fatalf("%s = %q is left behind", n.Key, n.Value)
		}
	}
}

func isClaim(r keystest.Request) bool { return strings.HasPrefix(r.Key, "/q/claims/") }
func isItem(r keystest.Request) bool  { return strings.HasPrefix(r.Key, "/q/items/") }

// queueRequests counts the requests so far, watches aside.
func queueRequests(s *queueStore) int {
	return s.Requests(keystest.OpSet) + s.Requests(keystest.OpGet) + s.Requests(keystest.OpDelete)
}
