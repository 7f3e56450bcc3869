package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

func mustCampaign(tb testing.TB, e *concurrency.Election, val string) {
	tb.Helper()
	if err := e.Campaign(tb.Context(), val); err != nil {
		tb.Fatalf("Campaign: %v", err)
	}
}

func mustProclaim(tb testing.TB, e *concurrency.Election, val string) {
	tb.Helper()
	if err := e.Proclaim(tb.Context(), val); err != nil {
		tb.Fatalf("Proclaim: %v", err)
	}
}

func mustResign(tb testing.TB, e *concurrency.Election) {
	tb.Helper()
	if err := e.Resign(tb.Context()); err != nil {
		tb.Fatalf("Resign: %v", err)
	}
}

func wantLeader(tb testing.TB, e *concurrency.Election, val string) {
	tb.Helper()
	response, err := e.Leader(tb.Context())
	if err != nil {
		tb.Fatalf("Leader: %v", err)
	}
	if got := string(response.Kvs[0].Value); got != val {
		tb.Fatalf("the leader says %q, not %q", got, val)
	}
}

func TestElection(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		a, b := newSession(t, client), newSession(t, client)
		defer closeAll(t, a, b)
		first, second := concurrency.NewElection(a, "/vote"), concurrency.NewElection(b, "/vote")
		if _, err := first.Leader(t.Context()); err != concurrency.ErrElectionNoLeader { //nolint:errorlint // it is returned bare
			t.Errorf("Leader of nobody: %v", err)
		}
		if err := first.Proclaim(t.Context(), "x"); err != concurrency.ErrElectionNotLeader { //nolint:errorlint // it is returned bare
			t.Errorf("Proclaim before Campaign: %v", err)
		}
		mustResign(t, first) // does nothing
		if first.Key() != "" || first.Rev() != 0 || first.Header() != nil {
			t.Errorf("leader before Campaign: %q, %d, %v", first.Key(), first.Rev(), first.Header())
		}

		mustCampaign(t, first, "a")
		wantLeader(t, second, "a")
		if want := fmt.Sprintf("/vote/%x", int64(a.Lease())); first.Key() != want || first.Rev() != first.Header().Revision {
			t.Errorf("key %q, not %q; revisions %d, %d", first.Key(), want, first.Rev(), first.Header().Revision)
		}
		mustProclaim(t, first, "a2")
		wantLeader(t, second, "a2")
		if first.Header().Revision <= first.Rev() {
			t.Errorf("header of revision %d after Proclaim", first.Header().Revision)
		}
		mustCampaign(t, first, "a3") // as a leader
		wantLeader(t, second, "a3")

		waiting := started(func() error { return second.Campaign(t.Context(), "b") })
		wantWaiting(t, waiting)
		if err := second.Proclaim(t.Context(), "x"); !errors.Is(err, concurrency.ErrElectionNotLeader) {
			t.Errorf("Proclaim of a candidate: %v", err)
		}
		rev := first.Rev()
		mustResign(t, first)
		wantResult(t, waiting, nil)
		wantLeader(t, first, "b")
		if second.Rev() <= rev {
			t.Errorf("revision %d of the later leader, after %d", second.Rev(), rev)
		}
		if first.Key() != "" || first.Rev() != 0 {
			t.Errorf("leader after Resign: %q, %d", first.Key(), first.Rev())
		}
		mustResign(t, second)
		wantNoKeys(t, client, "/vote")
	})
}

func TestLeaderWhoseKeyIsDeleted(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		e := concurrency.NewElection(s, "/vote")
		for _, goOn := range []func(){
			func() {
				if err := e.Proclaim(t.Context(), "b"); !errors.Is(err, concurrency.ErrElectionNotLeader) {
					t.Errorf("Proclaim: %v", err)
				}
				if e.Key() != "" {
					t.Errorf("leader by key %q", e.Key())
				}
			},
			func() { mustCampaign(t, e, "b"); wantLeader(t, e, "b") },
		} {
			mustCampaign(t, e, "a")
			if _, err := client.Delete(t.Context(), e.Key()); err != nil {
				t.Fatal(err)
			}
			goOn()
		}
	})
}

func TestResumeElection(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		before := newSession(t, client)
		e := concurrency.NewElection(before, "/vote")
		mustCampaign(t, e, "before")
		before.Orphan()

		s := newSession(t, client, concurrency.WithLease(before.Lease()))
		defer closeAll(t, s)
		resumed := concurrency.ResumeElection(s, "/vote", e.Key(), e.Rev())
		if resumed.Key() != e.Key() || resumed.Rev() != e.Rev() {
			t.Errorf("resumed %q, %d", resumed.Key(), resumed.Rev())
		}
		mustProclaim(t, resumed, "resumed")
		wantLeader(t, e, "resumed")
		mustResign(t, resumed)
		wantNoKeys(t, client, "/vote")

		gone := concurrency.ResumeElection(s, "/vote", e.Key(), e.Rev())
		if err := gone.Proclaim(t.Context(), "x"); !errors.Is(err, concurrency.ErrElectionNotLeader) {
			t.Errorf("Proclaim by a key that is gone: %v", err)
		}
		mustCampaign(t, gone, "anew")
		wantLeader(t, e, "anew")
	})
}

