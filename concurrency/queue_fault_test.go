package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// queueSteps are the requests of an item's way through a queue.
var queueSteps = []struct {
	name string
	is   func(keystest.Request) bool
}{
	{"put in", func(r keystest.Request) bool { return isItem(r) && r.Op == keystest.OpSet }},
	{"watch", func(r keystest.Request) bool { return r.Op == keystest.OpWatch }},
	{"snapshot", func(r keystest.Request) bool { return r.Op == keystest.OpGet && r.Key == "/q" }},
	{"claim", func(r keystest.Request) bool { return isClaim(r) && r.Op == keystest.OpSet && r.Value != "" }},
	{"read", func(r keystest.Request) bool { return isItem(r) && r.Op == keystest.OpGet }},
	{"ack", func(r keystest.Request) bool { return isItem(r) && r.Op == keystest.OpDelete }},
	{"drop the claim", func(r keystest.Request) bool { return isClaim(r) && r.Op == keystest.OpDelete }},
	{"renew", func(r keystest.Request) bool { return r.Op == keystest.OpSet && r.Value == "" }},
}

// claimStep is where queueSteps has the claim, readStep the read behind it.
const (
	claimStep = 3
	readStep  = 4
)

var queueFaults = []struct {
	name  string
	fault keystest.Fault
}{
	{"answer lost", keystest.Fault{Kind: keystest.AnswerLost}},
	{"never arrives", keystest.Fault{Kind: keystest.NeverArrives}},
	{"arrives late", keystest.Fault{Kind: keystest.ArrivesLate, Delay: 200 * time.Millisecond}},
	{"arrives very late", keystest.Fault{Kind: keystest.ArrivesLate, Delay: 8 * time.Second}},
	{"hangs", keystest.Fault{Kind: keystest.Hangs}},
	{"hangs unsent", keystest.Fault{Kind: keystest.HangsUnsent}},
	{"not sent", keystest.Fault{Kind: keystest.NotSent}},
}

func isHang(f keystest.Fault) bool {
	return f.Kind == keystest.Hangs || f.Kind == keystest.HangsUnsent
}

// TestQueueFaults has each step of an item's way fail in each way, once and three
// times in succession: it is delivered once all the same, acknowledged, and gone.
func TestQueueFaults(t *testing.T) {
	for _, step := range queueSteps {
		for _, f := range queueFaults {
			for _, times := range []int32{1, 3} {
				if step.name == "snapshot" && isHang(f.fault) {
					continue // to end a read that hangs is the KeysAPI's task, as a watch hangs by nature
				}
				t.Run(fmt.Sprintf("%s/%s/%d", step.name, f.name, times), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						store := newQueueStore()
						var failed atomic.Int32
						a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
						store.setFault(func(r keystest.Request) keystest.Fault {
							if step.is(r) && r.Caller == "a" && failed.Add(1) <= times {
								return f.fault
							}
							return keystest.Fault{}
						})
						passOneItem(t, a)
						<-time.After(2 * queueTTL * time.Second) // for what comes late
						synctest.Wait()
						store.Wait()
						if failed.Load() == 0 {
							t.Error("the step was not taken")
						}
						if err := a.session.Err(); err != nil {
							t.Errorf("the session has ended: %v", err)
						}
						b.wantNone()
						b.wantLen(0)
						wantNoKeys(t, store)
					})
				})
			}
		}
	}
}

// passOneItem puts an item in, works on it for longer than its TTL, and
// acknowledges it.
func passOneItem(t *testing.T, c *consumer) {
	t.Helper()
	var id string
	err := c.within(c.ctx, time.Second, func(ctx context.Context) (err error) {
		id, err = c.queue.Enqueue(ctx, "1")
		return err
	})
	for err != nil {
		err = c.within(c.ctx, time.Second, func(ctx context.Context) error { return c.queue.EnqueueID(ctx, id, "1") })
	}
	item := c.take()
	<-time.After(2 * queueTTL * time.Second)
	if item.ID != id || item.Value != "1" {
		t.Errorf("got %v with %q, want %s", item, item.Value, id)
	}
	c.ack(item)
}

