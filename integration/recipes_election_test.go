package integration

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/integration/harness"
)

// A candidate leads now and then, and proclaims values that nobody else does.
type candidate struct {
	*participant
	office string
	store  *fencedStore
	n      int
}

// campaign leads again and again until stop is closed, and once more after that.
func (c *candidate) campaign(ctx context.Context, stop <-chan struct{}) error {
	for {
		if _, err := c.once(ctx); err != nil {
			return err
		}
		select {
		case <-stop:
			return c.finish(ctx)
		default:
		}
	}
}

// finish leads once more.
func (c *candidate) finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	for {
		if led, err := c.once(ctx); led || err != nil {
			return err
		}
	}
}

// once leads for a moment. The end of the session is no error.
func (c *candidate) once(ctx context.Context) (led bool, err error) {
	election := concurrency.NewElection(c.Session, c.office)
	if err := election.Campaign(ctx, c.fresh()); err != nil {
		return false, c.outlives(ctx, err)
	}
	h := &holder{name: c.name, fence: election.Rev(), err: c.Err}
	if h.fence != 0 { // The session may have ended since.
		led = c.store.enter(h)
	}
	if led {
		for range rand.IntN(3) {
			if err := election.Proclaim(ctx, c.fresh()); err != nil && c.Err() == nil {
				return led, err
			}
			c.store.write(h)
		}
		c.store.leave(h)
	}
	if err := election.Resign(ctx); err != nil && c.Err() == nil {
		return led, err
	}
	return led, c.outlives(ctx, c.Err())
}

func (c *candidate) fresh() string {
	c.n++
	return fmt.Sprintf("%s %d", c.name, c.n)
}

// An observer notes what it is told of leaders.
type observer struct {
	mu     sync.Mutex // guards the fields below
	told   []*client.Node
	latest string // what was proclaimed last
}

// observe notes the leaders until the channel is closed.
func (o *observer) observe(leaders <-chan *client.Response) {
	for resp := range leaders {
		o.mu.Lock()
		o.told, o.latest = append(o.told, resp.Node), resp.Node.Value
		o.mu.Unlock()
	}
}

// conclude checks that each leader, and each value of one, was newer than the one
// before, and that none of those who led was left out. A creation that a stopped
// member carries out when it goes on may be at the head of the line until its
// owner has found it: it brings an old value, but nobody leads by it.
func (o *observer) conclude(t *testing.T, terms []uint64) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	var leader uint64
	values, late := map[string]int{}, 0
	told := map[uint64]bool{}
	for _, n := range o.told {
		if n.CreatedIndex < leader {
			t.Errorf("the leader %d came after %d", n.CreatedIndex, leader)
		}
		leader, told[n.CreatedIndex] = n.CreatedIndex, true
		var name string
		var number int
		if _, err := fmt.Sscanf(n.Value, "%s %d", &name, &number); err != nil {
			t.Errorf("the value is %q: %v", n.Value, err)
		}
		switch {
		case number > values[name]:
			values[name] = number
		case slices.Contains(terms, n.CreatedIndex):
			t.Errorf("%q came after number %d of %s", n.Value, values[name], name)
		default:
			late++
		}
	}
	for _, term := range terms {
		if !told[term] {
			t.Errorf("the observer was not told of the leader %d", term)
		}
	}
	t.Logf("the observer was told %d times of %d terms, %d times of a creation that came late", len(o.told), len(terms), late)
}

// has returns an error until the observer has come to a value.
func (o *observer) has(value string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.latest != value {
		return fmt.Errorf("the observer is at %q, and not at %q", o.latest, value)
	}
	return nil
}

func TestElectionUnderFaults(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		office, store, stop := uniqueKey("office"), newFencedStore(), make(chan struct{})
		all := participants(t, c, "ann", "bob", "cid", "dee")
		seen := &observer{}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		leaders := concurrency.NewElection(newSession(t, freshKeys(t, c), 60), office).Observe(ctx)
		var wg, watching sync.WaitGroup
		watching.Go(func() { seen.observe(leaders) })
		// Who begins to observe is told of who leads then, and not of those before.
		first := concurrency.NewElection(newSession(t, freshKeys(t, c), 60), office)
		check(t, first.Campaign(within(t, callTimeout), "first 1"))
		harness.WaitFor(t, callTimeout, func() error { return seen.has("first 1") })
		check(t, first.Resign(within(t, callTimeout)))
		for _, p := range all {
			c := &candidate{participant: p, office: office, store: store}
			wg.Go(func() {
				if err := c.campaign(t.Context(), stop); err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
			})
		}
		silence := sufferFaults(t, c)
		close(stop)
		wantUnder(t, "the last term of each", timed(wg.Wait), 2*recovery)
		store.conclude(t)
		wantSessionsToLive(t, all, silence)
		for _, p := range all {
			if n := store.stays[p.name]; n < 2 {
				t.Errorf("%s led %d times", p.name, n)
			}
		}

		kapi := freshKeys(t, c)
		wantEmpty(t, kapi, office)
		last := concurrency.NewElection(newSession(t, kapi, faultyTTL), office)
		if leader, err := last.Leader(within(t, callTimeout)); !errors.Is(err, concurrency.ErrElectionNoLeader) {
			t.Errorf("when all have resigned the leader is %v, %v", leader, err)
		}
		check(t, last.Campaign(within(t, callTimeout), "last 1"))
		check(t, last.Proclaim(within(t, callTimeout), "last 2"))
		harness.WaitFor(t, callTimeout, func() error { return seen.has("last 2") })
		leader, err := last.Leader(within(t, callTimeout))
		if got := mustResponse(t, leader, err).Node; got.Value != "last 2" || got.CreatedIndex != last.Rev() {
			t.Errorf("the leader is %+v", got)
		}
		check(t, last.Resign(within(t, callTimeout)))
		cancel()
		watching.Wait()
		seen.conclude(t, store.order)
	})
}

// The leader's program is cut off: the next one leads when it has found out.
func TestLeaderThatIsCutOff(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		office, network := uniqueKey("office"), newFaultyNetwork(t)
		session := must[*concurrency.Session](t)(concurrency.NewSession(keysBy(t, c, network), concurrency.WithTTL(dyingTTL)))
		first := concurrency.NewElection(session, office)
		check(t, first.Campaign(within(t, callTimeout), "first"))
		kapi := freshKeys(t, c)
		second := concurrency.NewElection(newSession(t, kapi, 60), office)
		leads := make(chan error, 1)
		go func() { leads <- second.Campaign(within(t, recovery), "second") }()
		waitForLine(t, kapi, office, 2)
		network.cut()
		wantUnder(t, "the next term, after the leader was cut off,", timed(func() { check(t, <-leads) }), soon)
		select {
		case <-session.Done():
		default:
			t.Error("another one leads, and the session of who was cut off is not done")
		}
		if err := first.Proclaim(within(t, time.Second), "first again"); !errors.Is(err, concurrency.ErrElectionNotLeader) {
			t.Errorf("proclaim by who was cut off: %v", err)
		}
		network.mend()
		check(t, session.Close())
		leader, err := second.Leader(within(t, callTimeout))
		if got := mustResponse(t, leader, err).Node.Value; got != "second" {
			t.Errorf("the leader is %q", got)
		}
		check(t, second.Resign(within(t, callTimeout)))
	})
}
