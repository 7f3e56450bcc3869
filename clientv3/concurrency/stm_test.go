package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

func put(tb testing.TB, client *clientv3.Client, key, val string) {
	tb.Helper()
	if _, err := client.Put(tb.Context(), key, val); err != nil {
		tb.Fatal(err)
	}
}

func wantValue(tb testing.TB, client *clientv3.Client, key, want string) {
	tb.Helper()
	response, err := client.Get(tb.Context(), key)
	if err != nil {
		tb.Fatal(err)
	}
	got := ""
	if len(response.Kvs) > 0 {
		got = string(response.Kvs[0].Value)
	}
	if got != want {
		tb.Errorf("%q is %q, not %q", key, got, want)
	}
}

func number(s concurrency.STM, key string) int {
	n, _ := strconv.Atoi(s.Get(key)) // no key is 0
	return n
}

func increment(key string) func(concurrency.STM) error {
	return func(s concurrency.STM) error {
		s.Put(key, strconv.Itoa(number(s, key)+1))
		return nil
	}
}

func TestSTMReadsAndWrites(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		put(t, client, "a", "1")
		put(t, client, "b", "2")
		response, err := concurrency.NewSTM(client, func(s concurrency.STM) error {
			if got := s.Get("a", "b", "none"); got != "1" {
				t.Errorf("Get of several: %q", got)
			}
			if s.Rev("a") != 2 || s.Rev("b") != 3 || s.Rev("none") != 0 {
				t.Errorf("revisions %d, %d, %d", s.Rev("a"), s.Rev("b"), s.Rev("none"))
			}
			s.Put("a", "changed")
			s.Del("b")
			s.Put("new", "old")
			s.Put("new", "new")
			if s.Get("a") != "changed" || s.Get("b") != "" || s.Get("new") != "new" || s.Get() != "" {
				t.Errorf("what was written is not read: %q, %q, %q", s.Get("a"), s.Get("b"), s.Get("new"))
			}
			if s.Rev("a") != 2 || s.Rev("new") != 0 {
				t.Errorf("revisions after Put: %d, %d", s.Rev("a"), s.Rev("new"))
			}
			return nil
		})
		if err != nil || !response.Succeeded || response.Header.Revision != 4 {
			t.Fatalf("%v, %v", response, err)
		}
		wantValue(t, client, "a", "changed")
		wantValue(t, client, "b", "")
		wantValue(t, client, "new", "new")
	})
}

func TestSTMThatWritesNothing(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		put(t, client, "a", "1")
		refused := errors.New("refused")
		if _, err := concurrency.NewSTM(client, func(s concurrency.STM) error { s.Put("a", "2"); return refused }); err != refused { //nolint:errorlint // it is returned bare
			t.Errorf("error of the function: %v", err)
		}
		func() {
			defer func() {
				if reason := recover(); reason != "boom" {
					t.Errorf("panicked by %v", reason)
				}
			}()
			concurrency.NewSTM(client, func(s concurrency.STM) error { s.Put("a", "2"); panic("boom") })
		}()
		_, err := concurrency.NewSTM(client, func(s concurrency.STM) error {
			defer func() { recover() }() // must not make the transaction go on
			s.Put("a", "2")
			s.Get("")
			return nil
		})
		if !errors.Is(err, rpctypes.ErrEmptyKey) {
			t.Errorf("Get of no key: %v", err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err = concurrency.NewSTM(client, increment("a"), concurrency.WithAbortContext(ended)); err != context.Canceled { //nolint:errorlint // it is returned bare
			t.Errorf("with a context that has ended: %v", err)
		}
		_, err = concurrency.NewSTM(client, increment("a"), concurrency.WithIsolation(7))
		if err == nil {
			t.Error("an unknown isolation is taken")
		}
		wantValue(t, client, "a", "1")
		if response, err := concurrency.NewSTM(client, func(concurrency.STM) error { return nil }); err != nil || !response.Succeeded {
			t.Errorf("a function that does nothing: %v, %v", response, err)
		}
	})
}

