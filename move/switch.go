package move

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

const (
	// comparePause is how long after a comparison that failed the next one is made.
	comparePause = 250 * time.Millisecond
	// differencePatience is how long sides may differ while no change comes: a
	// watch may be of a member that has stopped, and find that out.
	differencePatience = 10 * time.Second
)

// Switch ends a move whose source is not written any more. It applies what it knows
// of, reads both sides with a quorum until they are equal in keys, kinds, values and,
// within Options.TTLTolerance, in TTLs, removes the mark, and ends the move. From then
// on programs may use the target.
//
// Writes that still come to the source are copied as long as Switch goes on, and
// reported. Those that come after it has read the source's index at its end are lost
// to the target.
//
// The error is ctx.Err(), that of Err, a [*DifferenceError], a [*RefusedError], or a
// [*ConflictError] that names the mark, when another run has taken the target over.
// After each but that of Err the move goes on, and Switch may be called again. The
// Report is also of what had been done before an error.
func (m *Move) Switch(ctx context.Context) (Report, error) {
	if err := m.until(ctx, func() bool { return m.Progress().Phase == PhaseFollow }); err != nil {
		return m.reportOf(comparison{}), err
	}
	begun, err := m.source.index(ctx)
	if err != nil {
		return m.reportOf(comparison{}), err
	}
	m.change(func(s *state) { s.switchedAt, s.Phase = begun, PhaseSwitch })
	defer m.change(func(s *state) {
		if s.switchedAt = 0; s.Phase == PhaseSwitch {
			s.Phase = PhaseFollow
		}
	})
	c, err := m.compareUntilEqual(ctx, begun)
	var after uint64
	if err == nil {
		err = m.checkRefused()
	}
	if err == nil {
		after, err = m.lastIndex(ctx, c.index)
	}
	if err == nil {
		err = cmp.Or(m.Err(), ctx.Err())
	}
	if err == nil {
		err = m.unmark(ctx)
	}
	report := m.reportOf(c)
	report.IndexAfter = after
	if err == nil {
		m.change(func(s *state) { s.Phase = PhaseDone })
		m.Close()
	}
	return report, err
}

// settle waits until all changes up to an index are applied, as far as is known: of
// what was written elsewhere in the store there is no change.
func (m *Move) settle(ctx context.Context, index uint64) error {
	began := time.Now()
	return m.until(ctx, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		quiet := time.Since(m.state.lastNews) > comparePause && time.Since(began) > comparePause
		return m.state.Pending == 0 && m.lanes.isIdle() && (m.state.Index >= index || quiet)
	})
}

// lastIndex reads the source's index once more, and waits for what has come until
// then.
func (m *Move) lastIndex(ctx context.Context, compared uint64) (uint64, error) {
	index, err := m.source.index(ctx)
	if err != nil || index == compared {
		return index, err
	}
	return index, m.settle(ctx, index)
}

// A comparison is what came of reading both sides.
type comparison struct {
	index             uint64 // of the source
	keys, directories int64
	differences       []Difference // the first ones
	total             int64
	mended            int64 // nodes that were mended
}

// compareUntilEqual compares until there is no difference, or none that a change
// could still mend.
func (m *Move) compareUntilEqual(ctx context.Context, index uint64) (comparison, error) {
	if !m.opts.SkipHidden {
		m.mu.Lock()
		after := m.state.hiddenTo
		m.mu.Unlock()
		if _, err := m.searchHidden(ctx, after); err != nil {
			return comparison{}, err
		}
	}
	began := time.Now()
	for first := true; ; first = false {
		if err := m.settle(ctx, index); err != nil {
			return comparison{}, err
		}
		if err := m.bringHidden(); err != nil {
			return comparison{}, err
		}
		if err := m.lanes.wait(); err != nil {
			return comparison{}, err
		}
		c, err := m.compare(ctx, first)
		switch {
		case err != nil || c.total == 0 && c.mended == 0:
			return c, err
		case c.total > 0 && m.isQuietSince(began, differencePatience):
			return c, &DifferenceError{Differences: c.differences, Total: c.total}
		case c.total > 0:
			if err := wait(ctx, comparePause); err != nil {
				return c, err
			}
		}
	}
}

