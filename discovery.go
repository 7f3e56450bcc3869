package client

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"
)

// How a client of NewFromSRV keeps its endpoints as the records have them.

const (
	// lookupTimeout bounds the look-ups that are made on the way of a call or of
	// a Sync; half of the time to the deadline does so as well.
	lookupTimeout = 2 * time.Second
	// Between two look-ups that failing calls cause, a pause grows from the first
	// to the last for as long as they bring nothing new.
	firstLookupPause = time.Second
	lastLookupPause  = time.Minute
)

// NewFromSRV looks up the SRV records of a cluster and returns a client of what it
// finds and of cfg, in which no Endpoints must be given. ctx bounds the look-up;
// no endpoint is asked for anything.
//
// The records' priorities hold for as long as the client is used: it asks an
// endpoint of a lower number before any of a higher one, except for those that
// failed lately, and returns to it when it is healthy. Among those of one priority
// the weights decide with which of them a client begins. With
// EndpointSelectionPrioritizeLeader the leader comes before all others.
//
// The records are looked up again by each Sync, before the members are asked, and
// by a call that failed on all endpoints, after pauses that grow from a second to
// a minute while that brings nothing new; the call goes on to the endpoints it
// has not tried. Such a look-up takes at most 2 seconds, and half of the time to
// the deadline. When it fails, or finds what a client with these credentials
// refuses, the list stays as it is; http endpoints do not take the place of https
// ones, nor does Sync put them behind those. Endpoints that stay keep what is known of
// them. What Sync finds comes behind what has a record. SetEndpoints puts an end
// to all that.
//
// http endpoints are used only with SRV.AllowPlain, and where Username is set,
// targets must be below the domain: see [SRV]. The error is an *InvalidInputError or
// a [*SRVError].
func NewFromSRV(ctx context.Context, srv SRV, cfg Config) (Client, error) {
	if len(cfg.Endpoints) > 0 {
		return nil, &InvalidInputError{Field: "Endpoints", Reason: "NewFromSRV finds them by records"}
	}
	c, err := newClusterClient(cfg)
	if err != nil {
		return nil, err
	}
	srv.TargetDomains = slices.Clone(srv.TargetDomains)
	d := &discovery{
		srv:      srv,
		security: srvSecurity{login: c.exchange.login != nil},
		turn:     make(chan struct{}, 1),
	}
	found, err := d.find(ctx)
	if err != nil {
		return nil, err
	}
	c.discovery = d
	c.adoptFound(d, found)
	return c, nil
}

// discovery finds a client's endpoints, and again.
type discovery struct {
	security srvSecurity

	turn  chan struct{} // held by the caller that looks up again; guards the fields below
	srv   SRV
	next  time.Time // not before, unless by Sync
	pause time.Duration
}

func (d *discovery) find(ctx context.Context) ([]*endpoint, error) {
	records, err := d.srv.find(ctx, d.security)
	if err != nil {
		return nil, err
	}
	var found []*endpoint
	for _, r := range records {
		ep, err := parseEndpoint(r.url("."))
		if err != nil {
			return nil, err
		}
		ep.rank = int(r.priority)
		d.srv.RequireTLS = d.srv.RequireTLS || r.scheme == schemeHTTPS // from now on
		found = appendNew(found, ep)
	}
	return found, nil
}

// settle sets when to look up next.
func (d *discovery) settle(now time.Time, news bool) {
	if news || now.Sub(d.next) > lastLookupPause {
		d.pause = 0
	}
	d.pause = min(max(2*d.pause, firstLookupPause), lastLookupPause)
	d.next = now.Add(d.pause)
}

// lookAgain looks the endpoints up again, if they were found that way. One caller
// at a time does, the others wait for what it finds. With paced it is not done
// more often than the pauses say, nor where seen is not the list in use any more.
func (c *httpClusterClient) lookAgain(ctx context.Context, paced bool, seen *endpointList) {
	c.mu.Lock()
	d := c.discovery
	c.mu.Unlock()
	if d == nil {
		return
	}
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-d.turn }()
	if paced && (c.pool.view().endpointList != seen || time.Now().Before(d.next)) {
		return
	}
	timeout := lookupTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline)/2)
	}
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := d.find(bounded)
	news := err == nil && c.adoptFound(d, found)
	if ctx.Err() == nil { // a caller that left has learnt nothing of DNS
		d.settle(time.Now(), news)
	}
}

// adoptFound replaces the configured endpoints by what d found, and reports whether
// that is news. What Sync found besides stays behind them.
func (c *httpClusterClient) adoptFound(d *discovery, found []*endpoint) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.discovery != d {
		return false // SetEndpoints came in between
	}
	isKnown := func(ep *endpoint) bool {
		return slices.ContainsFunc(c.configured, func(k *endpoint) bool { return k.name == ep.name && k.rank == ep.rank })
	}
	if len(found) == len(c.configured) && !slices.ContainsFunc(found, func(ep *endpoint) bool { return !isKnown(ep) }) {
		return false
	}
	all := slices.Clone(found)
	rules := c.adoptRules(found)
	if view := c.pool.view(); view != nil {
		for _, ep := range view.given {
			if ep.rank == unannounced && rules.allow(ep) {
				all = appendNew(all, ep)
			}
		}
	}
	c.configured = found
	c.pool.replace(c.newList(all, len(found)))
	c.invalidateLeader()
	return true
}

// newList returns a list of endpoints of which the first n are to be tried before
// the others. Those that were found by records are in their order already. The
// caller holds mu.
func (c *httpClusterClient) newList(endpoints []*endpoint, n int) *endpointList {
	if c.discovery == nil {
		return newEndpointList(endpoints, n)
	}
	list := newEndpointList(endpoints, 0)
	list.ranked = !c.preferLeader
	others := list.order[n:]
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	return list
}

// rediscover looks for endpoints that a call which has failed on all others has not
// tried, and reports whether there are any. It does so once for a call.
func (s *callState) rediscover(ctx context.Context) bool {
	if s.rediscovered || !s.client.isDiscovered() {
		return false
	}
	s.rediscovered = true
	s.client.lookAgain(ctx, true, s.view.endpointList)
	view := s.client.pool.view()
	if view.endpointList == s.view.endpointList {
		return false
	}
	// What failed is known by its place, and has another now.
	tried := make([]bool, len(view.order))
	left := len(view.order)
	for i := range view.order {
		if s.view.same(view.at(i)) != nil {
			tried[i] = true
			left--
		}
	}
	s.view, s.tried, s.overdue = view, tried, -1
	s.gone = len(s.failed.Errors) - (len(view.order) - left)
	return left > 0
}

func (c *httpClusterClient) isDiscovered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.discovery != nil
}
