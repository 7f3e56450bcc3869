package client

import (
	"sync"
	"time"
)

// standstillPause is how long the raft index in an endpoint's replies may stand
// still before the endpoint is asked whether it still has a quorum, and how long
// until it is asked again.
const standstillPause = 10 * time.Second

// standstill watches the raft index in the replies of one endpoint. A member that
// is cut off from its cluster goes on to answer reads, in time and out of date;
// all that shows is that its index does not move. Nor does that of an idle
// cluster, so it is a reason to ask and no more. It is safe for concurrent use.
type standstill struct {
	mu    sync.Mutex // guards the fields below
	index string
	since time.Time // when the index was first seen, or the endpoint last asked
}

// note takes the index of a reply, and reports, to one caller for each pause,
// that it is time to ask.
func (s *standstill) note(index string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if index != s.index {
		s.index, s.since = index, now
		return false
	}
	if now.Sub(s.since) < standstillPause {
		return false
	}
	s.since = now
	return true
}
