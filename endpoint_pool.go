package client

import (
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
)

// endpointList is the immutable set of endpoints in use: as given, and in the
// order in which they are tried.
type endpointList struct {
	given  []*endpoint
	order  []*endpoint
	ranked bool // the endpoints' ranks hold
}

// newEndpointList puts the first n of the endpoints into random order, so that
// the clients of a failed endpoint spread over the others, and leaves the rest,
// which are fallbacks, behind them.
func newEndpointList(endpoints []*endpoint, n int) *endpointList {
	order := slices.Clone(endpoints)
	rand.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return &endpointList{given: endpoints, order: order}
}

// endpointView is one moment of the pool: a list and the endpoint pinned in it.
type endpointView struct {
	*endpointList
	pinned int // index in order: where every call begins
}

// at returns the i-th endpoint to try, the pinned one first, then round robin.
func (v *endpointView) at(i int) *endpoint {
	return v.order[(v.pinned+i)%len(v.order)]
}

// choose returns the position of the next endpoint to try, of those that tried,
// which may be nil, does not mark: the pinned one, then round robin; unhealthy ones after all others. Where ranks
// hold, that is the order within each of them. It returns false when all have been
// tried.
func (v *endpointView) choose(tried []bool, isUnhealthy func(*endpoint) bool) (int, bool) {
	best, fallback := -1, -1
	for i := range v.order {
		switch {
		case i < len(tried) && tried[i]:
		case isUnhealthy(v.at(i)):
			fallback = v.first(fallback, i)
		case !v.ranked:
			return i, true
		default:
			best = v.first(best, i)
		}
	}
	if best < 0 {
		best = fallback
	}
	return best, best >= 0
}

// first returns which of two places comes first; i, which may be -1 for none, was
// come to before j.
func (v *endpointView) first(i, j int) int {
	if i < 0 || v.ranked && v.at(j).rank < v.at(i).rank {
		return j
	}
	return i
}

// same returns the endpoint with the origin and base path of ep, or nil.
func (v *endpointView) same(ep *endpoint) *endpoint {
	for _, known := range v.given {
		if known.isSame(ep) {
			return known
		}
	}
	return nil
}

// lookup returns the endpoint that u belongs to, or nil: of those with its origin
// the one with the longest base path that u is below, else the first.
func (v *endpointView) lookup(u *url.URL) *endpoint {
	var best *endpoint
	length := -1
	for i := range v.order {
		ep := v.at(i)
		if ep.origin() != originOf(u) {
			continue
		}
		base := strings.TrimRight(ep.base.Path, "/")
		if best == nil || len(base) > length && strings.HasPrefix(u.Path+"/", base+"/") {
			best = ep
			if length = -1; strings.HasPrefix(u.Path+"/", base+"/") {
				length = len(base)
			}
		}
	}
	return best
}

// find returns the position, counted as at does, of the endpoint with one of
// these origins, or -1.
func (v *endpointView) find(origins ...string) int {
	for i := range v.order {
		if slices.Contains(origins, v.at(i).origin()) {
			return i
		}
	}
	return -1
}

// endpointPool holds the current view. It knows nothing of HTTP and never
// blocks: readers load the pointer, writers swap it.
type endpointPool struct {
	current atomic.Pointer[endpointView]
}

func (p *endpointPool) view() *endpointView { return p.current.Load() }

// replace puts a new list in place and keeps the pin where the endpoint it was
// on is still there.
func (p *endpointPool) replace(list *endpointList) {
	next := &endpointView{endpointList: list}
	if old := p.view(); old != nil {
		next.pinned = max(0, next.find(old.at(0).origin()))
		for _, ep := range list.given {
			// One that is in use already must not be written to.
			if known := old.same(ep); known != nil && known != ep {
				ep.health, ep.counts = known.health, known.counts
			}
		}
	}
	p.current.Store(next)
}

// pin moves the pin, where calls begin, to the i-th endpoint of the view, unless
// the pool has moved on since: a late success must not pin an endpoint of a list
// that is gone, nor undo what a later call found out.
func (p *endpointPool) pin(from *endpointView, i int) {
	i %= len(from.order)
	if i == 0 {
		return
	}
	next := &endpointView{endpointList: from.endpointList, pinned: (from.pinned + i) % len(from.order)}
	p.current.CompareAndSwap(from, next)
}
