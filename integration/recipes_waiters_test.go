package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/integration/harness"
)

// waitForLine waits until so many are in the line of a lock, and returns their
// indexes, the first one's first.
func waitForLine(t *testing.T, kapi client.KeysAPI, lock string, n int) (indexes []uint64) {
	t.Helper()
	ctx := within(t, recovery)
	harness.WaitFor(t, recovery, func() error {
		resp, err := kapi.Get(ctx, lock, &client.GetOptions{Quorum: true, Sort: true})
		if err != nil {
			return err
		}
		indexes = nil
		for _, e := range resp.Node.Nodes {
			indexes = append(indexes, e.CreatedIndex)
		}
		if len(indexes) != n {
			return fmt.Errorf("%d are in the line, not %d", len(indexes), n)
		}
		return nil
	})
	return indexes
}

// waitIn waits in a goroutine for each session until that has had the lock.
func waitIn(ctx context.Context, t *testing.T, sessions []*concurrency.Session, lock string, store *fencedStore) (served *sync.WaitGroup) {
	t.Helper()
	served = &sync.WaitGroup{}
	for i, s := range sessions {
		served.Go(func() {
			m := concurrency.NewMutex(s, lock)
			if err := m.Lock(ctx); err != nil {
				t.Errorf("waiter %d: %v", i, err)
				return
			}
			h := &holder{name: fmt.Sprint(i), fence: m.Fence(), err: s.Err}
			if store.enter(h) {
				store.leave(h)
			}
			if err := m.Unlock(ctx); err != nil {
				t.Errorf("waiter %d: %v", i, err)
			}
		})
	}
	return served
}

func TestFiftyWaitersOfOneLock(t *testing.T) {
	const waiters = 50
	scenarios := map[string]func(t *testing.T, c *harness.Cluster) (end func()){
		"undisturbed":           func(*testing.T, *harness.Cluster) func() { return func() {} },
		"connections are reset": resetAgainAndAgain,
	}
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi := freshKeys(t, c)
		sessions := make([]*concurrency.Session, waiters)
		for i := range sessions {
			sessions[i] = newSession(t, freshKeys(t, c), 60)
		}
		for name, disturb := range scenarios {
			t.Run(name, func(t *testing.T) {
				lock, store := uniqueKey("lock"), newFencedStore()
				first := concurrency.NewMutex(newSession(t, kapi, 60), lock)
				check(t, first.Lock(within(t, callTimeout)))
				served := waitIn(within(t, 2*recovery), t, sessions, lock, store)
				line := waitForLine(t, kapi, lock, 1+waiters)
				reads, deletes := keyPath(http.MethodGet, lock), keyPath(http.MethodDelete, lock)
				_, before := askedFor(c, reads)
				end := disturb(t, c)
				took := timed(func() {
					check(t, first.Unlock(within(t, callTimeout)))
					served.Wait()
				})
				end()
				store.conclude(t)
				if !slices.Equal(store.order, line[1:]) {
					t.Errorf("they came in as %d, and queued as %d", store.order, line[1:])
				}
				_, after := askedFor(c, reads)
				_, deleted := askedFor(c, deletes)
				perTurn := float64(after-before) / waiters
				t.Logf("%d turns in %v: %.1f reads and %.1f deletes for each", waiters, took.Round(time.Millisecond), perTurn, float64(deleted)/waiters)
				// Were all of the line to look at each turn, it would be 25 on average.
				if name == "undisturbed" && perTurn > 6 {
					t.Errorf("%.1f reads for each turn", perTurn)
				}
			})
		}
	})
}

// resetAgainAndAgain resets the connections to one member after the other.
func resetAgainAndAgain(t *testing.T, c *harness.Cluster) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ctx.Err() == nil; i++ {
			c.Member(i % len(c.Members())).Proxy().Reset()
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}
