package move

import (
	"maps"
	"slices"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// state is what is known of a move.
type state struct {
	Progress
	begun       bool  // there was a snapshot
	written     int64 // nodes that differed from a snapshot
	refreshed   int64
	mostPending int64
	lastNews    time.Time // when a change was last applied, or a watch failed

	refused  map[string]error  // by key of the source
	expiring map[string]expiry // nodes with a TTL, by key of the source
	hidden   map[string]bool   // hidden nodes to ask for, by key of the source; true: found

	hiddenFrom uint64
	hiddenTo   uint64 // what was read by the search before the last one
	hiddenGaps int64

	switchedAt uint64   // the index at which Switch was called; 0: it was not
	late       []string // keys that were written later
	totalLate  int64
}

func newState() state {
	return state{
		Progress: Progress{Phase: PhaseCopy},
		refused:  map[string]error{}, expiring: map[string]expiry{}, hidden: map[string]bool{},
	}
}

// change changes the state.
func (m *Move) change(do func(*state)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do(&m.state)
}

// Progress says how far the move has come. Its Pending and Behind are the lag.
func (m *Move) Progress() Progress {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.state.Progress
	p.Refused = int64(len(m.state.refused))
	return p
}

const progressInterval = 100 * time.Millisecond

// report tells of the progress until the move ends.
func (m *Move) report() {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	var told Progress
	for over := false; !over; {
		select {
		case <-tick.C:
		case <-m.done:
			over = true
		}
		if now := m.Progress(); now != told {
			m.opts.Progress(now)
			told = now
		}
	}
}

// noteApplied counts a change.
func (s *state) noteApplied(c change) {
	s.Applied++
	s.lastNews = time.Now()
	s.Behind = s.lastNews.Sub(c.at)
	if s.switchedAt == 0 || c.Index <= s.switchedAt || c.Kind == client.EventExpire {
		return
	}
	s.totalLate++
	if len(s.late) < maxListed && !slices.Contains(s.late, c.Node.Key) {
		s.late = append(s.late, c.Node.Key)
	}
}

// forget is for a node that is gone with all below it.
func (s *state) forget(key string) {
	delete(s.expiring, key)
	maps.DeleteFunc(s.refused, func(refused string, _ error) bool { return keypath.IsWithin(refused, key) })
}

func (m *Move) isRefused(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, refused := m.state.refused[key]
	return refused
}

// refusals gives the first nodes that the target refused, and their number.
func (s *state) refusals() ([]Refusal, int64) {
	var list []Refusal
	for _, key := range slices.Sorted(maps.Keys(s.refused)) {
		if len(list) == maxListed {
			break
		}
		list = append(list, Refusal{Key: key, Err: s.refused[key]})
	}
	return list, int64(len(s.refused))
}
