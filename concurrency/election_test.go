package concurrency_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// wantLeader checks who the leader is, by its value.
func wantLeader(t *testing.T, e *concurrency.Election, want string) {
	t.Helper()
	leader, err := e.Leader(t.Context())
	switch {
	case want == "" && !errors.Is(err, concurrency.ErrElectionNoLeader):
		t.Errorf("the leader is %v, %v; want none", leader, err)
	case want != "" && (err != nil || leader.Node.Value != want):
		t.Errorf("the leader is %v, %v; want %q", leader, err, want)
	}
}

func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		ctx := t.Context()
		a := concurrency.NewElection(begin(t, store, "a", 30), "/leader")
		b := concurrency.NewElection(begin(t, store, "b", 30), "/leader")
		wantLeader(t, a, "")
		must(t, a.Resign(ctx))
		if err := a.Proclaim(ctx, "x"); !isBare(err, concurrency.ErrElectionNotLeader) {
			t.Errorf("Proclaim without a campaign: %v", err)
		}
		if a.Key() != "" || a.Rev() != 0 {
			t.Errorf("key %q and rev %d without a campaign", a.Key(), a.Rev())
		}
		must(t, a.Campaign(ctx, "a:1"))
		wantLeader(t, b, "a:1")
		elected := make(chan error, 1)
		go func() { elected <- b.Campaign(context.Background(), "b1") }()
		synctest.Wait()
		if err := b.Proclaim(ctx, "x"); !isBare(err, concurrency.ErrElectionNotLeader) {
			t.Errorf("Proclaim while a campaign waits: %v", err)
		}
		must(t, b.Resign(ctx)) // does not end the campaign
		for _, val := range []string{"", "a 2", "a\n3", "a:1"} {
			must(t, a.Proclaim(ctx, val))
			if leader, err := b.Leader(ctx); err != nil || leader.Node.Value != val {
				t.Errorf("the leader is %v, %v; want %q", leader, err, val)
			}
		}
		pass(time.Hour) // a proclaimed key goes on being renewed
		wantLeader(t, b, "a:1")
		if n := find(store, a.Key()); n == nil || n.CreatedIndex != a.Rev() || n.TTL == 0 {
			t.Errorf("%s is %v, Rev %d", a.Key(), n, a.Rev())
		}
		first := a.Rev()
		must(t, a.Resign(ctx))
		must(t, a.Resign(ctx))
		must(t, <-elected)
		wantLeader(t, a, "b1")
		if b.Rev() <= first {
			t.Errorf("rev %d after %d", b.Rev(), first)
		}
		must(t, b.Resign(ctx))
		wantLeader(t, a, "")
		if left := keysBelow(store, "/leader"); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestCampaignOfTheLeaderProclaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		e := concurrency.NewElection(begin(t, store, "a", 30), "/leader")
		must(t, e.Campaign(t.Context(), "1"))
		key, writes := e.Key(), store.Requests(keystest.OpSet)
		must(t, e.Campaign(t.Context(), "1"))
		if n := store.Requests(keystest.OpSet) - writes; n != 0 {
			t.Errorf("%d writes for the same value", n)
		}
		must(t, e.Campaign(t.Context(), "2"))
		wantLeader(t, e, "2")
		if e.Key() != key {
			t.Errorf("the key was %s and is %s", key, e.Key())
		}
	})
}

func TestCampaignsOfOneElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		holder, e := concurrency.NewElection(begin(t, store, "b", 30), "/leader"), concurrency.NewElection(s, "/leader")
		must(t, holder.Campaign(t.Context(), "b"))
		first, cancelFirst := context.WithCancel(context.Background())
		results := make(chan error, 3)
		go func() { results <- e.Campaign(first, "1") }()
		synctest.Wait()
		second, cancelSecond := context.WithCancel(context.Background())
		go func() { results <- e.Campaign(second, "2") }()
		synctest.Wait()
		if n := len(keysBelow(store, "/leader")); n != 2 {
			t.Errorf("%d in the line, want the leader and one", n)
		}
		cancelSecond()
		if err := <-results; !isBare(err, context.Canceled) {
			t.Errorf("the second: %v", err)
		}
		go func() { results <- e.Campaign(context.Background(), "3") }()
		synctest.Wait()
		cancelFirst()
		if err := <-results; !isBare(err, context.Canceled) {
			t.Errorf("the first: %v", err)
		}
		must(t, holder.Resign(t.Context()))
		must(t, <-results)
		wantLeader(t, e, "3")
		// The gate is free again, and ends with the session.
		go func() { results <- concurrency.NewElection(s, "/leader").Campaign(context.Background(), "4") }()
		synctest.Wait()
		must(t, s.Close())
		if err := <-results; !errors.Is(err, concurrency.ErrClosed) {
			t.Errorf("a campaign when the session was closed: %v", err)
		}
	})
}

// A proclamation that was given up may come late, before the next one or after it:
// it never undoes a later one.
func TestLateProclamationUndoesNothing(t *testing.T) {
	for _, delay := range []time.Duration{2 * time.Second, 4 * time.Second, 6 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				store.Fault = func(r keystest.Request) keystest.Fault {
					if strings.HasSuffix(r.Value, "given up") {
						return keystest.Fault{Kind: keystest.Hangs, Delay: delay}
					}
					return keystest.Fault{}
				}
				s := begin(t, store, "a", 30)
				e := concurrency.NewElection(s, "/leader")
				must(t, e.Campaign(t.Context(), "old"))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := e.Proclaim(ctx, "given up"); !isBare(err, context.DeadlineExceeded) {
					t.Errorf("Proclaim: %v", err)
				}
				pass(2 * time.Second)
				for _, val := range []string{"new", "old"} {
					must(t, e.Proclaim(t.Context(), val))
					pass(2 * time.Second)
				}
				store.Wait()
				wantLeader(t, e, "old")
				pass(time.Minute)
				must(t, s.Err())
			})
		})
	}
}