// TestSTMConflicts has another write the keys between read and commit.
func TestSTMConflicts(t *testing.T) {
	for _, test := range []struct {
		isolation                concurrency.Isolation
		read, written, unrelated int    // how often the function is called
		second                   string // what is read second, of an old and a new value
	}{
		{concurrency.SerializableSnapshot, 2, 2, 1, "old"},
		{concurrency.Serializable, 2, 1, 1, "old"},
		{concurrency.RepeatableReads, 2, 1, 1, "new"},
		{concurrency.ReadCommitted, 1, 1, 1, "new"},
	} {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			client := t.Client
			// calls counts the calls of a function during the first of which a key is changed.
			calls := func(changed string) int {
				n := 0
				_, err := concurrency.NewSTM(client, func(s concurrency.STM) error {
					n++
					s.Get("read")
					s.Put("written", "by the transaction")
					if n == 1 {
						put(t, client, changed, "by another")
					}
					return nil
				}, concurrency.WithIsolation(test.isolation))
				if err != nil {
					t.Fatal(err)
				}
				wantValue(t, client, "written", "by the transaction")
				return n
			}
			for changed, want := range map[string]int{"read": test.read, "written": test.written, "unrelated": test.unrelated} {
				if got := calls(changed); got != want {
					t.Errorf("isolation %d, %s key changed: %d calls, not %d", test.isolation, changed, got, want)
				}
			}

			put(t, client, "second", "old")
			first := true
			_, err := concurrency.NewSTM(client, func(s concurrency.STM) error {
				s.Get("read")
				if first {
					first = false
					put(t, client, "second", "new")
					if got := s.Get("second"); got != test.second {
						t.Errorf("isolation %d: the second read has %q, not %q", test.isolation, got, test.second)
					}
					put(t, client, "read", "another time")
					if got := s.Get("read"); got == "another time" {
						t.Errorf("isolation %d: a read is not repeatable", test.isolation)
					}
				}
				return nil
			}, concurrency.WithIsolation(test.isolation))
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestBank moves money between accounts, of which there must be as much as before.
func TestBank(t *testing.T) {
	const accounts, each, tellers, transfers = 5, 100, 8, 30
	account := func(i int) string { return "account/" + strconv.Itoa(i) }
	for name, bank := range map[string]func(context.Context, *clientv3.Client, func(concurrency.STM) error) (*clientv3.TxnResponse, error){
		"snapshot": func(ctx context.Context, c *clientv3.Client, f func(concurrency.STM) error) (*clientv3.TxnResponse, error) {
			return concurrency.NewSTM(c, f, concurrency.WithAbortContext(ctx))
		},
		"serializable": concurrency.NewSTMSerializable,
		"repeatable":   concurrency.NewSTMRepeatable,
	} {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			server, client := t.Server, t.Client
			for i := range accounts {
				put(t, client, account(i), strconv.Itoa(each))
			}
			server.SetFault(func(_ context.Context, _ any, do func() (any, error)) (any, error) {
				pass(rand.N(10 * time.Millisecond))
				return do()
			})
			sum := func(s concurrency.STM) int {
				total := 0
				for i := range accounts {
					total += number(s, account(i))
				}
				return total
			}
			var working sync.WaitGroup
			var conflicts atomic.Int64
			for range tellers {
				working.Go(func() {
					for range transfers {
						from, to := rand.IntN(accounts), rand.IntN(accounts)
						calls := 0
						_, err := bank(t.Context(), client, func(s concurrency.STM) error {
							calls++
							amount := min(rand.IntN(50), number(s, account(from)))
							s.Put(account(from), strconv.Itoa(number(s, account(from))-amount))
							s.Put(account(to), strconv.Itoa(number(s, account(to))+amount))
							if total := sum(s); total != accounts*each && name != "repeatable" {
								t.Errorf("%s: the transaction sees %d", name, total)
							}
							return nil
						})
						if err != nil {
							t.Error(err)
						}
						conflicts.Add(int64(calls - 1))
					}
				})
			}
			working.Wait()
			server.SetFault(nil)
			if _, err := bank(t.Context(), client, func(s concurrency.STM) error {
				if total := sum(s); total != accounts*each {
					t.Errorf("%s: there are %d, not %d", name, total, accounts*each)
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			if conflicts.Load() == 0 {
				t.Errorf("%s: there was no conflict, so nothing was tested", name)
			}
		})
	}
}

// TestSTMOfUnknownOutcome is never done twice, and says so.
func TestSTMOfUnknownOutcome(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		for _, test := range []struct {
			fault   fakeetcd.Fault
			timeout bool
			want    string
		}{
			{loseAnswer, false, "1"},
			{loseRequest, false, "0"},
			{holdBack(server, time.Second), false, "1"},
			{swallow(server, time.Minute), true, "1"},
		} {
			put(t, client, "n", "0")
			server.SetFault(once(puts, test.fault))
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			_, err := concurrency.NewSTM(client, increment("n"), concurrency.WithAbortContext(ctx))
			cancel()
			if !errors.Is(err, concurrency.ErrOutcomeUnknown) {
				t.Errorf("%v", err)
			}
			if errors.Is(err, context.DeadlineExceeded) != test.timeout {
				t.Errorf("reason of %v", err)
			}
			pass(time.Hour)
			wantValue(t, client, "n", test.want)
		}
	})
}

// TestLateCommitConflicts has a commit come after the one that followed it.
func TestLateCommitConflicts(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		server.SetFault(once(puts, holdBack(server, time.Minute)))
		if _, err := concurrency.NewSTM(client, increment("n")); !errors.Is(err, concurrency.ErrOutcomeUnknown) {
			t.Errorf("%v", err)
		}
		if _, err := concurrency.NewSTM(client, increment("n")); err != nil {
			t.Error(err)
		}
		pass(time.Hour)
		wantValue(t, client, "n", "1")
	})
}

