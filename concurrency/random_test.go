package concurrency_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

var (
	seeds = flag.Int("seeds", 60, "how many random runs there are")
	seed  = flag.Uint64("seed", 0, "the only random run there is; 0: all")
)

// Several programs, each with sessions one after the other, take a lock and lead an
// election, while requests fail at random, programs are cut off, and sessions are
// closed, orphaned and lost. There is one holder at a time at any time, fences
// rise, everybody gets on, and nothing is left.
func TestRandomly(t *testing.T) {
	for n := uint64(1); n <= uint64(*seeds); n++ {
		if *seed != 0 {
			n = *seed
		}
		t.Run(fmt.Sprintf("seed %d", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := keystest.New()

				newModel(t, store, n).run()
			})
		})
		if *seed != 0 {
			return
		}
	}
}

type model struct {
	t      *testing.T
	store  *keystest.Store
	lock   *register
	leader *register

	mu     sync.Mutex // guards the fields below
	random *rand.Rand
	calm   bool
}

func newModel(t *testing.T, store *keystest.Store, seed uint64) *model {
	t.Helper()
	m := &model{
		t: t, store: store, random: rand.New(rand.NewPCG(seed, 0)),
		lock: &register{t: t}, leader: &register{t: t},
	}
	store.Fault = m.fault
	return m
}

func (m *model) intN(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.random.IntN(n)
}

// fault fails each twelfth request.
func (m *model) fault(r keystest.Request) keystest.Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calm || m.random.IntN(12) > 0 || r.Caller == "" {
		return keystest.Fault{}
	}
	return keystest.Fault{
		Kind:  keystest.FaultKind(1 + m.random.IntN(int(keystest.NotSent))),
		Delay: []time.Duration{time.Millisecond, 100 * time.Millisecond, 3 * time.Second, 20 * time.Second}[m.random.IntN(4)],
	}
}

const (
	modelTTL  = 12 * time.Second
	modelTime = 5 * time.Minute
)

func (m *model) run() {
	var all sync.WaitGroup
	end := time.Now().Add(modelTime)
	for i := range 4 {
		name := fmt.Sprintf("program %d", i)
		all.Go(func() {
			for time.Now().Before(end) {
				m.program(name, end)
			}
		})
	}
	all.Go(func() { m.cutOff(end) })
	all.Wait()
	m.store.Wait()
	pass(modelTTL + time.Second)
	if left := keysBelow(m.store, ""); len(left) > 0 {
		m.t.Errorf("left: %v", left)
	}
	if len(m.lock.order) < 10 || len(m.leader.order) < 10 {
		m.t.Errorf("%d turns of the lock and %d of the election are too few to prove anything", len(m.lock.order), len(m.leader.order))
	}
	m.mu.Lock()
	m.calm = true
	m.mu.Unlock()
	// In calm weather everybody gets what he wants at once.
	s := begin(m.t, m.store, "the last", int(modelTTL/time.Second))
	must(m.t, concurrency.NewMutex(s, "/lock").TryLock(m.t.Context()))
	must(m.t, concurrency.NewElection(s, "/leader").Campaign(m.t.Context(), "the last"))
	must(m.t, s.Close())
}

// cutOff cuts programs off, one after the other.
func (m *model) cutOff(end time.Time) {
	for time.Now().Before(end) {
		name := fmt.Sprintf("program %d", m.intN(4))
		m.store.CutOff(name, []keystest.FaultKind{keystest.HangsUnsent, keystest.NotSent}[m.intN(2)])
		pass(time.Duration(m.intN(16)) * time.Second)
		m.store.Reconnect(name)
		pass(time.Duration(m.intN(10)) * time.Second)
	}
}

