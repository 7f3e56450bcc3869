package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// TestQueueRandom has producers and workers use a queue while requests fail,
// workers are cut off and killed, and history is lost. In the end every item has
// been acknowledged once, and worked on at least once, and by two at a time only
// where the session of one had ended.
func TestQueueRandom(t *testing.T) {
	for _, c := range []struct {
		name    string
		odds    int // one of so many requests fails
		killers bool
		history int
	}{
		{name: "calm"},
		{name: "faults", odds: 5},
		{name: "losses of history", odds: 20, history: 10},
		{name: "deaths", killers: true},
		{name: "all", odds: 6, killers: true, history: 30},
	} {
		for range 6 {
			t.Run(c.name, func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				synctest.Test(t, func(t *testing.T) {
					store := keystest.New()
					store.History = c.history
					m := &queueModel{
						t: t, store: store, odds: c.odds, rand: rand.New(rand.NewPCG(seed, 0)), killers: c.killers,
						wanted: map[string]bool{}, items: map[uint64]*itemStory{},
					}
					m.run()
				})
			})
		}
	}
}

const (
	queueProducers    = 3
	queueWorkers      = 5
	itemsPerProducer  = 40
	queuePatience     = time.Hour // in which all must be done
	mostRequestFaults = 3 * time.Second
)

// queueModel is what is known of a queue from outside.
type queueModel struct {
	t       *testing.T
	store   *keystest.Store
	odds    int
	killers bool

	mu         sync.Mutex // guards the fields below
	rand       *rand.Rand
	calm       bool // nothing fails any more
	wanted     map[string]bool
	items      map[uint64]*itemStory // by index
	deaths     int
	cuts       int
	deliveries int
}

// itemStory is what has become of one item.
type itemStory struct {
	value     string
	holder    *consumer // who has it, unless its session has ended
	delivered int
	died      bool // a session ended that had it
	acked     int
}

func (m *queueModel) random(n int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rand.IntN(n)
}

func (m *queueModel) pause(longest time.Duration) {
	<-time.After(time.Duration(m.random(int(longest))))
}

func (m *queueModel) fault(r keystest.Request) keystest.Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calm || m.odds == 0 || m.rand.IntN(m.odds) != 0 {
		return keystest.Fault{}
	}
	kinds := []keystest.FaultKind{keystest.AnswerLost, keystest.NeverArrives, keystest.ArrivesLate, keystest.NotSent}
	if r.Op == keystest.OpSet || r.Op == keystest.OpDelete {
		kinds = append(kinds, keystest.Hangs, keystest.HangsUnsent)
	}
	return keystest.Fault{
		Kind:  kinds[m.rand.IntN(len(kinds))],
		Delay: time.Duration(m.rand.Int64N(int64(mostRequestFaults))),
	}
}

func (m *queueModel) run() {
	m.store.Fault = m.fault
	m.store.Before = func(keystest.Request) { m.pause(20 * time.Millisecond) }
	ctx, cancel := context.WithTimeout(m.t.Context(), queuePatience)
	defer cancel()
	var producers, workers sync.WaitGroup
	for p := range queueProducers {
		producers.Go(func() { m.produce(ctx, fmt.Sprintf("producer-%d", p)) })
	}
	for w := range queueWorkers {
		workers.Go(func() { m.work(ctx, fmt.Sprintf("worker-%d", w)) })
	}
	producers.Wait()
	m.mu.Lock()
	m.calm = true
	m.mu.Unlock()
	m.drain(ctx)
	cancel()
	workers.Wait()
	<-time.After(queueTTL * time.Second) // for requests that are under way
	synctest.Wait()
	m.store.Wait()
	m.verify()
}

// session begins a session, whatever it takes; nil when ctx has ended.
func (m *queueModel) session(ctx context.Context, name string) *consumer {
	for ctx.Err() == nil {
		named := keystest.As(ctx, name)
		s, err := concurrency.NewSession(m.store, concurrency.WithTTL(queueTTL), concurrency.WithContext(context.WithoutCancel(named))) //nolint:contextcheck // it outlives ctx
		if err == nil {
			return &consumer{m.t, name, named, s, concurrency.NewQueue(s, "/q")}
		}
	}
	return nil
}

