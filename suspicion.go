package client

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	firstSuspectPause = time.Second
	lastSuspectPause  = time.Minute
)

// suspicion is what is held against an endpoint that failed. A suspect is asked
// after all others, never left out, and cleared by the first answer. It is shared
// by all views of the pool, and safe for concurrent use.
type suspicion struct {
	raised atomic.Bool // there is a suspicion; saves most callers the lock

	mu      sync.Mutex // guards the fields below
	pause   time.Duration
	recheck time.Time // when to look again; zero while there is no suspicion
	looked  time.Time // when nothing was held against it and it was looked at all the same
}

// raise puts the endpoint to the back of the order. Each failure after a pause
// has passed doubles the next; those within one pause count once, however many
// requests failed together. It reports whether there was none before.
func (s *suspicion) raise(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.recheck) {
		return false
	}
	s.pause = min(max(2*s.pause, firstSuspectPause), lastSuspectPause)
	s.recheck = now.Add(s.pause)
	return !s.raised.Swap(true)
}

// clear forgets everything, and reports whether there was anything.
func (s *suspicion) clear() bool {
	if !s.raised.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause, s.recheck = 0, time.Time{}
	return s.raised.Swap(false)
}

// held reports whether the endpoint is a suspect. Where nobody probes suspects,
// suspicion lapses with its pause.
func (s *suspicion) held(probed bool) bool {
	if !s.raised.Load() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.recheck.IsZero() && (probed || time.Now().Before(s.recheck))
}

// mayLook reports, to one caller for each pause, that an endpoint that is no
// suspect may be looked at.
func (s *suspicion) mayLook(now time.Time, pause time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.recheck.IsZero() || now.Sub(s.looked) < pause {
		return false
	}
	s.looked = now
	return true
}

// due reports, to one caller for each pause, that it is time to look again.
func (s *suspicion) due() bool {
	if !s.raised.Load() {
		return false
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recheck.IsZero() || now.Before(s.recheck) {
		return false
	}
	s.pause = min(2*s.pause, lastSuspectPause)
	s.recheck = now.Add(s.pause)
	return true
}
