package client

import (
	"math/rand/v2"
	"slices"
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

// at gives the i-th endpoint to try, the pinned one first, then round robin.
func (v *endpointView) at(i int) *endpoint {
	return v.order[(v.pinned+i)%len(v.order)]
}

// tries are the endpoints, by their place in the order, that a call has tried.
// The zero value is none.
type tries struct {
	few  uint64       // a bit for each of the first
	many map[int]bool // the others
}

const fewTries = 64

func (t *tries) has(i int) bool {
	if i < fewTries {
		return t.few&(1<<i) != 0
	}
	return t.many[i]
}

// mark notes that the i-th endpoint has been tried.
func (t *tries) mark(i int) {
	if i < fewTries {
		t.few |= 1 << i
		return
	}
	if t.many == nil {
		t.many = map[int]bool{}
	}
	t.many[i] = true
}

// forget lets the i-th endpoint be tried again.
func (t *tries) forget(i int) {
	if i < fewTries {
		t.few &^= 1 << i
		return
	}
	delete(t.many, i)
}

// choose gives the place of the next endpoint to try: the pinned one, then round
// robin; suspects after all others. Where ranks hold, that is the order within
// each of them. It is false when all have been tried.
func (v *endpointView) choose(tried *tries, isSuspect func(*endpoint) bool) (int, bool) {
	best, fallback := -1, -1
	for i := range v.order {
		switch {
		case tried.has(i):
		case isSuspect(v.at(i)):
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

// first gives which of two places comes first; i, which may be -1 for none, was
// come to before j.
func (v *endpointView) first(i, j int) int {
	if i < 0 || v.ranked && v.at(j).rank < v.at(i).rank {
		return j
	}
	return i
}

// same gives the endpoint with the origin and base path of ep, or nil.
func (v *endpointView) same(ep *endpoint) *endpoint {
	for _, known := range v.given {
		if known.isSame(ep) {
			return known
		}
	}
	return nil
}

// lookup gives the endpoint that has the origin, or nil.
func (v *endpointView) lookup(origin string) *endpoint {
	if i := v.find(origin); i >= 0 {
		return v.at(i)
	}
	return nil
}

// find gives the position, counted as at does, of the endpoint with one of
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
				ep.suspicion, ep.standstill, ep.counts = known.suspicion, known.standstill, known.counts
			}
		}
	}
	p.current.Store(next)
}

// pin makes the i-th endpoint of the view the one that calls begin with, unless
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
