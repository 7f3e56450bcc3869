package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// A fault is a fault of the member that is watched.
type fault struct {
	name  string
	begin func(t *testing.T, c *harness.Cluster, m *harness.Member) (end func())
}

// faultKinds are all the faults. Each ends with all members healthy.
func faultKinds() []fault {
	return append(silences(), fault{"killed", killed}, fault{"reset", reset})
}

// silences are those that last until the client finds out.
func silences() []fault {
	return []fault{{"stopped", stopped}, {"cut off", isolated}, {"black hole", blackHole}}
}

func killed(t *testing.T, _ *harness.Cluster, m *harness.Member) func() {
	t.Helper()
	m.Kill()
	return func() { check(t, m.Restart(t.Context())) }
}

func stopped(t *testing.T, c *harness.Cluster, m *harness.Member) func() {
	t.Helper()
	check(t, m.Stop())
	return func() { goOn(t, c, m) }
}

func isolated(t *testing.T, c *harness.Cluster, m *harness.Member) func() {
	t.Helper()
	check(t, c.Partition(m))
	return func() {
		c.Heal()
		check(t, c.WaitHealthy(t.Context()))
	}
}

func reset(_ *testing.T, _ *harness.Cluster, m *harness.Member) func() {
	m.Proxy().Reset()
	return func() { m.Proxy().Reset() }
}

// blackHole swallows what clients and the member send, and takes new connections.
// In the end the connections are reset.
func blackHole(_ *testing.T, _ *harness.Cluster, m *harness.Member) func() {
	m.Proxy().Inject(harness.Fault{Kind: harness.Stall})
	m.Proxy().Blackhole()
	return func() {
		m.Proxy().Clear()
		m.Proxy().Reset()
	}
}

// A proof is a run of watches and of a writer during faults.
type proof struct {
	*testing.T
	c         *harness.Cluster
	writer    *numberedWriter
	followers []*follower
	began     uint64 // the index before the followers were started
	rand      *rand.Rand
	rounds    []round
}

type round struct {
	fault      string
	began, end time.Time
}

// watched gives the member with the most watches, or now and then another one.
func (p *proof) watched() *harness.Member {
	members := p.c.Members()
	best := members[p.rand.IntN(len(members))]
	if p.rand.IntN(5) == 0 {
		return best
	}
	for _, m := range members {
		if openWatches([]*harness.Member{m}) > openWatches([]*harness.Member{best}) {
			best = m
		}
	}
	return best
}

// suffer makes one fault. It lasts until overcome, when that is true: until
// every watch has got past it; else for a moment.
func (p *proof) suffer(tr fault, overcome func() bool) {
	p.Helper()
	m := p.watched()
	p.writer.use(p.T, others(p.c, m))
	began := time.Now()
	end := tr.begin(p.T, p.c, m)
	defer end()
	if overcome == nil {
		pause(time.Duration(50+p.rand.IntN(1500)) * time.Millisecond)
	} else {
		p.waitUntil(overcome, "the watches did not get past the member that was "+tr.name)
	}
	p.rounds = append(p.rounds, round{tr.name, began, time.Now()})
}

// aNewEvent is true when every watch has seen something that was written after
// the call.
func (p *proof) aNewEvent() func() bool {
	writes, index := len(p.writer.all()), uint64(0)
	return func() bool {
		all := p.writer.all()
		if index == 0 && len(all) <= writes+2*writerKeys {
			return false // One that was on its way does not count; and each key has its turn.
		}
		if index == 0 {
			index = all[writes+2].index
		}
		return p.allReached(func(string) uint64 { return index })
	}
}

func (p *proof) allReached(index func(key string) uint64) bool {
	for _, f := range p.followers {
		if !f.reached(index(f.key)) {
			return false
		}
	}
	return true
}

func (p *proof) waitUntil(is func() bool, otherwise string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), callTimeout)
	defer cancel()
	err := harness.Until(ctx, func(context.Context) error {
		if is() {
			return nil
		}
		return fmt.Errorf("%s", otherwise)
	})
	if err != nil {
		for _, f := range p.followers {
			f.mu.Lock()
			p.Logf("%s is at %d, the writer at %d", f.name, f.last, p.writer.last(""))
			f.mu.Unlock()
		}
		p.Fatal(err)
	}
}

// ahead gives how far the writer is ahead of the slowest watch, in events.
func (p *proof) ahead() uint64 {
	last := p.writer.last("")
	slowest := last
	for _, f := range p.followers {
		f.mu.Lock()
		slowest = min(slowest, max(f.last, p.began)) // One from now may have seen nothing yet.
		f.mu.Unlock()
	}
	return last - slowest
}

// conclude waits until all has been seen, and checks every trail.
func (p *proof) conclude(stop func()) {
	p.Helper()
	p.writer.stop(p.T)
	p.waitUntil(func() bool { return p.allReached(p.writer.last) }, "the watches did not come to the end")
	stop()
	writes := p.writer.all()
	for _, f := range p.followers {
		for _, hole := range f.holes(writes) {
			p.Errorf("%s: %s", f.name, hole)
		}
		p.Logf("%s: %d events, %d losses, %d errors that were tried again", f.name, len(f.seen), len(f.losses), f.fails)
		for _, l := range f.losses {
			p.Logf("lost: %d to %d", l.after, l.upTo)
		}
	}
	p.Logf("%d writes acknowledged in %d tries", len(writes), p.writer.tries.Load())
	for _, r := range p.rounds {
		line := ""
		for _, f := range p.followers {
			line += fmt.Sprintf(" %v", f.longest(writes, r.began, r.end).Round(time.Millisecond))
		}
		p.Logf("%-10s for %v, longest silence:%s", r.fault, r.end.Sub(r.began).Round(time.Millisecond), line)
	}
}