// TestEnqueueWhoseAnswerIsLost says what comes of it, with a consumer that is
// quicker than the search for the item, and without any.
func TestEnqueueWhoseAnswerIsLost(t *testing.T) {
	for _, c := range []struct {
		name    string
		fault   keystest.Fault
		unknown bool
		within  time.Duration
	}{
		{name: "arrived", fault: keystest.Fault{Kind: keystest.AnswerLost}},
		{name: "comes yet", fault: keystest.Fault{Kind: keystest.ArrivesLate, Delay: 3 * time.Second}, within: 3 * time.Second},
		{name: "never comes", fault: keystest.Fault{Kind: keystest.NeverArrives}, within: 5 * time.Second, unknown: true},
		{name: "comes after that", fault: keystest.Fault{Kind: keystest.ArrivesLate, Delay: 6 * time.Second}, within: 5 * time.Second, unknown: true},
	} {
		for _, consumed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, consumed %v", c.name, consumed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := newQueueStore()
					a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
					store.setFault(func(r keystest.Request) keystest.Fault {
						if isItem(r) && r.Op == keystest.OpSet {
							return c.fault
						}
						if isItem(r) && r.Op == keystest.OpGet && r.Caller == "a" {
							synctest.Wait() // the consumer has all the time it wants
						}
						return keystest.Fault{}
					})
					var seen atomic.Int32
					if consumed {
						go func() {
							for {
								item, err := b.queue.Dequeue(b.ctx)
								if err != nil {
									return
								}
								seen.Add(1)
								b.ack(item)
							}
						}()
						synctest.Wait()
					}
					began := time.Now()
					id, err := a.queue.Enqueue(a.ctx, "1")
					if took := time.Since(began); took != c.within {
						t.Errorf("Enqueue took %v, want %v", took, c.within)
					}
					if errors.Is(err, client.ErrOutcomeUnknown) != c.unknown || (err != nil) != c.unknown || id == "" {
						t.Errorf("Enqueue gives %q, %v", id, err)
					}
					store.Wait()
					store.setFault(nil)
					if !consumed && !c.unknown {
						if err := a.queue.EnqueueID(a.ctx, id, "1"); err != nil {
							t.Errorf("EnqueueID gives %v", err)
						}
						a.wantLen(1)
					}
					synctest.Wait()
					if want := c.name != "never comes"; consumed && (seen.Load() == 1) != want {
						t.Errorf("the consumer saw %d", seen.Load())
					}
					b.session.Orphan()
				})
			})
		}
	}
}

// TestEnqueueID puts an item in once while it is in the queue, whatever fails, and
// again when it has been acknowledged.
func TestEnqueueID(t *testing.T) {
	for _, f := range queueFaults {
		t.Run(f.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newQueueStore()
				a := newConsumer(t, store, "a")
				var failed atomic.Int32
				store.setFault(func(r keystest.Request) keystest.Fault {
					if isItem(r) && r.Op == keystest.OpSet && failed.Add(1) <= 2 {
						return f.fault
					}
					return keystest.Fault{}
				})
				for attempt := 0; ; attempt++ {
					ctx, cancel := context.WithTimeout(a.ctx, time.Second)
					err := a.queue.EnqueueID(ctx, "x", "1")
					cancel()
					if err == nil {
						break
					}
					if attempt == 3 || errors.Is(err, client.ErrOutcomeUnknown) != (ctx.Err() == nil && f.name != "not sent") && ctx.Err() == nil {
						t.Fatalf("EnqueueID gives %v", err)
					}
				}
				store.Wait()
				a.wantLen(1)
				a.wantNext("1")
				if err := a.queue.EnqueueID(a.ctx, "x", "2"); err != nil {
					t.Fatal(err)
				}
				a.wantNext("2")
				wantNoKeys(t, store)
			})
		})
	}
}

// TestLateDeletionHitsNoOtherItem: an Ack whose first request comes late does not
// take off an item of the same ID that was put in since.
func TestLateDeletionHitsNoOtherItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		var failed atomic.Bool
		store.setFault(func(r keystest.Request) keystest.Fault {
			if isItem(r) && r.Op == keystest.OpDelete && failed.CompareAndSwap(false, true) {
				return keystest.Fault{Kind: keystest.ArrivesLate, Delay: time.Minute}
			}
			return keystest.Fault{}
		})
		for _, value := range []string{"1", "2"} {
			if err := a.queue.EnqueueID(a.ctx, "x", value); err != nil {
				t.Fatal(err)
			}
			if value == "1" {
				a.wantNext("1")
			}
		}
		store.Wait()
		a.wantLen(1)
		a.wantNext("2")
	})
}

