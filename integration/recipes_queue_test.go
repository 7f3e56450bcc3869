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
	"github.com/coreos/etcd/client/integration/harness"
)

// mostOvertaken is how many jobs the queue may let one that is claimed overtake.
const mostOvertaken = 31

// A producer puts in jobs.
type producer struct {
	*participant
	jobs   string
	ledger *jobLedger
	n      int
}

// produce puts in jobs until stop is closed.
func (p *producer) produce(ctx context.Context, stop <-chan struct{}) error {
	q := concurrency.NewQueue(p.Session, p.jobs)
	for {
		if err := p.putIn(ctx, q); err != nil {
			return err
		}
		select {
		case <-stop:
			return nil
		case <-time.After(rand.N(100 * time.Millisecond)):
		}
	}
}

// putIn puts one job in, whatever it takes.
func (p *producer) putIn(ctx context.Context, q *concurrency.Queue) error {
	p.n++
	value := fmt.Sprintf("%s %d", p.name, p.n)
	id, err := q.Enqueue(ctx, value)
	doubt := err != nil
	if doubt {
		p.ledger.mayComeTwice(id)
	}
	limited, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	for err != nil && limited.Err() == nil {
		err = q.EnqueueID(limited, id, value)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", value, err)
	}
	p.ledger.putIn(id, value, doubt)
	return nil
}

// A worker takes jobs.
type worker struct {
	*participant
	jobs   string
	ledger *jobLedger
	queue  *concurrency.Queue
	dies   func() bool // whether it dies with the job that it has
}

// work takes jobs until ctx ends.
func (w *worker) work(ctx context.Context) error {
	w.queue = concurrency.NewQueue(w.Session, w.jobs)
	defer func() { w.queue.Close() }()
	for ctx.Err() == nil {
		err := w.once(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			continue
		}
		if err = w.outlives(ctx, err); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		w.queue.Close()
		w.queue = concurrency.NewQueue(w.Session, w.jobs)
	}
	return nil
}

// once takes one job.
func (w *worker) once(ctx context.Context) error {
	item, err := w.queue.Dequeue(ctx)
	if err != nil {
		return err
	}
	d := &delivery{Item: item, worker: w.name, err: w.Err}
	w.ledger.deliver(d)
	switch {
	case w.dies():
		w.ledger.finish(d, orphaned)
		w.Orphan()
		if err = w.begin(ctx); err != nil {
			return err
		}
		w.queue = concurrency.NewQueue(w.Session, w.jobs)
		return nil
	case rand.IntN(20) == 0:
		w.ledger.finish(d, givenUp)
		return item.Release(ctx)
	}
	err = item.Ack(ctx)
	switch {
	case err == nil:
		w.ledger.finish(d, acked)
	case w.Err() != nil && errors.Is(err, client.ErrOutcomeUnknown):
		w.ledger.finish(d, inDoubt)
	}
	return err
}

func TestQueueUnderFaults(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		jobs, ledger, stop := uniqueKey("jobs"), newJobLedger(), make(chan struct{})
		producers := participants(t, c, "mia", "noa")
		workers := participants(t, c, "ann", "bob", "cid", "dee")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var producing, working sync.WaitGroup
		for _, p := range producers {
			p := &producer{participant: p, jobs: jobs, ledger: ledger}
			producing.Go(func() {
				if err := p.produce(t.Context(), stop); err != nil {
					t.Error(err)
				}
			})
		}
		for _, p := range workers {
			w := &worker{participant: p, jobs: jobs, ledger: ledger, dies: oneIn(30, stop)}
			working.Go(func() {
				if err := w.work(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		silence := sufferFaults(t, c)
		close(stop)
		producing.Wait()
		wantUnder(t, "what was left to do", timed(func() { harness.WaitFor(t, recovery, ledger.open) }), recovery)
		harness.WaitFor(t, recovery, func() error { return isDrained(t, workers[0], jobs) })
		cancel()
		working.Wait()
		ledger.conclude(t)
		if n := ledger.overtaken(); n > mostOvertaken+len(workers) {
			t.Errorf("one job overtook %d others", n)
		}
		wantSessionsToLive(t, append(workers, producers...), silence)
	})
}

// oneIn is true once in n times until stop is closed.
func oneIn(n int, stop <-chan struct{}) func() bool {
	return func() bool {
		select {
		case <-stop:
			return false
		default:
			return rand.IntN(n) == 0
		}
	}
}

// isDrained returns an error while there are items. Those that were put in twice
// come after all were acknowledged.
func isDrained(t *testing.T, p *participant, jobs string) error {
	t.Helper()
	n, err := concurrency.NewQueue(newSession(t, p.kapi, faultyTTL), jobs).Len(within(t, callTimeout))
	if err == nil && n > 0 {
		err = fmt.Errorf("%d items are in the queue", n)
	}
	return err
}

// One worker gets the jobs in the order in which they were put in, though every
// other answer to a write is lost; and each once.
func TestQueueWhoseAnswersAreLost(t *testing.T) {
	const count = 15
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		jobs := uniqueKey("jobs")
		for _, m := range c.Members() {
			loseHalf(m, jobs)
		}
		kapi := freshKeys(t, c)
		q := concurrency.NewQueue(newSession(t, kapi, 120), jobs)
		defer q.Close()
		ctx := within(t, recovery)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for i := range count {
				if _, err := q.Enqueue(ctx, fmt.Sprint(i)); err != nil {
					t.Errorf("job %d: %v", i, err)
				}
			}
		})
		for i := range count {
			item := must[*concurrency.Item](t)(q.Dequeue(ctx))
			if item.Value != fmt.Sprint(i) {
				t.Fatalf("job %q is delivered when it is %d's turn", item.Value, i)
			}
			check(t, item.Ack(ctx))
		}
		if n := must[int](t)(q.Len(ctx)); n != 0 {
			t.Errorf("%d items are left", n)
		}
		wantEmpty(t, kapi, jobs+"/claims")
	})
}

// The program of a worker is cut off while it has a job: another one gets it when
// the session of the first one is done, whose Ack is refused.
func TestQueueOfAWorkerThatIsCutOff(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		jobs, network := uniqueKey("jobs"), newFaultyNetwork(t)
		ctx := within(t, recovery)
		session := must[*concurrency.Session](t)(concurrency.NewSession(keysBy(t, c, network), concurrency.WithTTL(dyingTTL)))
		first := concurrency.NewQueue(session, jobs)
		second := concurrency.NewQueue(newSession(t, freshKeys(t, c), 60), jobs)
		defer second.Close()
		id := must[string](t)(second.Enqueue(ctx, "the job"))
		item := must[*concurrency.Item](t)(first.Dequeue(ctx))
		network.cut()
		var again *concurrency.Item
		wantUnder(t, "the job, after its worker was cut off,", timed(func() {
			again = must[*concurrency.Item](t)(second.Dequeue(ctx))
		}), soon)
		select {
		case <-session.Done():
		default:
			t.Error("another one has the job, and the session of who was cut off is not done")
		}
		if again.ID != id || again.Value != "the job" || again.Index != item.Index {
			t.Errorf("delivered was %v (%q), and before that %v", again, again.Value, item)
		}
		network.mend()
		if err := item.Ack(ctx); !errors.Is(err, concurrency.ErrNotClaimed) {
			t.Errorf("ack by who was cut off: %v", err)
		}
		if n := must[int](t)(second.Len(ctx)); n != 1 {
			t.Errorf("%d items are in the queue", n)
		}
		check(t, again.Ack(ctx))
		check(t, session.Close())
		wantEmpty(t, freshKeys(t, c), jobs+"/items")
	})
}
