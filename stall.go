package client

import (
	"context"
	"sync"
	"time"
)

const (
	defaultStallInterval = 2 * time.Second
	// leastStallInterval keeps short deadlines from probing what is merely a
	// round trip away.
	leastStallInterval = 100 * time.Millisecond
	// leastPatience keeps a short deadline from taking a busy machine for a dead
	// one.
	leastPatience = 250 * time.Millisecond
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
	clock    *alarmClock   // of short requests; nil: each has a timer
	prober   *prober
	// anotherIsWell reports whether an endpoint other than ep has a good pulse.
	anotherIsWell func(ctx context.Context, ep *endpoint, patience time.Duration) bool
	// suspectTheDead looks for endpoints other than ep without a pulse.
	suspectTheDead func(ep *endpoint, patience time.Duration)
}

// stallTerms say what an attempt may be given up for.
type stallTerms struct {
	reads   bool // the request changes nothing: it may leave a member without quorum
	mayMove bool // another endpoint may be asked, if there is time left for it
	streams bool // the header comes at once, or somebody holds it back

	longPoll bool // the reply may take for ever
}

// phase is what an attempt waits for.
type phase uint8

const (
	awaitsHeader phase = iota
	awaitsEvent        // a long poll whose header is there: may take for ever
	awaitsBody         // the rest of a reply that has begun
	awaitsNothing
)

// stallGuard watches one attempt. While replies come in time it is an alarm that
// does not go off, and nothing else.
type stallGuard struct {
	ctx    context.Context // the attempt's
	giveUp context.CancelCauseFunc

	// Of the attempt that is guarded now:
	guards   *stallGuards
	endpoint *endpoint
	terms    stallTerms
	overdue  time.Time     // when to leave an endpoint that is alive; zero: never
	patience time.Duration // the interval, shortened where the deadline is near

	mu    sync.Mutex // guards the fields below
	phase phase
	since time.Time // when something last came

	// One of these wakes it, at a time that is set once and not for each byte.
	clock *alarmClock // nil: the timer does
	alarm alarm
	timer *time.Timer
}

// watch makes g guard an attempt that is in phase p, for a caller with this
// context. It must be ended, and may then guard another.
func (sg *stallGuards) watch(caller context.Context, g *stallGuard, ep *endpoint, terms stallTerms, p phase) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase = p
	if sg.interval <= 0 {
		return
	}
	g.guards, g.endpoint, g.terms, g.patience, g.overdue, g.since = sg, ep, terms, sg.interval, time.Time{}, time.Now()
	if deadline, ok := caller.Deadline(); ok {
		left := deadline.Sub(g.since)
		g.patience = min(g.patience, max(left/stallShare, leastStallInterval))
		if terms.mayMove {
			g.overdue = g.since.Add(left / 2)
		}
	}
	// Long polls, of which there may be many, do go off.
	if g.clock = sg.clock; terms.longPoll {
		g.clock = nil
	}
	g.wakeAfter(g.tolerance(p))
}

// wakeAfter makes the guard look after a time. The caller holds mu.
func (g *stallGuard) wakeAfter(d time.Duration) {
	switch {
	case g.clock != nil:
		if g.alarm.wake == nil {
			g.alarm.wake = g.look
		}
		g.clock.set(&g.alarm, time.Now().Add(d))
	case g.timer == nil:
		g.timer = time.AfterFunc(d, g.look)
	default:
		g.timer.Reset(d)
	}
}

// enter says what the attempt waits for from now on, and that something came.
// The alarm is left alone: when it goes off, how long that is ago is looked at.
func (g *stallGuard) enter(p phase) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase, g.since = p, time.Now()
}

// end ends the guard, and reports whether it may guard another attempt: not when
// it is looking at this one.
func (g *stallGuard) end() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.phase = awaitsNothing
	switch {
	case g.guards == nil:
		return true // it has never guarded
	case g.clock != nil:
		return g.clock.unset(&g.alarm)
	default:
		return g.timer.Stop()
	}
}

// tolerance is how long nothing may come in a phase.
func (g *stallGuard) tolerance(p phase) time.Duration {
	switch p {
	case awaitsEvent:
		return quietPollFactor * g.guards.interval
	case awaitsBody:
		// Not shortened by the deadline: that the reply has begun speaks for
		// the endpoint.
		return g.guards.interval
	default:
		return g.patience
	}
}

// look runs when nothing may have come for too long.
func (g *stallGuard) look() {
	waitsFor, silent := g.silence()
	if waitsFor == awaitsNothing {
		return
	}
	if silent < g.tolerance(waitsFor) && !g.isOverdue(waitsFor) {
		g.lookAgain(waitsFor, g.tolerance(waitsFor)-silent)
		return
	}
	if reason := g.verdict(waitsFor); reason != nil {
		g.abandon(waitsFor, reason)
	}
	after := g.tolerance(waitsFor)
	if left := time.Until(g.overdue); waitsFor == awaitsHeader && left > 0 {
		after = min(after, left)
	}
	g.lookAgain(waitsFor, after)
}

// isOverdue reports whether another endpoint should get its chance.
func (g *stallGuard) isOverdue(waitsFor phase) bool {
	return waitsFor == awaitsHeader && !g.overdue.IsZero() && !time.Now().Before(g.overdue)
}

// verdict gives the reason to give the attempt up, or nil to wait on.
func (g *stallGuard) verdict(waitsFor phase) error {
	if waitsFor == awaitsBody {
		return ErrStalled
	}
	if waitsFor == awaitsHeader && !g.overdue.IsZero() {
		g.guards.suspectTheDead(g.endpoint, g.patience)
	}
	switch g.guards.prober.ask(g.ctx, g.endpoint, max(g.patience, leastPatience)) {
	case pulseNone:
		return ErrStalled
	case pulseNoQuorum:
		if g.terms.reads && g.guards.anotherIsWell(g.ctx, g.endpoint, g.patience) {
			return ErrNoQuorum
		}
	case pulseGood, pulseStranger, pulseUnasked:
	}
	switch {
	case g.isOverdue(waitsFor):
		return ErrOverdue
	case g.terms.streams && waitsFor == awaitsHeader:
		return errPollRemade
	}
	return nil
}

func (g *stallGuard) silence() (phase, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.phase, time.Since(g.since)
}

// abandon gives the attempt up, unless what it waited for has come meanwhile.
func (g *stallGuard) abandon(waitedFor phase, reason error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.phase == waitedFor {
		g.giveUp(reason)
	}
}

// lookAgain sets the alarm for the next look, unless the attempt is over.
func (g *stallGuard) lookAgain(waitedFor phase, after time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch g.phase {
	case awaitsNothing:
	case waitedFor:
		g.wakeAfter(after)
	default: // it has gone on while the endpoint was asked
		g.wakeAfter(g.tolerance(g.phase))
	}
}
