package client

import (
	"context"
	"time"
)

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
