package move

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coreos/etcd/client/dump"
)

// hiddenInterval is how long after one search of the history the next one begins.
const hiddenInterval = 2 * time.Second

// noteHidden has all hidden nodes on the way to a key asked for; false: there are
// none.
func (m *Move) noteHidden(key string) bool {
	found := false
	root := strings.TrimSuffix(m.opts.From, "/")
	for i := len(root) + 1; i < len(key); {
		end := len(key)
		if n := strings.IndexByte(key[i:], '/'); n >= 0 {
			end = i + n
		}
		if key[i] == '_' && key[:end] != root+"/"+MarkName {
			found = true
			m.change(func(s *state) {
				if _, known := s.hidden[key[:end]]; !known {
					s.hidden[key[:end]] = false
				}
			})
		}
		i = end + 1
	}
	return found
}

// hiddenKeys gives the hidden nodes that are known, each after those that it is in.
func (m *Move) hiddenKeys() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.state.hidden))
}

// bringHidden begins to bring all known hidden nodes to what the source has.
func (m *Move) bringHidden() error {
	for _, key := range m.hiddenKeys() {
		if err := m.bringHiddenNode(key); err != nil {
			return err
		}
	}
	return nil
}

// bringHiddenNode begins to bring one, and all below it, to what the source has.
func (m *Move) bringHiddenNode(key string) error {
	return m.lanes.do(key, func(ctx context.Context) error {
		p, at, err := m.readPair(ctx, key)
		if err != nil {
			return err
		}
		m.change(func(s *state) {
			switch {
			case p.src != nil:
				s.hidden[key] = true
			case p.dst == nil && !s.hidden[key]:
				delete(s.hidden, key) // others will come by other names
			}
		})
		return walk(p, func(p pair) error {
			if p.isSame() && !p.differInTTL(m.opts.TTLTolerance) {
				return nil
			}
			m.change(func(s *state) { s.written++ })
			return m.bringNow(ctx, p, at)
		})
	})
}

// readPair reads what both sides have at a key and below.
func (m *Move) readPair(ctx context.Context, key string) (pair, time.Time, error) {
	src, _, err := m.source.get(ctx, key, true)
	at := time.Now()
	if err != nil {
		return pair{}, at, err
	}
	dst, _, err := m.target.get(ctx, m.targetKey(key), true)
	return pair{key: key, src: src, dst: dst}, at, err
}

// followHidden looks for hidden nodes in the history of the source, again and again.
// Each time it begins where the search before the last one ended, since nobody tells
// the end of a history: one event that is slow to come is seen the next time.
func (m *Move) followHidden() {
	var last uint64
	for {
		m.mu.Lock()
		after := m.state.hiddenTo
		m.mu.Unlock()
		to, err := m.searchHidden(m.ctx, after)
		if err == nil {
			m.change(func(s *state) { s.hiddenTo = last })
			last = to
		} else if m.ctx.Err() == nil {
			m.watchFailed(cmp.Or(errors.Unwrap(err), err))
		}
		if wait(m.ctx, hiddenInterval) != nil {
			return
		}
	}
}

// searchHidden copies the hidden nodes of which the history tells behind an index. It
// waits for a source that does not answer.
func (m *Move) searchHidden(ctx context.Context, after uint64) (to uint64, err error) {
	pause := firstPause
	for {
		found, err := dump.SearchHidden(ctx, m.source.kapi, m.source.root, after)
		m.noteSearch(after, &found)
		for _, key := range found.Keys {
			if failed := m.bringFound(key); failed != nil {
				return 0, failed
			}
		}
		if err == nil || !isPassing(err) || ctx.Err() != nil {
			return found.To, cmp.Or(ctx.Err(), err)
		}
		m.watchFailed(cmp.Or(errors.Unwrap(err), err))
		if found.To > after {
			after, pause = found.To, firstPause
		}
		if err := wait(ctx, pause); err != nil {
			return 0, err
		}
		pause = min(2*pause, lastPause)
	}
}

// noteSearch notes how far the history went that was searched behind an index.
func (m *Move) noteSearch(after uint64, found *dump.HiddenSearch) {
	m.change(func(s *state) {
		switch {
		case s.hiddenFrom == 0:
			s.hiddenFrom = found.From
		case after > 0 && found.From > after+1:
			s.hiddenGaps++
		}
	})
}

// bringFound begins to bring a hidden node that the history has told of.
func (m *Move) bringFound(key string) error {
	if !m.noteHidden(key) {
		return nil
	}
	return m.bringHiddenNode(key)
}
