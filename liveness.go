package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	defaultStallInterval = 2 * time.Second
	// leastStallInterval keeps short deadlines from probing what is merely a
	// round trip away.
	leastStallInterval = 100 * time.Millisecond
	// shortestStallInterval is the least that Config takes: what is shorter has
	// lost its unit.
	shortestStallInterval = time.Millisecond
	// stallShare is the part of the time left that may pass before a silent
	// endpoint is probed; the probe may take as much again, and other endpoints
	// want their time too.
	stallShare = 5
	// connectionFactor is after how many intervals of silence a connection is given
	// up whose endpoint answers on others.
	connectionFactor = 2
	// mostAgain bounds the growth of that: 128 s by default.
	mostAgain = 5
	// leastLook keeps the detector from looking all the time.
	leastLook = 10 * time.Millisecond
	// idlePollFactor makes idle long polls, which are the rule, ask less often
	// than late replies, which are not.
	idlePollFactor = 2
	// lateTimer is by how much a timer must be late to show that this process did
	// not run: then what has come meanwhile is read before anything is judged.
	lateTimer = time.Second
)

var (
	// errConnectionSilent is how an attempt is given up on whose connection
	// nothing comes, while the endpoint answers probes on new ones.
	errConnectionSilent = fmt.Errorf("%w on this connection, though it answers on new ones", ErrStalled)

	// errHeaderHeldBack is how a stream of events is ended whose header does not
	// come: something in between holds replies back until they are whole.
	errHeaderHeldBack = errors.New("client: the header of the watch is held back")
)

// liveness distinguishes endpoints that are slow from endpoints that are dead.
type liveness struct {
	interval time.Duration // Config.StallInterval; 0: off
	prober   prober
	// others returns the endpoints besides ep.
	others func(ep *endpoint) []*endpoint
}

// isAnotherGood reports whether an endpoint other than ep is alive and has a
// quorum. It asks all of them at the same time.
func (l *liveness) isAnotherGood(ctx context.Context, ep *endpoint) bool {
	others := l.others(ep)
	answers := make(chan probeResult, len(others))
	for _, other := range others {
		go func() { // ends with the probe, or with ctx
			result, _ := l.prober.ask(ctx, other, 2*l.prober.timeout(other))
			answers <- result
		}()
	}
	for range others {
		if <-answers == probeGood {
			return true
		}
	}
	return false
}

// stallTerms say what an attempt may be given up for.
type stallTerms struct {
	repeatable bool // the call may be sent again though its outcome is unknown
	elsewhere  bool // there is an endpoint that has not been asked
	again      int  // how often an endpoint was asked again, for its connection was silent
}

// phase is what an attempt waits for.
type phase uint8

const (
	awaitsHeader phase = iota
	awaitsEvent        // a long poll whose header is there: may take for ever
	awaitsBody         // the rest of a reply that has begun
	awaitsNothing
)

// stallDetector watches one attempt. While replies come in time it is a timer that
// does not fire.
type stallDetector struct {
	attempt  *attempt
	ctx      context.Context // of the attempt
	terms    stallTerms
	askAfter time.Duration // the interval, shortened where the deadline is near
	moveAt   time.Time     // when to leave an endpoint that is alive; zero: never

	mu    sync.Mutex // guards the fields below
	phase phase
	since time.Time   // when something last came
	timer *time.Timer // nil: off
	due   time.Time   // when it fires
}

// start begins to watch a, which waits for its header from now on.
func (d *stallDetector) start(ctx context.Context, a *attempt, terms stallTerms, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attempt, d.ctx, d.terms, d.since = a, ctx, terms, now
	interval := a.exchange.liveness.interval
	if interval <= 0 {
		return
	}
	a.conn.health = a.endpoint.health
	d.askAfter = interval
	if deadline, ok := ctx.Deadline(); ok {
		left := deadline.Sub(now)
		d.askAfter = min(interval, max(left/stallShare, leastStallInterval))
		if half := left / 2; terms.repeatable && terms.elsewhere && !a.info.longPoll && half >= a.endpoint.health.probeTimeout() {
			d.moveAt = now.Add(half)
		}
	}
	d.setTimer(now, d.tolerance(awaitsHeader))
}

// setTimer has the detector look after a time. The caller holds mu.
func (d *stallDetector) setTimer(now time.Time, after time.Duration) {
	d.due = now.Add(after)
	if d.timer == nil {
		d.timer = time.AfterFunc(after, d.look)
	} else {
		d.timer.Reset(after)
	}
}