// TestCampaignFindsItsKey has a program come back that did not note its key.
func TestCampaignFindsItsKey(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		before := newSession(t, client)
		e := concurrency.NewElection(before, "/vote")
		mustCampaign(t, e, "before")
		before.Orphan()
		s := newSession(t, client, concurrency.WithLease(before.Lease()))
		defer closeAll(t, s)
		again := concurrency.NewElection(s, "/vote")
		mustCampaign(t, again, "after")
		wantLeader(t, again, "after")
		if again.Rev() != e.Rev() {
			t.Errorf("revision %d, not %d", again.Rev(), e.Rev())
		}
	})
}

// TestCampaignThatFindsItsKeyAndFails is no leader.
func TestCampaignThatFindsItsKeyAndFails(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		before := newSession(t, client)
		mustCampaign(t, concurrency.NewElection(before, "/vote"), "before")
		before.Orphan()
		s := newSession(t, client, concurrency.WithLease(before.Lease()))
		defer closeAll(t, s)
		e := concurrency.NewElection(s, "/vote")
		campaigns := 0
		second := func(request any) bool {
			if puts(request) {
				campaigns++
			}
			return campaigns == 2
		}
		server.SetFault(once(second, swallow(server, time.Hour)))
		if err := e.Campaign(within(t, time.Second), "after"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Campaign: %v", err)
		}
		if e.Key() != "" {
			t.Errorf("it leads by %q", e.Key())
		}
		wantNoKeys(t, client, "/vote")
		mustCampaign(t, e, "again")
		wantLeader(t, e, "again")
	})
}

func TestProclaimOfUnknownOutcome(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		e := concurrency.NewElection(s, "/vote")
		mustCampaign(t, e, "")
		for i, fault := range []fakeetcd.Fault{loseAnswer, loseRequest, holdBack(server, time.Second)} {
			val := fmt.Sprint(i)
			server.SetFault(once(puts, fault))
			mustProclaim(t, e, val)
			wantLeader(t, e, val)
			if got := e.Header().GetRevision(); got == 0 {
				t.Errorf("header of revision %d", got)
			}
		}
		pass(time.Minute)
		wantLeader(t, e, "2")
		response, err := e.Leader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if version := response.Kvs[0].Version; version != 4 {
			t.Errorf("the key was put %d times, not 4", version)
		}
	})
}

// TestLateProclaim must not undo a later one.
func TestLateProclaim(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client)
		defer closeAll(t, s)
		e := concurrency.NewElection(s, "/vote")
		mustCampaign(t, e, "first")
		server.SetFault(once(puts, swallow(server, time.Minute)))
		if err := e.Proclaim(within(t, time.Second), "late"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Proclaim: %v", err)
		}
		mustProclaim(t, e, "second")
		pass(time.Hour)
		wantLeader(t, e, "second")

		server.SetFault(once(puts, swallow(server, time.Minute)))
		if err := e.Proclaim(within(t, time.Second), "late"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Proclaim: %v", err)
		}
		pass(time.Hour)
		wantLeader(t, e, "late") // nobody has said otherwise
		mustProclaim(t, e, "third")
		wantLeader(t, e, "third")
	})
}

func TestElectionEndsWithTheSession(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client, concurrency.WithTTL(10))
		e, other := concurrency.NewElection(s, "/vote"), concurrency.NewElection(s, "/vote")
		mustCampaign(t, e, "a")
		waiting := started(func() error { return other.Campaign(t.Context(), "b") })
		wantWaiting(t, waiting) // also of the same session
		server.Mute(true)
		wantResult(t, waiting, concurrency.ErrSessionExpired)
		if err := e.Proclaim(t.Context(), "x"); !errors.Is(err, concurrency.ErrSessionExpired) {
			t.Errorf("Proclaim: %v", err)
		}
		closeAll(t, s)
	})
}

func TestObserve(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		a, b := newSession(t, client), newSession(t, client)
		defer closeAll(t, a, b)
		first, second := concurrency.NewElection(a, "/vote"), concurrency.NewElection(b, "/vote")
		ctx, cancel := context.WithCancel(t.Context())
		seen := second.Observe(ctx)
		wantSeen := func(val, key string) {
			t.Helper()
			response, open := <-seen
			if !open || len(response.Kvs) != 1 {
				t.Fatalf("the channel is open: %t, and sent %v", open, response)
			}
			if kv := response.Kvs[0]; string(kv.Value) != val || string(kv.Key) != key {
				t.Fatalf("%q is seen at %q, not %q at %q", kv.Value, kv.Key, val, key)
			}
		}
		synctest.Wait()
		mustCampaign(t, first, "a")
		waiting := started(func() error { return second.Campaign(t.Context(), "b") })
		wantSeen("a", first.Key())
		for i := range 3 {
			mustProclaim(t, first, fmt.Sprint(i))
		}
		for i := range 3 {
			wantSeen(fmt.Sprint(i), first.Key())
		}
		server.SetFault(loseRequest) // it gets over that
		pass(10 * time.Second)
		server.SetFault(nil)
		mustResign(t, first)
		wantResult(t, waiting, nil)
		wantSeen("b", second.Key())
		mustResign(t, second)
		pass(time.Minute)
		mustCampaign(t, first, "again")
		wantSeen("again", first.Key())
		cancel()
		if response, open := <-seen; open {
			t.Errorf("after its context it has sent %v", response)
		}
	})
}

// TestObserveEndsWithTheClient has a reader that does not read.
func TestObserveEndsWithTheClient(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client)
		e := concurrency.NewElection(s, "/vote")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := e.Observe(ctx)
		synctest.Wait()
		closeAll(t, s)
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if response, open := <-seen; open {
			t.Errorf("after the client was closed it has sent %v", response)
		}
	})
}