// TestViewIsBehind claims an item that was acknowledged, or came back as another
// one, after the consumer saw it.
func TestViewIsBehind(t *testing.T) {
	for _, again := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store := newQueueStore()
			a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
			if err := a.queue.EnqueueID(a.ctx, "x", "1"); err != nil {
				t.Fatal(err)
			}
			a.put("2")
			var once atomic.Bool
			store.setBefore(func(r keystest.Request) {
				if isClaim(r) && r.Op == keystest.OpSet && r.Caller == "b" && once.CompareAndSwap(false, true) {
					if _, err := store.Delete(t.Context(), "/q/items/x", nil); err != nil {
						t.Error(err)
					}
					if again {
						if _, err := store.Create(t.Context(), "/q/items/x", "3"); err != nil {
							t.Error(err)
						}
					}
				}
			})
			b.wantNext("2")
			if again {
				b.wantNext("3")
			}
			b.wantNone()
			wantNoKeys(t, store)
		})
	}
}

// TestSlowClaim: a claim that has arrived when nine tenths of its TTL are over, as
// far as anybody knows, is not relied on before it is renewed.
func TestSlowClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		a.put("1")
		began := time.Now()
		store.setFault(func(r keystest.Request) keystest.Fault {
			if isClaim(r) && r.Op == keystest.OpSet && time.Since(began) < 9*time.Second {
				return keystest.Fault{Kind: keystest.Hangs}
			}
			return keystest.Fault{}
		})
		a.wantNext("1")
		if err := a.session.Err(); err != nil {
			t.Error(err)
		}
		wantNoKeys(t, store)
	})
}

// TestCanceledDequeueLeavesNoClaim ends the context while a step hangs.
func TestCanceledDequeueLeavesNoClaim(t *testing.T) {
	for _, step := range queueSteps[claimStep : readStep+1] {
		for _, kind := range []keystest.FaultKind{keystest.Hangs, keystest.HangsUnsent, keystest.AnswerLost} {
			synctest.Test(t, func(t *testing.T) {
				store := newQueueStore()
				a, b := newConsumer(t, store, "a"), newConsumer(t, store, "b")
				a.put("1", "2")
				store.setFault(func(r keystest.Request) keystest.Fault {
					if step.is(r) && r.Caller == "a" {
						return keystest.Fault{Kind: kind}
					}
					return keystest.Fault{}
				})
				ctx, cancel := context.WithTimeout(a.ctx, time.Second)
				defer cancel()
				item, err := a.queue.Dequeue(ctx)
				if err != context.DeadlineExceeded { //nolint:errorlint // bare
					t.Errorf("Dequeue gives %v, %v", item, err)
				}
				store.setFault(nil)
				synctest.Wait()
				began := time.Now()
				b.wantNext("1", "2")
				if time.Since(began) != 0 {
					t.Errorf("it took %v until the item was free", time.Since(began))
				}
			})
		}
	}
}

// TestAckThatEndsWithItsContext may be repeated.
func TestAckThatEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		a.put("1", "2")
		one, two := a.take(), a.take()
		store.setFault(func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpDelete {
				return keystest.Fault{Kind: keystest.Hangs}
			}
			return keystest.Fault{}
		})
		ctx, cancel := context.WithTimeout(a.ctx, time.Second)
		defer cancel()
		if err := one.Ack(ctx); err != context.DeadlineExceeded { //nolint:errorlint // bare
			t.Errorf("Ack gives %v", err)
		}
		ctx, cancel = context.WithTimeout(a.ctx, time.Second)
		defer cancel()
		if err := two.Release(ctx); err != context.DeadlineExceeded { //nolint:errorlint // bare
			t.Errorf("Release gives %v", err)
		}
		store.setFault(nil)
		a.ack(one)
		a.wantNext("2")
		if err := two.Ack(a.ctx); !errors.Is(err, concurrency.ErrNotClaimed) {
			t.Errorf("Ack gives %v", err)
		}
		wantNoKeys(t, store)
	})
}

// TestLostAnswersCostNoTime: a claim, and an item with an ID of the caller's, is
// known to have arrived by asking, and not by waiting.
func TestLostAnswersCostNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newQueueStore()
		a := newConsumer(t, store, "a")
		failed := map[string]bool{}
		store.setFault(func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpSet && (isClaim(r) || isItem(r)) && !failed[r.Key] {
				failed[r.Key] = true
				return keystest.Fault{Kind: keystest.AnswerLost}
			}
			return keystest.Fault{}
		})
		began := time.Now()
		for _, id := range []string{"1", "2", "3"} {
			if err := a.queue.EnqueueID(a.ctx, id, id); err != nil {
				t.Fatal(err)
			}
		}
		a.wantNext("1", "2", "3")
		if took := time.Since(began); took > time.Second || len(failed) != 6 {
			t.Errorf("it took %v, with %d answers lost", took, len(failed))
		}
	})
}
