package client

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	defaultStallInterval = 2 * time.Second
	// leastStallInterval keeps short deadlines from probing what is merely a
	// round trip away.
	leastStallInterval = 100 * time.Millisecond
	// stallShare is the part of the time left that may be spent on finding out
	// that an endpoint is dead; the probe takes as much again, and other
	// endpoints want their time too.
	stallShare = 5
	// quietPollFactor makes quiet long polls, which are the rule, ask less often
	// than late replies, which are not.
	quietPollFactor = 2
)

// stallGuards watches attempts for endpoints that have stopped answering.
type stallGuards struct {
	interval time.Duration // 0: no guard
	prober   *prober
	// anotherIsWell reports whether an endpoint other than ep has a good pulse.
	anotherIsWell func(ctx context.Context, ep *endpoint, patience time.Duration) bool
}

// phase is what an attempt waits for.
type phase int

const (
	awaitsHeader phase = iota
	awaitsEvent        // a long poll whose header is there: may take for ever
	awaitsBody         // the rest of a reply that has begun
	awaitsNothing
)

// stallGuard watches one attempt. While replies come in time it is a timer and
// nothing else.
type stallGuard struct {
	guards   *stallGuards
	ctx      context.Context // the attempt's
	giveUp   context.CancelCauseFunc
	endpoint *endpoint
	reads    bool // the request changes nothing
	interval time.Duration

	mu    sync.Mutex // guards the fields below
	phase phase
	timer *time.Timer
}

// watch begins to guard an attempt; giveUp ends it with the reason. The guard
// must be ended. A nil guard is one that never gives up.
func (sg *stallGuards) watch(ctx context.Context, giveUp context.CancelCauseFunc, ep *endpoint, reads bool) *stallGuard {
	if sg.interval <= 0 {
		return nil
	}
	g := &stallGuard{guards: sg, ctx: ctx, giveUp: giveUp, endpoint: ep, reads: reads, interval: sg.interval}
	if deadline, ok := ctx.Deadline(); ok {
		g.interval = min(g.interval, max(time.Until(deadline)/stallShare, leastStallInterval))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(g.interval, g.look)
	return g
}

// enter says what the attempt waits for from now on.
func (g *stallGuard) enter(p phase) {
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase = p
	switch p {
	case awaitsNothing:
		g.timer.Stop()
	case awaitsEvent:
		g.timer.Reset(quietPollFactor * g.guards.interval)
	case awaitsBody:
		// Not shortened by the deadline: that the reply has begun speaks for
		// the endpoint.
		g.timer.Reset(g.guards.interval)
	case awaitsHeader:
		g.timer.Reset(g.interval)
	}
}

// end ends the guard.
func (g *stallGuard) end() { g.enter(awaitsNothing) }

// look runs when the attempt has waited for long.
func (g *stallGuard) look() {
	g.mu.Lock()
	waitsFor := g.phase
	g.mu.Unlock()
	switch waitsFor {
	case awaitsNothing:
		return
	case awaitsBody:
		g.abandon(waitsFor, ErrStalled)
		return
	case awaitsHeader, awaitsEvent:
	}
	switch g.guards.prober.ask(g.ctx, g.endpoint, g.interval) {
	case pulseNone:
		g.abandon(waitsFor, ErrStalled)
		return
	case pulseNoQuorum:
		if g.reads && g.guards.anotherIsWell(g.ctx, g.endpoint, g.interval) {
			g.abandon(waitsFor, ErrNoQuorum)
			return
		}
	case pulseGood, pulseUnasked:
	}
	g.lookAgain(waitsFor)
}

// abandon gives the attempt up, unless what it waited for has come meanwhile.
func (g *stallGuard) abandon(waitedFor phase, reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase == waitedFor {
		g.giveUp(reason)
	}
}

// lookAgain arms the timer for the next look, unless the attempt has gone on.
func (g *stallGuard) lookAgain(waitedFor phase) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase != waitedFor {
		return
	}
	if waitedFor == awaitsEvent {
		g.timer.Reset(quietPollFactor * g.guards.interval)
	} else {
		g.timer.Reset(g.interval)
	}
}

// guardedBody tells the guard of every byte that comes.
type guardedBody struct {
	io.ReadCloser
	guard *stallGuard
}

// Read implements io.Reader.
func (b *guardedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 && err == nil {
		b.guard.enter(awaitsBody)
	}
	return n, err
}
