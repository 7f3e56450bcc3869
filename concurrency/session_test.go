package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestSessionKeepsItsKeyUntilClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		for range 60 {
			pass(10 * time.Second)
			if left := time.Until(expiry(t, store, s.Key())); left < 20*time.Second {
				t.Fatalf("only %v are left", left)
			}
		}
		if !strings.HasPrefix(s.Key(), "/_sessions/") {
			t.Errorf("key %q", s.Key())
		}
		must(t, s.Err())
		must(t, s.Ctx().Err())
		synctest.Wait()
		if n := store.Requests(keystest.OpSet); n != 61 {
			t.Errorf("%d writes in 600 s, want the first and one each 10 s", n)
		}
		must(t, s.Close())
		must(t, s.Close())
		s.Orphan()
		<-s.Done()
		if find(store, s.Key()) != nil {
			t.Error("the key is still there")
		}
		err := s.Err()
		var ended *concurrency.SessionError
		if !errors.As(err, &ended) || !errors.Is(err, concurrency.ErrClosed) || !errors.Is(err, concurrency.ErrSessionExpired) || ended.Key != s.Key() {
			t.Errorf("Err is %v", err)
		}
		if !isBare(context.Cause(s.Ctx()), err) {
			t.Errorf("the context's cause is %v", context.Cause(s.Ctx()))
		}
	})
}

// A session's own key can be the entry of a service: its value is the program's, it
// is renewed, it goes with the session, and its loss ends it.
func TestSessionHasAValue(t *testing.T) {
	const value = `{"name":"ann","address":"10.0.0.1:80"}`
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		enter := func() *concurrency.Session {
			s, err := concurrency.NewSession(store, concurrency.WithDirectory("/services"), concurrency.WithValue(value))
			must(t, err)
			return s
		}
		a, b := enter(), enter()
		defer b.Close()
		pass(10 * time.Minute)
		if keys := keysBelow(store, "/services"); len(keys) != 2 || a.Key() == b.Key() {
			t.Errorf("keys %v of %s and %s", keys, a.Key(), b.Key())
		}
		if n := find(store, a.Key()); n == nil || n.Value != value {
			t.Errorf("the entry is %v", n)
		}
		must(t, a.Close())
		if find(store, a.Key()) != nil {
			t.Error("the entry is there after Close")
		}

		_, err := store.Set(context.Background(), b.Key(), "another's", nil)
		must(t, err)
		<-b.Done()
		if err = b.Err(); !errors.Is(err, concurrency.ErrKeyLost) {
			t.Errorf("Err is %v", err)
		}
	})
}

// Whatever a cut-off looks like, the session ends four fifths of the TTL after the
// last renewal that succeeded was sent, and the server drops the key a fifth later.
func TestSessionEndsBeforeTheServerDropsItsKey(t *testing.T) {
	for _, ttl := range []int{1, 5, 30, 60} {
		for name, fault := range map[string]keystest.FaultKind{
			"hangs": keystest.HangsUnsent, "refused": keystest.NotSent, "lost on the way": keystest.NeverArrives,
		} {
			t.Run(fmt.Sprintf("TTL %d, %s", ttl, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := keystest.New()

					var cut atomic.Bool
					store.Fault = func(keystest.Request) keystest.Fault {
						if cut.Load() {
							return keystest.Fault{Kind: fault}
						}
						return keystest.Fault{}
					}
					began := time.Now()
					whole := time.Duration(ttl) * time.Second
					s := begin(t, store, "a", ttl)
					pass(whole*2/3 + whole/10) // the last renewal was at two thirds
					cut.Store(true)
					last := began.Add(2 * (whole / 3))
					expires := expiry(t, store, s.Key())
					<-s.Done()
					if at := time.Since(last); at != whole-whole/5 {
						t.Errorf("it ended %v after the last renewal, want %v", at, whole-whole/5)
					}
					if left := time.Until(expires); left != whole/5 {
						t.Errorf("%v before the server's expiry, want %v", left, whole/5)
					}
					err := s.Err()
					if !errors.Is(err, concurrency.ErrNotRenewed) || !strings.Contains(err.Error(), s.Key()) {
						t.Errorf("Err is %v", err)
					}
					if errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v looks like a deadline of the caller's", err)
					}
					pass(whole)
					cut.Store(false)
					if find(store, s.Key()) != nil {
						t.Error("the key was renewed after the session had ended")
					}
				})
			})
		}
	}
}

// A renewal whose answer was lost does not count, even though it was carried out.
func TestSessionCountsNoRenewalWhoseAnswerWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		var sets atomic.Int32
		store.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpSet && sets.Add(1) > 1 {
				return keystest.Fault{Kind: keystest.AnswerLost}
			}
			return keystest.Fault{}
		}
		s := begin(t, store, "a", 30)
		began := time.Now()
		<-s.Done()
		if at := time.Since(began); at != 24*time.Second {
			t.Errorf("it ended after %v", at)
		}
		var ended *concurrency.SessionError
		if !errors.As(s.Err(), &ended) || !errors.Is(ended.Err, client.ErrOutcomeUnknown) {
			t.Errorf("Err is %v, want the last failure in it", s.Err())
		}
		if errors.Is(s.Err(), client.ErrOutcomeUnknown) {
			t.Error("who gets Err from a call that was not made takes it for one that may have been")
		}
	})
}