func (m *queueModel) produce(ctx context.Context, name string) {
	c := m.session(ctx, name)
	defer c.session.Orphan()
	for i := range itemsPerProducer {
		m.pause(2 * time.Second)
		value := fmt.Sprintf("%s/%d", name, i)
		m.mu.Lock()
		m.wanted[value] = true
		m.mu.Unlock()
		var id string
		err := c.within(ctx, 10*time.Second, func(ctx context.Context) (err error) {
			id, err = c.queue.Enqueue(ctx, value)
			return err
		})
		for err != nil && ctx.Err() == nil {
			err = c.within(ctx, 10*time.Second, func(ctx context.Context) error { return c.queue.EnqueueID(ctx, id, value) })
		}
	}
}

// work takes items until ctx ends, by one session after the other.
func (m *queueModel) work(ctx context.Context, name string) {
	for ctx.Err() == nil {
		c := m.session(ctx, name)
		if c == nil {
			return
		}
		for c.session.Err() == nil && ctx.Err() == nil {
			m.workOn(ctx, c)
		}
		c.session.Orphan()
		if m.random(2) == 0 {
			c.session.Close() //nolint:contextcheck // its TTL ends what is left
		}
		m.store.Reconnect(name)
	}
}

// workOn takes one item, and does one of the things that may be done with it.
func (m *queueModel) workOn(ctx context.Context, c *consumer) {
	item, err := c.queue.Dequeue(keystest.As(ctx, c.name))
	if err != nil {
		return
	}
	story := m.deliver(c, item)
	m.pause(3 * time.Second)
	switch m.choose() {
	case release:
		m.note(func() { story.holder = nil })
		item.Release(keystest.As(ctx, c.name)) // if that fails it comes back by its TTL
		return
	case die:
		c.session.Orphan()
	case isolate: // and work on
		m.store.CutOff(c.name, []keystest.FaultKind{keystest.HangsUnsent, keystest.NotSent}[m.random(2)])
		m.pause(2 * queueTTL * time.Second)
		m.store.Reconnect(c.name)
	case acknowledge:
	}
	for ctx.Err() == nil {
		err := c.within(ctx, 4*time.Second, item.Ack)
		switch {
		case err == nil:
			m.note(func() { story.holder, story.acked = nil, story.acked+1 })
			return
		case errors.Is(err, concurrency.ErrNotClaimed):
			m.note(func() { story.died = true })
			if c.session.Err() == nil {
				m.t.Errorf("the session lives, and Ack gives %v", err)
			}
			return
		}
	}
}

// workerChoice is what a worker does with an item.
type workerChoice int

const (
	acknowledge workerChoice = iota
	release
	die
	isolate
)

func (m *queueModel) choose() (choice workerChoice) {
	m.note(func() {
		switch n := m.rand.IntN(20); {
		case n < 3:
			choice = release
		case m.calm || !m.killers || n > 5:
		case n == 3:
			choice = die
			m.deaths++
		default:
			choice = isolate
			m.cuts++
		}
	})
	return choice
}

func (m *queueModel) note(what func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what()
}

// deliver notes that an item was delivered, and that nobody else has it.
func (m *queueModel) deliver(c *consumer, item *concurrency.Item) *itemStory {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deliveries++
	story := m.items[item.Index]
	if story == nil {
		story = &itemStory{value: item.Value}
		m.items[item.Index] = story
	}
	story.delivered++
	switch {
	case story.value != item.Value:
		m.t.Errorf("item %v had %q and has %q", item, story.value, item.Value)
	case story.acked > 0:
		m.t.Errorf("item %v was acknowledged and is delivered again", item)
	case story.holder != nil && story.holder.session.Err() == nil:
		m.t.Errorf("%s has item %v, and %s too", story.holder.name, item, c.name)
	}
	story.holder = c
	return story
}

// drain waits until the queue is empty.
func (m *queueModel) drain(ctx context.Context) {
	c := m.session(ctx, "drain")
	defer c.session.Orphan()
	for ctx.Err() == nil {
		if n, err := c.queue.Len(ctx); err == nil && n == 0 {
			return
		}
		<-time.After(time.Second)
	}
	m.t.Errorf("the queue is not empty after %v", queuePatience)
}

func (m *queueModel) verify() {
	m.mu.Lock()
	defer m.mu.Unlock()
	again := 0
	for index, story := range m.items {
		delete(m.wanted, story.value)
		if story.delivered > 1 {
			again++
		}
		if story.acked > 1 || story.acked == 0 && !story.died {
			m.t.Errorf("item %d, %q, was acknowledged %d times", index, story.value, story.acked)
		}
	}
	for value := range m.wanted {
		m.t.Errorf("%q was put in and never delivered", value)
	}
	m.t.Logf("%d items, %d deliveries, %d items more than once; %d workers killed, %d cut off", len(m.items), m.deliveries, again, m.deaths, m.cuts)
}
