package client

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// leaderLookupPause keeps a cluster without a leader from being asked for it
// before each request.
const leaderLookupPause = time.Second

// leaderLookup is what a client that prefers the leader knows of it. Whatever may
// change the leader begins a new generation.
type leaderLookup struct {
	generation atomic.Uint64
	found      atomic.Uint64 // the generation whose leader is pinned; 0: none yet
	term       atomic.Uint64 // the last that a reply named

	mu   sync.Mutex // held by the call that looks the leader up; guards the field below
	next time.Time  // not before
}

// invalidateLeader has the next request look the leader up.
func (c *httpClusterClient) invalidateLeader() { c.leader.generation.Add(1) }

// knowsLeader reports whether the leader was found, and nothing has invalidated
// that since.
func (c *httpClusterClient) knowsLeader() bool {
	return c.leader.found.Load() == c.leader.generation.Load()
}

// noteTerm invalidates the leader when a reply names a new term: there has been an
// election.
func (c *httpClusterClient) noteTerm(r *reply) {
	if !c.preferLeader || r == nil {
		return
	}
	term, err := strconv.ParseUint(r.get(headerRaftTerm), 10, 64)
	if err != nil {
		return // most replies that are no successes name none
	}
	if known := c.leader.term.Load(); term > known && c.leader.term.CompareAndSwap(known, term) && known > 0 {
		c.invalidateLeader()
	}
}

// pinLeader looks the leader up and pins its endpoint, if that is one of those in
// use. When the look-up fails, calls go on with the endpoint that is pinned; only
// one of them waits.
func (c *httpClusterClient) pinLeader(ctx context.Context) {
	if !c.leader.mu.TryLock() {
		return
	}
	defer c.leader.mu.Unlock()
	if time.Now().Before(c.leader.next) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, DefaultRequestTimeout)
	defer cancel()
	generation := c.leader.generation.Load() // before the look-up: a later one remains to be looked up
	act := &action{spec: requestSpec{method: http.MethodGet, path: membersPath + "/leader"}, class: classRead, noRepeat: true}
	leader, err := call(ctx, c, act, decodeMember)
	if err != nil {
		c.leader.next = time.Now().Add(leaderLookupPause)
		return
	}
	var origins []string
	for _, clientURL := range leader.ClientURLs[:min(len(leader.ClientURLs), maxAdvertised)] {
		if ep, err := parseEndpoint(clientURL); err == nil {
			origins = append(origins, ep.origin())
		}
	}
	view := c.pool.view()
	i := max(0, view.find(origins...))
	if c.isUnhealthy(view.at(i)) {
		// Calls will go to others first, and pin one. When it is back it may
		// still be the leader.
		c.leader.next = time.Now().Add(leaderLookupPause)
	} else {
		c.leader.found.Store(generation)
	}
	c.pool.pin(view, i)
}