// TestSTMGetsOverACompaction of the revision that it reads at.
func TestSTMGetsOverACompaction(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		put(t, client, "a", "1")
		calls := 0
		_, err := concurrency.NewSTM(client, func(s concurrency.STM) error {
			calls++
			s.Get("b")
			if calls == 1 {
				put(t, client, "c", "1")
				if _, err := client.Compact(t.Context(), 3); err != nil {
					t.Fatal(err)
				}
			}
			s.Put("a", s.Get("a")+"2")
			return nil
		})
		if err != nil || calls != 2 {
			t.Errorf("%d calls, %v", calls, err)
		}
		wantValue(t, client, "a", "12")
	})
}

func TestPrefetchSavesRequests(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		var names []string
		for i := range 300 { // more than a server takes at a time
			names = append(names, fmt.Sprintf("key/%d", i))
		}
		var requests, largest atomic.Int64
		server.SetFault(func(_ context.Context, request any, do func() (any, error)) (any, error) {
			requests.Add(1)
			largest.Store(max(largest.Load(), int64(len(request.(*pb.TxnRequest).Success))))
			return do()
		})
		_, err := concurrency.NewSTM(client, func(s concurrency.STM) error {
			for _, name := range names {
				s.Get(name)
			}
			return nil
		}, concurrency.WithPrefetch(names...), concurrency.WithPrefetch(names[0]), concurrency.WithIsolation(concurrency.ReadCommitted))
		if err != nil {
			t.Fatal(err)
		}
		if requests.Load() != 4 || largest.Load() != 128 {
			t.Errorf("%d requests of up to %d reads, not 3 of 128 and a commit", requests.Load(), largest.Load())
		}
	})
}
