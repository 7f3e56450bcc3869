package bridge

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
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/client/mirror"
)

// A taking takes what one has at a time: the fence is greater each time.
type taking func(ctx context.Context, s *concurrency.Session, dir string) (fence uint64, leave func(context.Context) error, err error)

func takeLock(ctx context.Context, s *concurrency.Session, dir string) (uint64, func(context.Context) error, error) {
	m := concurrency.NewMutex(s, dir)
	err := m.Lock(ctx)
	return m.Fence(), m.Unlock, err
}

func lead(ctx context.Context, s *concurrency.Session, dir string) (uint64, func(context.Context) error, error) {
	e := concurrency.NewElection(s, dir)
	err := e.Campaign(ctx, "here")
	return e.Rev(), e.Resign, err
}

// A fenced is what only one may use at a time.
type fenced struct {
	site
	dir  string
	take taking

	mu     sync.Mutex // guards the fields below
	inside *concurrency.Session
	fence  uint64
	stays  int
}

// enter is for who has just got it. It is false if the session has ended since.
func (f *fenced) enter(s *concurrency.Session, fence uint64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s.Err() != nil || fence == 0 {
		return false
	}
	if fence <= f.fence {
		f.Errorf("%s: the fence %d follows %d", f.dir, fence, f.fence)
	}
	if f.inside != nil && f.inside.Err() == nil {
		f.Errorf("%s: somebody comes in with the fence %d while the one of %d is inside, whose session lives", f.dir, fence, f.fence)
	}
	f.inside, f.fence = s, fence
	f.stays++
	return true
}

func (f *fenced) leave(s *concurrency.Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inside == s {
		f.inside = nil
	}
}

func (f *fenced) visits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stays
}

// A participant has one session after the other.
type participant struct {
	kapi  client.KeysAPI
	own   *concurrency.Session
	ended []error // why earlier sessions have ended
}

// begin begins a session if there is none that lives. It may fail under faults.
func (p *participant) begin() (begun bool) {
	if p.own != nil && p.own.Err() == nil {
		return true
	}
	if p.own != nil {
		p.ended = append(p.ended, p.own.Err())
		p.own.Orphan()
		p.own = nil
	}
	s, err := concurrency.NewSession(p.kapi, concurrency.WithTTL(sessionTTL))
	if err == nil {
		p.own = s
	}
	return err == nil
}

// mayFail reports whether an error may be under faults: the context has ended, or the
// session has.
func (p *participant) mayFail(err error) bool {
	return err == nil || outcomeOf(err) == unknown || errors.Is(err, concurrency.ErrSessionExpired) && p.own.Err() != nil
}

// visit takes a fenced thing once, unless its patience ends before.
func (p *participant) visit(ctx context.Context, f *fenced) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	fence, leave, err := f.take(limited, p.own, f.dir)
	if err != nil {
		if !p.mayFail(err) {
			return err
		}
		return nil
	}
	if f.enter(p.own, fence) {
		<-time.After(rand.N(10 * time.Millisecond))
		f.leave(p.own)
	}
	if err := leave(limited); !p.mayFail(err) {
		return err
	}
	return nil
}

// A workshop is a queue, and what has become of its jobs.
type workshop struct {
	site

	mu      sync.Mutex // guards the fields below
	in      map[string]int
	done    map[string]int
	perhaps map[string]int // acknowledged without an answer
}

const jobsDir = "/jobs"

// putIn puts a job in. Who is not told that it is in puts in another one.
func (w *workshop) putIn(ctx context.Context, p *participant, value string) error {
	limited, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := concurrency.NewQueue(p.own, jobsDir).Enqueue(limited, value); err != nil {
		if outcomeOf(err) == noEffect || p.mayFail(err) {
			return nil
		}
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.in[value]++
	return nil
}

// consume takes a job, and is done with it unless its session ends.
func (w *workshop) consume(ctx context.Context, p *participant) error {
	queue := concurrency.NewQueue(p.own, jobsDir)
	defer queue.Close()
	for p.own.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, callTimeout)
		err := w.consumeOne(limited, queue)
		cancel()
		if outcomeOf(err) == unknown { // Nothing is left, or nobody answers.
			return nil
		}
		if err != nil && !p.mayFail(err) {
			return err
		}
	}
	return nil
}