func TestProclaimAfterTheLossOfTheKey(t *testing.T) {
	for name, lose := range map[string]func(store *keystest.Store, key string) error{
		"deleted": func(store *keystest.Store, key string) error {
			_, err := store.Delete(context.Background(), key, nil)
			return err
		},
		"overwritten": func(store *keystest.Store, key string) error {
			_, err := store.Set(context.Background(), key, "another's", nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				s := begin(t, store, "a", 30)
				e := concurrency.NewElection(s, "/leader")
				must(t, e.Campaign(t.Context(), "a"))
				must(t, lose(store, e.Key()))
				for range 2 {
					err := e.Proclaim(t.Context(), "x")
					if !errors.Is(err, concurrency.ErrElectionNotLeader) || !errors.Is(err, concurrency.ErrKeyLost) {
						t.Errorf("Proclaim: %v", err)
					}
				}
				if e.Key() != "" || e.Rev() != 0 {
					t.Errorf("key %q and rev %d", e.Key(), e.Rev())
				}
				if name == "overwritten" {
					wantLeader(t, e, "another's")
				}
			})
		})
	}
}

func TestElectionRefusesWhatCannotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		s := begin(t, store, "a", 30)
		e := concurrency.NewElection(s, "/leader")
		var input *client.InvalidInputError
		if err := e.Campaign(t.Context(), "\xff"); !errors.As(err, &input) {
			t.Errorf("a value that is not UTF-8: %v", err)
		}
		must(t, e.Campaign(t.Context(), "a"))
		var op *concurrency.OpError
		if err := e.Proclaim(t.Context(), "\xff"); !errors.As(err, &input) || !errors.As(err, &op) || op.Op != "proclaim" || op.Key != e.Key() {
			t.Errorf("a value that is not UTF-8: %v", err)
		}
		wantLeader(t, e, "a")
		root := concurrency.NewElection(s, "")
		if err := root.Campaign(t.Context(), "a"); !errors.As(err, &input) {
			t.Errorf("the root: %v", err)
		}
		if _, err := root.Leader(t.Context()); !errors.As(err, &input) {
			t.Errorf("the root's leader: %v", err)
		}
		if _, open := <-root.Observe(t.Context()); open {
			t.Error("the root is observed")
		}
		if err := e.Resign(nil); !errors.As(err, &input) { //nolint:staticcheck // that is what is tested
			t.Errorf("Resign without context: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := e.Leader(ctx); !isBare(err, context.Canceled) {
			t.Errorf("Leader with a context that has ended: %v", err)
		}
		store.CutOff("b", keystest.NotSent)
		if _, err := e.Leader(keystest.As(t.Context(), "b")); !errors.As(err, &op) || !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("Leader when nobody answers: %v", err)
		}
		cut, stop := context.WithTimeout(keystest.As(t.Context(), "b"), time.Second)
		defer stop()
		if err := e.Resign(cut); !isBare(err, context.DeadlineExceeded) {
			t.Errorf("Resign when nobody answers: %v", err)
		}
		must(t, e.Resign(t.Context()))
		wantLeader(t, e, "")
	})
}

func TestResumeElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		ctx := t.Context()
		old := begin(t, store, "old", 30)
		before := concurrency.NewElection(old, "/leader")
		must(t, before.Campaign(ctx, "1"))
		must(t, before.Proclaim(ctx, "2"))
		key, rev := before.Key(), before.Rev()
		old.Orphan()
		s := begin(t, store, "new", 30)
		for name, try := range map[string]struct {
			key string
			rev uint64
		}{"other key": {"/leader/1", rev}, "other rev": {key, rev + 1}} {
			if _, err := concurrency.ResumeElection(ctx, s, "/leader", try.key, try.rev); !isBare(err, concurrency.ErrElectionNotLeader) {
				t.Errorf("%s: %v", name, err)
			}
		}
		e, err := concurrency.ResumeElection(ctx, s, "/leader", key, rev)
		must(t, err)
		if e.Key() != key || e.Rev() != rev {
			t.Errorf("key %s and rev %d, want %s and %d", e.Key(), e.Rev(), key, rev)
		}
		pass(time.Hour)
		wantLeader(t, e, "2")
		must(t, e.Proclaim(ctx, "3"))
		wantLeader(t, e, "3")
		must(t, e.Resign(ctx))
		if _, err := concurrency.ResumeElection(ctx, s, "/leader", key, rev); !isBare(err, concurrency.ErrElectionNotLeader) {
			t.Errorf("a key that is gone: %v", err)
		}
		var input *client.InvalidInputError
		if _, err := concurrency.ResumeElection(ctx, s, "", key, rev); !errors.As(err, &input) {
			t.Errorf("the root: %v", err)
		}
		must(t, s.Close())
		if _, err := concurrency.ResumeElection(ctx, s, "/leader", key, rev); !errors.Is(err, concurrency.ErrClosed) {
			t.Errorf("a session that has ended: %v", err)
		}
	})
}