// enter notes that something came now, and what the attempt waits for from then on.
// The timer is left alone: when it fires, how long that is ago is looked at.
func (d *stallDetector) enter(p phase, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phase, d.since = p, now
}

// stop ends the detector, and returns how long nothing had come.
func (d *stallDetector) stop() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.phase == awaitsNothing {
		return 0
	}
	d.phase = awaitsNothing
	return time.Since(d.since)
}

// tolerance returns how long nothing may come in a phase before the endpoint is
// probed.
func (d *stallDetector) tolerance(p phase) time.Duration {
	switch p {
	case awaitsEvent:
		return idlePollFactor * d.attempt.exchange.liveness.interval
	case awaitsBody:
		// Not shortened by the deadline: that the reply has begun speaks for
		// the endpoint.
		return d.attempt.exchange.liveness.interval
	default:
		return d.askAfter
	}
}

// connectionTolerance returns how long nothing may come on a connection whose
// endpoint answers on others. It grows with each connection that is given up: a slow
// endpoint must have the time to answer.
func (d *stallDetector) connectionTolerance() time.Duration {
	return connectionFactor * d.attempt.exchange.liveness.interval << min(d.terms.again, mostAgain)
}

// look runs when nothing may have come for too long.
func (d *stallDetector) look() {
	now := time.Now()
	d.mu.Lock()
	waitsFor, since, late := d.phase, d.since, now.Sub(d.due) > lateTimer
	d.mu.Unlock()
	switch {
	case waitsFor == awaitsNothing, d.ctx.Err() != nil: // The transport has yet to return.
		return
	case late:
		d.lookAgain(waitsFor, since, d.tolerance(waitsFor))
		return
	}
	if reason := d.judge(waitsFor, since); reason != nil {
		d.giveUp(waitsFor, since, reason)
		return
	}
	d.lookAgain(waitsFor, since, d.nextLook(waitsFor, since))
}

// judge returns the reason to give the attempt up, or nil to wait on. since is when
// something last came on its connection.
func (d *stallDetector) judge(waitsFor phase, since time.Time) error {
	live, ep, info := d.attempt.exchange.liveness, d.attempt.endpoint, d.attempt.info
	now := time.Now()
	if min(now.Sub(since), ep.health.silence(now)) >= d.tolerance(waitsFor) {
		if reason := d.probe(waitsFor, since); reason != nil {
			return reason
		}
		now = time.Now()
	}
	if waitsFor != awaitsEvent && !d.moveAt.IsZero() && !now.Before(d.moveAt) {
		return ErrOverdue
	}
	// From here on the endpoint is alive.
	silent := now.Sub(since)
	switch {
	case !d.attempt.conn.isOpen():
	case info.longPoll: // is renewed, which loses nothing, where its connection is silent
		if info.stream && waitsFor == awaitsHeader && silent >= live.interval {
			return errHeaderHeldBack
		}
	case d.terms.repeatable && silent >= d.connectionTolerance():
		return errConnectionSilent
	}
	return nil
}

// probe asks the endpoint whether it is alive, and returns the reason to give the
// attempt up if it is not.
func (d *stallDetector) probe(waitsFor phase, since time.Time) error {
	live, ep := d.attempt.exchange.liveness, d.attempt.endpoint
	limit := 2 * live.prober.timeout(ep) // longer than any probe
	mayMove := d.terms.elsewhere && (d.terms.repeatable || !d.attempt.conn.maySent())
	if mayMove && waitsFor == awaitsHeader {
		// With a short deadline another endpoint is asked before the probe is
		// over. That is this call's own decision, and says nothing to others.
		if short := max(d.askAfter, ep.health.probeTimeout()); short < live.prober.timeout(ep) {
			limit = short
		}
	}
	if !d.moveAt.IsZero() {
		for _, other := range live.others(ep) {
			live.prober.start(other) // so that the call does not go to a dead one next
		}
	}
	result, known := live.prober.ask(d.ctx, ep, limit)
	switch {
	case !known:
		if mayMove && d.ctx.Err() == nil {
			return ErrStalled
		}
	case result == probeNone:
		// A write that must not be sent twice gains nothing by an early end.
		if mayMove || d.attempt.info.longPoll || time.Since(since) >= live.interval {
			return ErrStalled
		}
	case result == probeNoQuorum:
		if d.attempt.info.class == classRead && live.isAnotherGood(d.ctx, ep) {
			return ErrNoQuorum
		}
	}
	return nil
}