// program is the life of one session.
func (m *model) program(name string, end time.Time) {
	ctx := keystest.As(context.Background(), name)
	s, err := concurrency.NewSession(m.store, concurrency.WithTTL(int(modelTTL/time.Second)), concurrency.WithContext(ctx))
	if err != nil {
		pass(time.Second)
		return
	}
	life := time.Now().Add(time.Duration(20+m.intN(100)) * time.Second)
	if life.After(end) {
		life = end
	}
	var all sync.WaitGroup
	mutex, election := concurrency.NewMutex(s, "/lock"), concurrency.NewElection(s, "/leader")
	for s.Err() == nil && time.Now().Before(life) {
		all.Go(func() { m.useLock(ctx, name, s, mutex) })
		all.Go(func() { m.lead(ctx, name, s, election) })
		all.Wait()
	}
	switch m.intN(3) {
	case 0:
		s.Orphan()
	default:
		for range 3 {
			if s.Close() == nil {
				break
			}
		}
	}
}

func (m *model) allowed(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(m.intN(20_000))*time.Millisecond)
}

// stay is inside for a while, or until the session ends.
func (m *model) stay(s *concurrency.Session, r *register, name string) {
	select {
	case <-s.Done():
	case <-time.After(time.Duration(m.intN(2000)) * time.Millisecond):
	}
	r.exit(name)
}

func (m *model) useLock(ctx context.Context, name string, s *concurrency.Session, mutex *concurrency.Mutex) {
	take, cancel := m.allowed(ctx)
	defer cancel()
	var err error
	if m.intN(4) == 0 {
		err = mutex.TryLock(take)
	} else {
		err = mutex.Lock(take)
	}
	if !m.expected(ctx, s, err, concurrency.ErrLocked) || err != nil {
		pass(100 * time.Millisecond)
		return
	}
	if fence := mutex.Fence(); fence > 0 {
		m.lock.enter(name, fence)
		m.stay(s, m.lock, name)
	}
	give, cancel := m.allowed(ctx)
	defer cancel()
	m.expected(ctx, s, mutex.Unlock(give))
}

func (m *model) lead(ctx context.Context, name string, s *concurrency.Session, e *concurrency.Election) {
	take, cancel := m.allowed(ctx)
	defer cancel()
	if err := e.Campaign(take, name); !m.expected(ctx, s, err) || err != nil {
		pass(100 * time.Millisecond)
		return
	}
	if rev := e.Rev(); rev > 0 {
		m.leader.enter(name, rev)
		m.stayAndProclaim(ctx, name, s, e)
	}
	give, cancel := m.allowed(ctx)
	defer cancel()
	m.expected(ctx, s, e.Resign(give))
}

func (m *model) stayAndProclaim(ctx context.Context, name string, s *concurrency.Session, e *concurrency.Election) {
	defer m.stay(s, m.leader, name)
	val := fmt.Sprintf("%s says %d", name, m.intN(10))
	give, stop := m.allowed(ctx)
	defer stop()
	err := e.Proclaim(give, val)
	if !m.expected(ctx, s, err) || err != nil {
		return
	}
	read, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	leader, err := e.Leader(read)
	if err == nil && s.Err() == nil && leader.Node.Value != val {
		m.t.Errorf("%s proclaimed %q, the leader is %v with %q", name, val, leader.Node, leader.Node.Value)
	}
}

// expected reports whether an error may come: the context's, that of a session that
// has ended, or one of others.
func (m *model) expected(ctx context.Context, s *concurrency.Session, err error, others ...error) bool {
	if err == nil || isBare(err, context.DeadlineExceeded) || errors.Is(err, concurrency.ErrSessionExpired) && s.Err() != nil {
		return true
	}
	var op *concurrency.OpError
	if errors.As(err, &op) && (op.Op == "unlock" || op.Op == "resign") {
		return true // the TTL has passed without an answer
	}
	for _, other := range others {
		if errors.Is(err, other) {
			return true
		}
	}
	m.t.Errorf("%v: unexpected error %v (session: %v)", ctx, err, s.Err())
	return false
}