// Err does not wait for the keeper to notice.
func TestErrGoesByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		for range 100 { // at the same instant, the keeper may come first
			s := begin(t, store, "a", 30)
			store.CutOff("a", keystest.NotSent)
			pass(24 * time.Second)
			if err := s.Err(); !errors.Is(err, concurrency.ErrNotRenewed) {
				t.Fatalf("Err is %v", err)
			}
			store.Reconnect("a")
		}
	})
}

func TestSessionOutlivesShortFailures(t *testing.T) {
	for name, kind := range map[string]keystest.FaultKind{"hangs": keystest.HangsUnsent, "refused": keystest.NotSent} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				s := begin(t, store, "a", 30)
				for range 20 {
					store.CutOff("a", kind)
					pass(8 * time.Second)
					store.Reconnect("a") // what hangs, does so for 5 s
					pass(8 * time.Second)
				}
				must(t, s.Err())
			})
		})
	}
}

// What is not the session's any more ends it at the next renewal, and is not touched.
func TestSessionEndsWhenItsKeyIsLost(t *testing.T) {
	lose := map[string]func(store *keystest.Store, key string) error{
		"deleted": func(store *keystest.Store, key string) error {
			_, err := store.Delete(context.Background(), key, nil)
			return err
		},
		"deleted with its directory": func(store *keystest.Store, _ string) error {
			_, err := store.Delete(context.Background(), "/_sessions", &client.DeleteOptions{Recursive: true, Dir: true})
			return err
		},
		"another's": func(store *keystest.Store, key string) error {
			_, err := store.Set(context.Background(), key, "another's", nil)
			return err
		},
	}
	for name, do := range lose {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				s := begin(t, store, "a", 30)
				began := time.Now()
				pass(time.Second)
				must(t, do(store, s.Key()))
				before := find(store, s.Key())
				<-s.Done()
				if at := time.Since(began); at != 10*time.Second {
					t.Errorf("it ended after %v, want the next renewal's time", at)
				}
				if err := s.Err(); !errors.Is(err, concurrency.ErrKeyLost) {
					t.Errorf("Err is %v", err)
				}
				must(t, s.Close())
				if after := find(store, s.Key()); before != nil && (after == nil || after.ModifiedIndex != before.ModifiedIndex) {
					t.Errorf("another's key was %v and is %v", before, after)
				}
			})
		})
	}
}

func TestOrphanLeavesTheKeysToTheirTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		pass(15 * time.Second)
		s.Orphan()
		if !errors.Is(s.Err(), concurrency.ErrClosed) {
			t.Errorf("Err is %v", s.Err())
		}
		pass(24 * time.Second)
		if find(store, s.Key()) == nil {
			t.Error("the key went before its TTL, or before it was last renewed")
		}
		pass(2 * time.Second)
		if find(store, s.Key()) != nil {
			t.Error("the key is still renewed")
		}
	})
}

func TestSessionEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		why := errors.New("the program ends")
		ctx, cancel := context.WithCancelCause(context.Background())
		s, err := concurrency.NewSession(store, concurrency.WithContext(ctx), concurrency.WithDirectory("services/"))
		must(t, err)
		if !strings.HasPrefix(s.Key(), "/services/") || find(store, s.Key()) == nil {
			t.Errorf("key %q", s.Key())
		}
		if left := time.Until(expiry(t, store, s.Key())); left != time.Minute {
			t.Errorf("the TTL is %v, want 60 s", left)
		}
		cancel(why)
		<-s.Done()
		var ended *concurrency.SessionError
		if err := s.Err(); !errors.Is(err, why) || !errors.As(err, &ended) {
			t.Errorf("Err is %v", err)
		}
		if find(store, s.Key()) == nil {
			t.Error("the end of the context deleted the key")
		}
		must(t, s.Close())
		if find(store, s.Key()) != nil {
			t.Error("Close did not delete the key")
		}
	})
}

func TestCloseSaysWhatItCouldNotDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 60)
		m := concurrency.NewMutex(s, "/lock")
		must(t, m.Lock(keystest.As(t.Context(), "a")))
		lock := m.Key()
		store.CutOff("a", keystest.HangsUnsent)
		began := time.Now()
		err := s.Close()
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("Close took %v", took)
		}
		for _, key := range []string{s.Key(), lock} {
			if err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%v does not name %s", err, key)
			}
		}
		var op *concurrency.OpError
		if !errors.As(err, &op) || op.Op != "delete" {
			t.Errorf("%v is no OpError", err)
		}
		store.Reconnect("a")
		must(t, s.Close())
		if left := len(keysBelow(store, "")); left != 0 {
			t.Errorf("%d keys are left", left)
		}
		deletes := store.Requests(keystest.OpDelete)
		must(t, s.Close())
		if again := store.Requests(keystest.OpDelete); again != deletes {
			t.Errorf("a third Close sent %d requests", again-deletes)
		}
	})
}
