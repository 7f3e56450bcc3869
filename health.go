package client

import (
	"context"
	"time"
)

// How the cluster client keeps track of which endpoints are alive.

// isSuspect reports whether ep is to be asked after the others.
func (c *httpClusterClient) isSuspect(ep *endpoint) bool {
	return ep.suspicion.held(c.probes())
}

// probes reports whether endpoints are asked for their pulse.
func (c *httpClusterClient) probes() bool { return c.exchange.stalls.interval > 0 }

// suspect notes that ep failed, and why.
func (c *httpClusterClient) suspect(ctx context.Context, ep *endpoint, why error) {
	if ep.suspicion.raise(time.Now()) {
		c.sight.suspected(ctx, ep, why)
	}
	c.invalidateLeader()
}

// absolve notes that ep has answered.
func (c *httpClusterClient) absolve(ctx context.Context, ep *endpoint) {
	if ep.suspicion.clear() {
		c.sight.cleared(ctx, ep)
	}
}

// recheckSuspects asks those suspects for their pulse that are due, so that no
// call has to find out at its own cost that one is back. It does not wait; what
// it starts ends within the stall interval.
func (c *httpClusterClient) recheckSuspects(view *endpointView) {
	if !c.probes() {
		return
	}
	for _, ep := range view.order {
		if ep.suspicion.due() {
			go c.recheck(ep)
		}
	}
}

func (c *httpClusterClient) recheck(ep *endpoint) {
	patience := c.exchange.stalls.interval
	ctx := context.Background()
	if p := c.prober.ask(ctx, ep, patience); p == pulseGood || p == pulseStranger {
		c.absolve(ctx, ep)
	}
}

// noteIndex looks at whether the endpoint still moves with its cluster.
func (c *httpClusterClient) noteIndex(ep *endpoint, r *reply) {
	if r == nil || !c.probes() {
		return
	}
	if index := r.get(headerRaftIndex); index != "" && ep.standstill.note(index, time.Now()) {
		go c.checkQuorum(ep) // ends within the stall interval for each endpoint
	}
}

// checkQuorum makes ep a suspect if it is cut off from its cluster and another
// endpoint is not: reads should go there.
func (c *httpClusterClient) checkQuorum(ep *endpoint) {
	patience := c.exchange.stalls.interval
	ctx := context.Background()
	if c.prober.ask(ctx, ep, patience) == pulseNoQuorum && c.anotherIsWell(ctx, ep, patience) {
		c.suspect(ctx, ep, ErrNoQuorum)
	}
}

// suspectTheDead makes suspects of the endpoints other than ep that have no
// pulse, so that a call which leaves ep does not come to them first. It does not
// wait; what it starts ends within patience.
func (c *httpClusterClient) suspectTheDead(ep *endpoint, patience time.Duration) {
	for _, other := range c.pool.view().order {
		if other.isSame(ep) || !other.suspicion.mayLook(time.Now(), c.exchange.stalls.interval) {
			continue
		}
		go func() {
			ctx := context.Background()
			if c.prober.ask(ctx, other, patience) == pulseNone {
				c.suspect(ctx, other, ErrStalled)
			}
		}()
	}
}

// anotherIsWell reports whether an endpoint other than ep is alive and has a
// quorum.
func (c *httpClusterClient) anotherIsWell(ctx context.Context, ep *endpoint, patience time.Duration) bool {
	for _, other := range c.pool.view().order {
		if other.origin() != ep.origin() && c.prober.ask(ctx, other, patience) == pulseGood {
			return true
		}
	}
	return false
}

// signal wakes one waiter, now or when there is one.
type signal chan struct{}

// forget takes back what nobody has waited for.
func (s signal) forget() {
	select {
	case <-s:
	default:
	}
}

func (s signal) tell() {
	select {
	case s <- struct{}{}:
	default: // told already
	}
}
