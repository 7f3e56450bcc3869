package integration

import (
	"fmt"
	"sync"
	"testing"
)

// A fencedStore is what a lock protects: a store outside of etcd, which refuses
// whoever has a lower fence than one that it has seen. It notes what must not be:
// two that live and are inside at one time.
type fencedStore struct {
	mu     sync.Mutex // guards the fields below
	fence  uint64     // the highest
	inside *holder
	stays  map[string]int // by name
	order  []uint64       // the fences of those who came in
	late   int            // writes refused of those whose session had ended
	faults []string
}

// A holder has the lock, or leads.
type holder struct {
	name  string
	fence uint64
	err   func() error // of its session, by the clock
}

func newFencedStore() *fencedStore { return &fencedStore{stays: map[string]int{}} }

// enter is for a holder that has just got the lock. It is false where that has
// lost it since.
func (s *fencedStore) enter(h *holder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.err() != nil {
		return false
	}
	if h.fence <= s.fence {
		s.fault("%s has the fence %d after the fence %d", h.name, h.fence, s.fence)
	}
	if s.inside != nil && s.inside.err() == nil {
		s.fault("%s comes in with the fence %d while %s is inside with the fence %d, and its session lives",
			h.name, h.fence, s.inside.name, s.inside.fence)
	}
	s.inside, s.fence = h, max(s.fence, h.fence)
	s.stays[h.name]++
	s.order = append(s.order, h.fence)
	return true
}

// write is what the lock is for.
func (s *fencedStore) write(h *holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case h.fence >= s.fence:
	case h.err() == nil:
		s.fault("%s is refused with the fence %d, as %d came in, and its session lives", h.name, h.fence, s.fence)
	default:
		s.late++
	}
}

// leave is for a holder that is about to release the lock.
func (s *fencedStore) leave(h *holder) {
	s.write(h)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside == h {
		s.inside = nil
	}
}

func (s *fencedStore) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

// conclude fails the test for what must not have been.
func (s *fencedStore) conclude(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		t.Error(f)
	}
	t.Logf("%d stays, %v; %d writes came too late and were refused", len(s.order), s.stays, s.late)
}
