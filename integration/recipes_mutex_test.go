package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
)

// A contender wants a lock again and again.
type contender struct {
	*participant
	lock  string
	store *fencedStore
	gone  int // locks whose context ended
}

// contend takes the lock again and again until stop is closed, and once more
// after that.
func (c *contender) contend(ctx context.Context, stop <-chan struct{}) error {
	for {
		if _, err := c.once(ctx, c.patience()); err != nil {
			return err
		}
		select {
		case <-stop:
			return c.finish(ctx)
		default:
		}
	}
}

// patience is short now and then: who gives up leaves the line.
func (c *contender) patience() time.Duration {
	if rand.IntN(3) == 0 {
		return time.Duration(rand.IntN(300)) * time.Millisecond
	}
	return recovery
}

// finish takes the lock once more, for which everybody who was before may have
// to be forgotten first.
func (c *contender) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	for {
		if entered, err := c.once(ctx, recovery); entered || err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s did not get the lock when all was well again", c.name)
		}
	}
}

// once tries to have the lock, and uses it. The end of the session is no error,
// nor is that of the patience.
func (c *contender) once(ctx context.Context, patience time.Duration) (entered bool, err error) {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m := concurrency.NewMutex(c.Session, c.lock)
	err = m.Lock(limited)
	if isBare(err, context.DeadlineExceeded) {
		c.gone++
		return false, nil
	}
	if err != nil {
		return false, c.outlives(ctx, err)
	}
	h := &holder{name: c.name, fence: m.Fence(), err: c.Err}
	if h.fence != 0 { // The session may have ended since.
		entered = c.store.enter(h)
	}
	if entered {
		c.store.write(h)
		pause(rand.N(10 * time.Millisecond))
		c.store.write(h)
		c.store.leave(h)
	}
	if err := m.Unlock(ctx); err != nil && c.Err() == nil {
		return entered, err
	}
	return entered, c.outlives(ctx, c.Err())
}

func TestMutexUnderFaults(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		lock, store, stop := uniqueKey("lock"), newFencedStore(), make(chan struct{})
		all := participants(t, c, "ann", "bob", "cid", "dee", "eve")
		var wg sync.WaitGroup
		gaveUp := make([]*contender, 0, len(all))
		for _, p := range all {
			c := &contender{participant: p, lock: lock, store: store}
			gaveUp = append(gaveUp, c)
			wg.Go(func() {
				if err := c.contend(t.Context(), stop); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			})
		}
		silence := sufferFaults(t, c)
		close(stop)
		wantUnder(t, "the last turn of each", timed(wg.Wait), 2*recovery)
		store.conclude(t)
		wantSessionsToLive(t, all, silence)
		for _, p := range gaveUp {
			if p.store.stays[p.name] < 2 {
				t.Errorf("%s had the lock %d times", p.name, p.store.stays[p.name])
			}
			t.Logf("%s gave up %d times", p.name, p.gone)
		}
		wantEmpty(t, freshKeys(t, c), lock)
	})
}

// wantEmpty waits until nothing is in the directory of a lock.
func wantEmpty(t *testing.T, kapi client.KeysAPI, dir string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		resp, err := kapi.Get(ctx, dir, &client.GetOptions{Quorum: true})
		switch {
		case client.IsKeyNotFound(err):
			return nil
		case err != nil:
			return err
		case len(resp.Node.Nodes) > 0:
			return fmt.Errorf("%d entries are in the line", len(resp.Node.Nodes))
		}
		return nil
	})
}

// Every other answer to a write is lost, at all members. The sessions live for
// longer than the test, so what is left behind stays.
func TestMutexWhoseAnswersAreLost(t *testing.T) {
	const rounds = 6
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		lock, store := uniqueKey("lock"), newFencedStore()
		for _, m := range c.Members() {
			loseHalf(m, lock)
		}
		var wg sync.WaitGroup
		for _, name := range []string{"ann", "bob", "cid", "dee"} {
			c := &contender{participant: &participant{name: name, Session: newSession(t, freshKeys(t, c), 120)}, lock: lock, store: store}
			wg.Go(func() {
				for range rounds {
					_, err := c.once(t.Context(), recovery)
					_, giveUp := c.once(t.Context(), rand.N(50*time.Millisecond))
					err = errors.Join(err, giveUp, c.tryOnce(t.Context()), c.Err())
					if err != nil {
						t.Errorf("%s: %v", c.name, err)
						return
					}
				}
				t.Logf("%s gave up %d times", c.name, c.gone)
			})
		}
		wg.Wait()
		store.conclude(t)
		wantEmpty(t, freshKeys(t, c), lock)
	})
}

// tryOnce takes the lock where it is free.
func (c *contender) tryOnce(ctx context.Context) error {
	m := concurrency.NewMutex(c.Session, c.lock)
	err := m.TryLock(ctx)
	if errors.Is(err, concurrency.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	h := &holder{name: c.name, fence: m.Fence(), err: c.Err}
	if c.store.enter(h) {
		c.store.leave(h)
	}
	return m.Unlock(ctx)
}
