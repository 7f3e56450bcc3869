package concurrency_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// Observe shows each leader and each value, in their order.
func TestObserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		ctx, cancel := context.WithCancel(t.Context())
		var elections []*concurrency.Election
		for i := range 3 {
			elections = append(elections, concurrency.NewElection(begin(t, store, fmt.Sprint(i), 30), "/leader"))
		}
		seen := elections[0].Observe(ctx) // the directory does not exist yet
		synctest.Wait()
		var got []string
		var newest uint64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r := range seen {
				if r.Index < newest {
					t.Errorf("%v comes after %d", r, newest)
				}
				newest = r.Index
				got = append(got, r.Node.Value)
			}
		}()
		var want []string
		for round := range 3 {
			for i, e := range elections {
				val := fmt.Sprintf("%d of %d", i, round)
				must(t, e.Campaign(ctx, val))
				want = append(want, val, val+"!")
				must(t, e.Proclaim(ctx, val+"!"))
				synctest.Wait()
				late := <-e.Observe(ctx)
				if late.Node.Value != val+"!" || late.Node.Key != e.Key() || late.Node.CreatedIndex != e.Rev() {
					t.Errorf("who comes later sees %v %q first", late.Node, late.Node.Value)
				}
				_, err := store.Set(ctx, "/leader/note", val, nil) // is no entry
				must(t, err)
				must(t, e.Resign(ctx))
			}
		}
		must(t, elections[1].Campaign(ctx, "gone at once"))
		_, err := store.Delete(ctx, "/leader", &client.DeleteOptions{Recursive: true, Dir: true})
		must(t, err)
		must(t, elections[2].Campaign(ctx, "after it"))
		synctest.Wait()
		cancel()
		<-done
		want = append(want, "gone at once", "after it")
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("seen\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// A receiver that slept while the history was lost sees the newest next, and not
// once more what it knows.
func TestObserveSurvivesTheLossOfHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		store.History = 10
		s := begin(t, store, "a", 30)
		e := concurrency.NewElection(s, "/leader")
		must(t, e.Campaign(t.Context(), "0"))
		ctx, cancel := context.WithCancel(keystest.As(t.Context(), "observer"))
		defer cancel()
		seen := e.Observe(ctx)
		if r := <-seen; r.Node.Value != "0" {
			t.Errorf("first is %q", r.Node.Value)
		}
		for round, last := range []string{"0", "1", "1", "2"} { // the same value may come again
			synctest.Wait()
			store.CutOff("observer", keystest.NotSent)
			must(t, e.Proclaim(t.Context(), "between"))
			must(t, e.Proclaim(t.Context(), last))
			for i := range 30 {
				_, err := store.Set(t.Context(), fmt.Sprintf("/busy/%d", i), "x", nil)
				must(t, err)
			}
			store.Reconnect("observer")
			if r := <-seen; r.Node.Value != last {
				t.Errorf("round %d: %q, want %q", round, r.Node.Value, last)
			}
		}
		synctest.Wait()
		store.CutOff("observer", keystest.NotSent)
		pass(11 * time.Second) // a renewal is no news
		for i := range 30 {
			_, err := store.Set(t.Context(), fmt.Sprintf("/busy/%d", i), "x", nil)
			must(t, err)
		}
		store.Reconnect("observer")
		pass(10 * time.Second)
		must(t, e.Proclaim(t.Context(), "news"))
		if r := <-seen; r.Node.Value != "news" {
			t.Errorf("after a renewal: %q", r.Node.Value)
		}
		cancel()
		for range seen {
		}
	})
}

// Nobody receives.
func TestObserveEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()

		e := concurrency.NewElection(begin(t, store, "a", 30), "/leader")
		must(t, e.Campaign(t.Context(), "a"))
		ctx, cancel := context.WithCancel(t.Context())
		seen := e.Observe(ctx)
		synctest.Wait()
		cancel()
		synctest.Wait()
		if _, open := <-seen; open {
			t.Error("the channel is not closed")
		}
	})
}