// isQuietSince reports whether no change has come for some time, nor a failure that
// could be why.
func (m *Move) isQuietSince(began time.Time, d time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(began) >= d && time.Since(m.state.lastNews) >= d
}

// compare reads both sides, compares them, and mends what no change tells of. Once
// that has been done, it counts as a difference like any other; but TTLs that are too
// far apart then are such as the target does not have.
func (m *Move) compare(ctx context.Context, first bool) (comparison, error) {
	var c comparison
	see := func(p pair, at time.Time) error {
		untold := p.isUntold(m.opts.TTLTolerance)
		switch {
		case m.isLeftOut(p.key):
			return nil
		case p.isSame():
			c.count(p.src)
			untold = untold && first
		case !untold || !first:
			c.add(p)
		}
		if !untold {
			return nil
		}
		c.mended++
		return m.mend(p, at)
	}
	src, index, err := m.source.get(ctx, m.source.root, true)
	at := time.Now()
	if err != nil {
		return c, err
	}
	c.index = index
	dst, _, err := m.target.get(ctx, m.target.root, true)
	if err == nil {
		err = walkBelow(pair{key: m.source.root, src: src, dst: dst}, func(p pair) error { return see(p, at) })
	}
	for _, key := range m.hiddenKeys() {
		if err != nil {
			break
		}
		var p pair
		if p, at, err = m.readPair(ctx, key); err == nil {
			err = walk(p, func(p pair) error { return see(p, at) })
		}
	}
	return c, cmp.Or(err, m.lanes.wait())
}

// isUntold reports whether the sides differ in what no change tells of: a refresh,
// or a directory that came to be with a hidden node.
func (p pair) isUntold(tolerance time.Duration) bool {
	switch {
	case p.src == nil:
		return false
	case p.dst == nil:
		return p.src.Dir || expires(p.src)
	default:
		return p.differInTTL(tolerance) || expires(p.src) && p.src.Dir == p.dst.Dir && p.src.Value == p.dst.Value && !expires(p.dst)
	}
}

func (m *Move) mend(p pair, at time.Time) error {
	n := alone(p.src)
	return m.lanes.do(p.key, func(ctx context.Context) error {
		if p.dst == nil && n.Dir {
			return m.remakeDir(ctx, p.key)
		}
		return m.refresh(ctx, p.key, n, at)
	})
}

// isLeftOut reports whether a node is not compared, as the target has refused it, or
// one that it is in.
func (m *Move) isLeftOut(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for refused := range m.state.refused {
		if keypath.IsWithin(key, refused) {
			return true
		}
	}
	return false
}

func (c *comparison) count(n *client.Node) {
	if n.Dir {
		c.directories++
	} else {
		c.keys++
	}
}

func (c *comparison) add(p pair) {
	if c.total++; len(c.differences) < maxListed {
		c.differences = append(c.differences, Difference{Key: p.key, Source: alone(p.src), Target: alone(p.dst)})
	}
}

func (m *Move) checkRefused() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	list, total := m.state.refusals()
	if total == 0 || m.opts.AllowRefused {
		return nil
	}
	return &RefusedError{Refused: list, Total: total}
}

func (m *Move) reportOf(c comparison) Report {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := &m.state
	r := Report{
		Keys: c.keys, Directories: c.directories, Index: c.index,
		Copied: s.written, Applied: s.Applied, Refreshed: s.refreshed, Resyncs: s.Resyncs, MostPending: s.mostPending,
		HiddenFrom: s.hiddenFrom, HiddenGaps: s.hiddenGaps,
		Late: slices.Clone(s.late), TotalLate: s.totalLate,
	}
	for _, key := range slices.Sorted(maps.Keys(s.hidden)) {
		if s.hidden[key] {
			r.Hidden = append(r.Hidden, key)
		}
	}
	r.Refused, r.TotalRefused = s.refusals()
	return r
}
