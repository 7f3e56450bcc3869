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

func TestNewSessionFails(t *testing.T) {
	cut := func(kind keystest.FaultKind) func(store *keystest.Store) {
		return func(store *keystest.Store) { store.CutOff("a", kind) }
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for name, test := range map[string]struct {
		prepare func(store *keystest.Store)
		opts    []concurrency.SessionOption
		wants   error
		after   time.Duration
	}{
		"refused":   {prepare: cut(keystest.NotSent), wants: client.ErrClusterUnavailable, after: 10 * time.Second},
		"TTL 3":     {prepare: cut(keystest.NotSent), opts: []concurrency.SessionOption{concurrency.WithTTL(3)}, wants: client.ErrClusterUnavailable, after: 3 * time.Second},
		"ctx ended": {opts: []concurrency.SessionOption{concurrency.WithContext(ended)}, wants: context.Canceled},
		"bad key":   {opts: []concurrency.SessionOption{concurrency.WithDirectory("a/../b")}},
		"bad value": {opts: []concurrency.SessionOption{concurrency.WithValue("\xff")}},
		"no ctx":    {opts: []concurrency.SessionOption{concurrency.WithContext(nil)}}, //nolint:staticcheck // that is what is tested
		"in a file": {
			prepare: func(store *keystest.Store) {
				_, err := store.Set(context.Background(), "/_sessions", "a file", nil)
				must(t, err)
			},
			wants: client.Error{Code: client.ErrorCodeNotDir},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				if test.prepare != nil {
					test.prepare(store)
				}
				opts := append([]concurrency.SessionOption{concurrency.WithContext(keystest.As(context.Background(), "a"))}, test.opts...)
				began := time.Now()
				s, err := concurrency.NewSession(store, opts...)
				if s != nil || err == nil {
					t.Fatalf("%v, %v", s, err)
				}
				var input *client.InvalidInputError
				if test.wants == nil && !errors.As(err, &input) || test.wants != nil && !errors.Is(err, test.wants) {
					t.Errorf("error %v, want %v", err, test.wants)
				}
				if took := time.Since(began); took > test.after || took < test.after-time.Second {
					t.Errorf("it took %v, want at most %v", took, test.after)
				}
			})
		})
	}
	if _, err := concurrency.NewSession(nil); err == nil {
		t.Error("a nil KeysAPI was taken")
	}
}

// NewSession and Close get over lost answers.
func TestSessionSurvivesEachFaultOfItsOwnKey(t *testing.T) {
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				var sets, deletes atomic.Int32
				store.Fault = func(r keystest.Request) keystest.Fault {
					if r.Op == keystest.OpSet && sets.Add(1) == 1 || r.Op == keystest.OpDelete && deletes.Add(1) == 1 {
						return fault
					}
					return keystest.Fault{}
				}
				s := begin(t, store, "a", 30)
				pass(time.Minute)
				must(t, s.Close())
				store.Wait()
				for _, n := range store.Dump() {
					if !n.Dir && n.TTL == 0 {
						t.Errorf("%s is left for ever", n.Key)
					}
				}
			})
		})
	}
}

// All keys of a session are renewed in time, and not all at once.
func TestKeeperBoundsItsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		var inFlight, most atomic.Int32
		var counting atomic.Bool
		store.Before = func(r keystest.Request) {
			if r.Op != keystest.OpSet || !counting.Load() {
				return
			}
			most.Store(max(most.Load(), inFlight.Add(1)))
			pass(100 * time.Millisecond)
			inFlight.Add(-1)
		}
		s := begin(t, store, "a", 30)
		for i := range 200 {
			must(t, concurrency.NewMutex(s, fmt.Sprintf("/locks/%d", i)).Lock(t.Context()))
		}
		counting.Store(true)
		pass(5 * time.Minute)
		must(t, s.Err())
		if n := len(keysBelow(store, "/locks")); n != 200 {
			t.Errorf("%d locks are left of 200", n)
		}
		if n := most.Load(); n > 16 {
			t.Errorf("%d renewals at a time", n)
		}
		counting.Store(false)
		must(t, s.Close())
		synctest.Wait()
		if keys := keysBelow(store, ""); len(keys) != 0 {
			t.Errorf("left: %v", keys)
		}
	})
}