// nextLook returns how long to wait before the next look.
func (d *stallDetector) nextLook(waitsFor phase, since time.Time) time.Duration {
	now := time.Now()
	next := d.tolerance(waitsFor) - min(now.Sub(since), d.attempt.endpoint.health.silence(now))
	if waitsFor != awaitsEvent && now.Before(d.moveAt) {
		next = min(next, d.moveAt.Sub(now))
	}
	if left := d.connectionTolerance() - now.Sub(since); left > 0 {
		next = min(next, left)
	}
	return max(next, leastLook)
}

// giveUp ends the attempt, unless what it waited for has come meanwhile.
func (d *stallDetector) giveUp(waitedFor phase, since time.Time, reason error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.phase == awaitsNothing:
	case d.phase == waitedFor && d.since.Equal(since):
		d.attempt.cancel(reason)
	default:
		d.setTimer(time.Now(), d.tolerance(d.phase))
	}
}

// lookAgain sets the timer for the next look, unless the attempt is over.
func (d *stallDetector) lookAgain(waitedFor phase, since time.Time, after time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.phase == awaitsNothing:
	case d.phase == waitedFor && d.since.Equal(since):
		d.setTimer(time.Now(), after)
	default: // something came while the endpoint was asked
		d.setTimer(time.Now(), d.tolerance(d.phase))
	}
}

// How the cluster client keeps track of which endpoints are healthy.

// isUnhealthy reports whether ep is to be asked after the others.
func (c *httpClusterClient) isUnhealthy(ep *endpoint) bool {
	return ep.health.isUnhealthy(c.probes())
}

// probes reports whether endpoints are probed.
func (c *httpClusterClient) probes() bool { return c.exchange.liveness.interval > 0 }

// markUnhealthy notes that ep failed, and why; notEtcd is the status by which something
// else than etcd has answered, or 0.
func (c *httpClusterClient) markUnhealthy(ctx context.Context, ep *endpoint, why error, notEtcd int) {
	if ep.health.markUnhealthy(time.Now(), notEtcd) {
		c.observer.onUnhealthy(ctx, ep, why)
	}
	c.invalidateLeader()
}

// markHealthy notes that ep has answered.
func (c *httpClusterClient) markHealthy(ctx context.Context, ep *endpoint) {
	if ep.health.markHealthy() {
		c.observer.onHealthy(ctx, ep)
	}
}

// onAlive notes that something has answered a probe.
func (c *httpClusterClient) onAlive(ep *endpoint, found probeResult) {
	if ep.counts != nil && ep.health.isClearedBy(found) {
		c.markHealthy(context.Background(), ep)
	}
}

// onNone notes that nobody has answered a probe.
func (c *httpClusterClient) onNone(ep *endpoint) {
	if ep.counts != nil { // it is one of the client's endpoints
		c.markUnhealthy(context.Background(), ep, ErrStalled, 0)
	}
}

// recheckUnhealthy probes the unhealthy endpoints that are due, so that no call
// has to find out at its own cost that one is back. It does not wait; what it
// starts ends by itself.
func (c *httpClusterClient) recheckUnhealthy(view *endpointView) {
	if !c.probes() {
		return
	}
	for _, ep := range view.order {
		if ep.health.isRecheckDue() {
			c.exchange.liveness.prober.start(ep)
		}
	}
}

// noteIndex looks at whether the endpoint still moves with its cluster.
func (c *httpClusterClient) noteIndex(ep *endpoint, r *reply, now time.Time) {
	if r == nil || !c.probes() {
		return
	}
	if index := r.get(headerRaftIndex); index != "" && ep.health.isIndexStale(index, now) {
		go c.checkQuorum(ep) // ends with the probes
	}
}

// checkQuorum marks ep unhealthy if it is cut off from its cluster and another
// endpoint is not: reads should go there.
func (c *httpClusterClient) checkQuorum(ep *endpoint) {
	ctx := context.Background()
	live := c.exchange.liveness
	found, _ := live.prober.ask(ctx, ep, 2*live.prober.timeout(ep))
	if found == probeNoQuorum && live.isAnotherGood(ctx, ep) {
		c.markUnhealthy(ctx, ep, ErrNoQuorum, 0)
	}
}

// otherEndpoints returns the endpoints in use besides ep.
func (c *httpClusterClient) otherEndpoints(ep *endpoint) []*endpoint {
	var others []*endpoint
	for _, other := range c.pool.view().order {
		if other.origin() != ep.origin() {
			others = append(others, other)
		}
	}
	return others
}

// signal wakes one goroutine that waits, now or when there is one.
type signal chan struct{}

// forget takes back a signal that nobody has waited for.
func (s signal) forget() {
	select {
	case <-s:
	default:
	}
}

func (s signal) send() {
	select {
	case s <- struct{}{}:
	default: // there is one already
	}
}
