package client

import (
	"context"
	"strconv"
	"time"
)

// leaderLookupPause keeps a cluster without a leader from being asked for it
// before each request.
const leaderLookupPause = time.Second

// doubtLeader makes the leader be looked up before the next request.
func (c *httpClusterClient) doubtLeader() { c.doubts.Add(1) }

// knowsLeader reports whether nothing has come into doubt since the leader was
// found.
func (c *httpClusterClient) knowsLeader() bool { return c.leaderFound.Load() == c.doubts.Load() }

// noteTerm makes the leader be looked up again when a reply tells of a new term:
// there has been an election.
func (c *httpClusterClient) noteTerm(r *reply) {
	if !c.preferLeader || r == nil {
		return
	}
	term, err := strconv.ParseUint(r.get(headerRaftTerm), 10, 64)
	if err != nil {
		return // most replies that are no successes don't tell
	}
	if known := c.term.Load(); term > known && c.term.CompareAndSwap(known, term) && known > 0 {
		c.doubtLeader()
	}
}

// pinLeader looks the leader up and pins its endpoint. Whatever comes in its
// way, calls go on with the endpoint that is pinned; only one of them waits.
func (c *httpClusterClient) pinLeader(ctx context.Context) {
	if !c.leaderMu.TryLock() {
		return
	}
	defer c.leaderMu.Unlock()
	if time.Now().Before(c.nextLookup) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, DefaultRequestTimeout)
	defer cancel()
	doubts := c.doubts.Load() // those that come while it is looked up remain
	leader, err := NewMembersAPI(c).Leader(ctx)
	if err != nil {
		c.nextLookup = time.Now().Add(leaderLookupPause)
		return
	}
	var origins []string
	for _, clientURL := range leader.ClientURLs {
		if ep, err := parseEndpoint(clientURL); err == nil {
			origins = append(origins, ep.origin())
		}
	}
	view := c.pool.view()
	i := max(0, view.find(origins...))
	if c.isSuspect(view.at(i)) {
		// Calls will go to others first, and pin one. When it is back it may
		// still be the leader.
		c.nextLookup = time.Now().Add(leaderLookupPause)
	} else {
		c.leaderFound.Store(doubts)
	}
	c.pool.pin(view, i)
}
