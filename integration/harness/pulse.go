package harness

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// A Pulse shows how long members themselves left a question open, by plain HTTP:
// an election, or a machine that has other things to do. No client can be quicker
// than the members that are left to it, nor than the process that it runs in.
type Pulse struct {
	end       context.CancelFunc
	wg        sync.WaitGroup
	transport *http.Transport

	mu      sync.Mutex  // guards the fields below
	last    []time.Time // when each member answered last
	longest time.Duration
	pairs   time.Duration
	lag     time.Duration

	firstTerm, lastTerm uint64 // raft terms that members named; 0: none yet
}

const pulseEvery = 50 * time.Millisecond

// TakePulse asks each of the members again and again, until the pulse is read or
// ctx ends: what the cluster agrees on, or, of a single member, what it has.
func TakePulse(ctx context.Context, members []*Member) *Pulse {
	ctx, cancel := context.WithCancel(ctx)
	p := &Pulse{end: cancel, transport: &http.Transport{}, last: make([]time.Time, len(members))}
	query := "?quorum=true"
	if len(members) == 1 {
		query = ""
	}
	for i, m := range members {
		p.last[i] = time.Now()
		p.transport.TLSClientConfig = m.cluster.tlsConfig()
	}
	for i, m := range members {
		p.wg.Go(func() { p.beat(ctx, i, m.ClientURL()+"/v2/keys/"+query) })
	}
	p.wg.Go(func() { p.tick(ctx) })
	return p
}

// tick measures how late this process gets to run when a timer of its own expires.
func (p *Pulse) tick(ctx context.Context) {
	for ctx.Err() == nil {
		from := time.Now()
		select {
		case <-time.After(pulseEvery):
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		p.lag = max(p.lag, time.Since(from)-pulseEvery)
		p.mu.Unlock()
	}
}

func (p *Pulse) beat(ctx context.Context, member int, url string) {
	for ctx.Err() == nil {
		p.note(member, p.asks(ctx, url))
		select {
		case <-time.After(pulseEvery):
		case <-ctx.Done():
		}
	}
	p.note(member, false)
}

func (p *Pulse) note(member int, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.longest = max(p.longest, now.Sub(p.last[member]))
	if len(p.last) > 1 {
		latest := slices.SortedFunc(slices.Values(p.last), func(a, b time.Time) int { return b.Compare(a) })
		p.pairs = max(p.pairs, now.Sub(latest[1]))
	}
	if answered {
		p.last[member] = now
	}
}

// asks reports whether a member answers. What an election swallows is not waited
// for.
func (p *Pulse) asks(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	p.noteTerm(resp.Header.Get("X-Raft-Term"))
	return resp.StatusCode == http.StatusOK
}

func (p *Pulse) noteTerm(header string) {
	term, err := strconv.ParseUint(header, 10, 64)
	if err != nil {
		return // No reply of a member with a leader.
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.firstTerm == 0 {
		p.firstTerm = term
	}
	p.lastTerm = max(p.lastTerm, term)
}

// Lag ends the pulse and returns how late, at most, a timer of this process was.
func (p *Pulse) Lag() time.Duration {
	p.stop()
	return p.lag
}

// Terms ends the pulse and returns by how much the raft term grew: at least one for
// each election.
func (p *Pulse) Terms() uint64 {
	p.stop()
	return p.lastTerm - p.firstTerm
}

// Longest ends the pulse and returns the longest time that one of the members did
// not answer.
func (p *Pulse) Longest() time.Duration {
	p.stop()
	return p.longest
}

// Silence ends the pulse and returns the longest time that not even two of them
// answered: of three, the one that a fault befalls, and another one.
func (p *Pulse) Silence() time.Duration {
	p.stop()
	return p.pairs
}

func (p *Pulse) stop() {
	p.end()
	p.wg.Wait()
	p.transport.CloseIdleConnections()
}
