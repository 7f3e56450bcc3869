package concurrency_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

var (
	seeds    = flag.Int("seeds", 40, "how many random runs there are")
	onlySeed = flag.Uint64("seed", 0, "the only random run, unless 0")
)

// TestRandomHolders has several lock, try, wait and give up, with requests that are
// lost, late, slow or not answered, and sessions that end. At the end nothing is
// left, and everybody can have the lock.
func TestRandomHolders(t *testing.T) {
	first, last := uint64(1), uint64(*seeds)
	if *onlySeed != 0 {
		first, last = *onlySeed, *onlySeed
	}
	for seed := first; seed <= last && !t.Failed(); seed++ {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			server, client := t.Server, t.Client
			run := &randomRun{t: t, server: server, client: client, random: rand.New(rand.NewPCG(seed, 0))}
			run.do()
			if t.Failed() {
				t.Logf("seed %d", seed)
			}
		})
	}
}

type randomRun struct {
	t      *fakeetcd.T
	server *fakeetcd.Server
	client *clientv3.Client

	mu     sync.Mutex // guards the fields below
	random *rand.Rand
	holder *concurrency.Session // nil for nobody
	fence  int64
	holds  int
}

func (r *randomRun) below(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.random.IntN(n)
}

func (r *randomRun) upTo(d time.Duration) time.Duration {
	return time.Duration(r.below(int(d/time.Millisecond))) * time.Millisecond
}

func (r *randomRun) fault(ctx context.Context, request any, do func() (any, error)) (any, error) {
	switch r.below(16) {
	case 0:
		return loseAnswer(ctx, request, do)
	case 1:
		return loseRequest(ctx, request, do)
	case 2:
		return holdBack(r.server, r.upTo(20*time.Second))(ctx, request, do)
	case 3:
		return swallow(r.server, r.upTo(20*time.Second))(ctx, request, do)
	case 4, 5, 6:
		pass(r.upTo(time.Second))
	}
	return do()
}

func (r *randomRun) do() {
	r.server.SetFault(r.fault)
	var working sync.WaitGroup
	for range 5 {
		working.Go(func() {
			for range 3 {
				r.session()
			}
		})
	}
	working.Wait()
	r.server.SetFault(nil)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holds == 0 {
		r.t.Error("nobody ever had the lock")
	}
	pass(2 * time.Minute) // sessions that were orphaned
	wantNoKeys(r.t, r.client, "/lock")
}

// session has two goroutines share one, and ends it one way or the other.
func (r *randomRun) session() {
	s, err := concurrency.NewSession(r.client, concurrency.WithTTL(20))
	if err != nil {
		return // by a fault
	}
	var working sync.WaitGroup
	for range 2 {
		working.Go(func() {
			m := concurrency.NewMutex(s, "/lock")
			for range 5 {
				r.round(s, m)
			}
		})
	}
	if r.below(4) == 0 {
		pass(r.upTo(40 * time.Second))
		s.Orphan()
		working.Wait()
		return
	}
	working.Wait()
	if r.below(2) == 0 { // with what was late still on its way, but without faults that are new
		pass(30 * time.Second)
		r.wantNoKeyOf(s)
	}
	s.Close()
}

// wantNoKeyOf looks for what should have been undone while the session lives.
func (r *randomRun) wantNoKeyOf(s *concurrency.Session) {
	if s.Ctx().Err() != nil {
		return
	}
	own := concurrency.NewMutex(s, "/lock")
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Hour)
	defer cancel()
	if err := own.Lock(ctx); err != nil {
		if s.Ctx().Err() == nil {
			r.t.Errorf("the lock can't be had any more: %v", err)
		}
		return
	}
	r.hold(s, own)
	own.Unlock(ctx)
}

func (r *randomRun) round(s *concurrency.Session, m *concurrency.Mutex) {
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Millisecond+r.upTo(30*time.Second))
	defer cancel()
	take := m.Lock
	if r.below(4) == 0 {
		take = m.TryLock
	}
	err := take(ctx)
	switch {
	case err == nil:
		r.hold(s, m)
		unlock, cancelUnlock := context.WithTimeout(r.t.Context(), time.Millisecond+r.upTo(5*time.Second))
		defer cancelUnlock()
		err = m.Unlock(unlock)
	case errors.Is(err, concurrency.ErrLocked):
		err = nil
	}
	if err != nil && ctx.Err() == nil && s.Ctx().Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		r.t.Errorf("with a session that is alive: %v", err)
	}
	pass(r.upTo(time.Second))
}

// hold has the lock for a while, as long as the session lives.
func (r *randomRun) hold(s *concurrency.Session, m *concurrency.Mutex) {
	r.mu.Lock()
	if r.holder != nil && r.holder.Ctx().Err() == nil {
		r.t.Error("two have the lock")
	}
	if header := m.Header(); header.GetRevision() <= r.fence {
		r.t.Errorf("fence %d after %d", header.GetRevision(), r.fence)
	} else {
		r.fence = header.GetRevision()
	}
	r.holder = s
	r.holds++
	r.mu.Unlock()
	held := time.NewTimer(r.upTo(5 * time.Second))
	defer held.Stop()
	select {
	case <-held.C:
	case <-s.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holder == s {
		r.holder = nil
	}
}