func (w *workshop) consumeOne(ctx context.Context, queue *concurrency.Queue) error {
	item, err := queue.Dequeue(ctx)
	if err != nil {
		return err
	}
	if rand.IntN(10) == 0 {
		return item.Release(ctx)
	}
	err = item.Ack(ctx)
	if err != nil {
		item.Release(ctx) // It does so later where it can't now.
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch outcomeOf(err) {
	case acknowledged:
		w.done[item.Value]++
	case unknown:
		w.perhaps[item.Value]++
	}
	return err
}

// left returns an error while there are jobs that nobody has done.
func (w *workshop) left(ctx context.Context, p *participant) error {
	n, err := concurrency.NewQueue(p.own, jobsDir).Len(ctx)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for value := range w.in {
		if n > 0 || w.done[value]+w.perhaps[value] == 0 {
			return fmt.Errorf("%d jobs were put in, %d are done, and %d left; %s: %d", len(w.in), len(w.done), n, value, w.done[value])
		}
	}
	return nil
}

func (w *workshop) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for value, n := range w.done {
		if n > 1 {
			w.Errorf("%s was acknowledged %d times", value, n)
		}
	}
	w.Logf("%d jobs were put in, and %d done, %d of them without an answer", len(w.in), len(w.done), len(w.perhaps))
}

// What is built on KeysAPI keeps its own promises on the bridge whatever becomes of the
// members, also where the history is compacted all the time: a lock and an election
// have one holder, whose fence is greater than those before; each job is done once; a
// mirror shows what is there.
func TestRecipesUnderFaults(t *testing.T) {
	onSites(t, 3, func(st site) {
		c, jobs := st.newCrew(), &workshop{site: st, in: map[string]int{}, done: map[string]int{}, perhaps: map[string]int{}}
		lock := &fenced{site: st, dir: "/lock", take: takeLock}
		vote := &fenced{site: st, dir: "/vote", take: lead}
		m, err := mirror.New(st.ctx, st.keys(), gardenDir, nil)
		if err != nil {
			st.Fatal(err)
		}
		defer m.Close()
		var all []*participant
		participate := func(do func(ctx context.Context, p *participant, n int) error) {
			p := &participant{kapi: st.keys()}
			all = append(all, p)
			c.work(func(ctx context.Context, n int) error {
				if !p.begin() { //nolint:contextcheck // A session outlives the call.
					return nil
				}
				return do(ctx, p, n)
			})
		}
		for i := range 2 {
			participate(func(ctx context.Context, p *participant, _ int) error { return p.visit(ctx, lock) })
			participate(func(ctx context.Context, p *participant, _ int) error { return p.visit(ctx, vote) })
			participate(func(ctx context.Context, p *participant, n int) error {
				return jobs.putIn(ctx, p, fmt.Sprintf("%d.%d", i, n))
			})
			participate(func(ctx context.Context, p *participant, _ int) error { return jobs.consume(ctx, p) })
		}
		v3, g := st.client(), newGardener(st.T, st.keys())
		c.work(g.change)
		c.work(func(ctx context.Context, _ int) error {
			if now, err := v3.Get(ctx, "now"); err == nil {
				v3.Compact(ctx, now.Header.Revision) // Another time, where it fails.
			}
			return nil
		})
		st.suffer()
		locks, votes := lock.visits(), vote.visits()
		harness.WaitFor(st.T, recovery, func() error {
			if lock.visits() < locks+2 || vote.visits() < votes+2 {
				return errors.New("there is no turn since all members are well")
			}
			return nil
		})
		c.rest()
		st.finish(all, jobs)
		st.wantMirrored(m, g.kapi)
		st.Logf("%d locks, %d leaders", lock.visits(), vote.visits())
	})
}

// finish has all jobs done, and ends the sessions.
func (st site) finish(all []*participant, jobs *workshop) {
	st.Helper()
	last := &participant{kapi: st.keys()}
	all = append(all, last)
	harness.WaitFor(st.T, recovery, func() error {
		if !last.begin() {
			return errors.New("there is no session")
		}
		if err := jobs.consume(st.ctx, last); err != nil {
			st.Fatal(err)
		}
		return jobs.left(st.ctx, last)
	})
	jobs.check()
	for _, p := range all {
		for _, err := range p.ended {
			st.Logf("a session has ended: %v", err)
		}
		if p.own != nil {
			if err := p.own.Close(); err != nil {
				st.Error(err)
			}
		}
	}
}
