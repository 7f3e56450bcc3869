package move

import (
	"context"
	"time"

	"github.com/coreos/etcd/client"
)

const (
	// lookInterval is how often it is seen which nodes are about to expire.
	lookInterval = 500 * time.Millisecond
	// ahead is how long before its time a node is looked at, at least.
	ahead = 2 * time.Second
	// refreshedBy is how much more time a node must have left to have been refreshed:
	// servers round up to seconds.
	refreshedBy = 1500 * time.Millisecond
)

// An expiry is when a node of the target goes away.
type expiry struct {
	at   time.Time
	look time.Time // when its node of the source is looked at
}

// expireAt notes that a node has a time left.
func (s *state) expireAt(key string, left time.Duration) {
	if left <= 0 {
		delete(s.expiring, key)
		return
	}
	now := time.Now()
	s.expiring[key] = expiry{at: now.Add(left), look: now.Add(max(left-max(left/3, ahead), lookInterval))}
}

// keepTTLs refreshes nodes of the target as those of the source are, of which no
// server tells.
func (m *Move) keepTTLs() {
	for wait(m.ctx, lookInterval) == nil {
		for key, was := range m.due() {
			if m.lanes.do(key, func(ctx context.Context) error { return m.keepTTL(ctx, key, was.at) }) != nil {
				return // run sees to it
			}
		}
	}
}

// due gives the nodes that are to be looked at.
func (m *Move) due() map[string]expiry {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	found := map[string]expiry{}
	for key, e := range m.state.expiring {
		if !e.look.After(now) {
			found[key] = e
		}
	}
	return found
}

// keepTTL refreshes a node if that of the source was refreshed.
func (m *Move) keepTTL(ctx context.Context, key string, at time.Time) error {
	n, _, err := m.source.get(ctx, key, false)
	began := time.Now()
	switch {
	case err != nil:
		return err
	case !expires(n): // a change says so, or will
		m.change(func(s *state) { delete(s.expiring, key) })
		return nil
	case n.TTLDuration()-time.Until(at) < refreshedBy:
		m.change(func(s *state) { s.expiring[key] = expiry{at: at, look: began.Add(max(time.Until(at)/3, lookInterval))} })
		return nil
	}
	return m.refresh(ctx, key, alone(n), began)
}

// refresh gives a node of the target the time that the source's has left, and brings
// it back if its time was over.
func (m *Move) refresh(ctx context.Context, key string, n *client.Node, at time.Time) error {
	m.change(func(s *state) { s.refreshed++ })
	if n.Dir {
		return m.renewDir(ctx, key, ttlOf(n, at))
	}
	_, err := m.target.set(ctx, m.targetKey(key), "", &client.SetOptions{TTL: ttlOf(n, at), Refresh: true, PrevExist: client.PrevExist})
	switch {
	case err == nil:
		m.noteTTL(key, n, at)
		return nil
	case isMissing(err):
		return m.create(ctx, pair{key: key, src: n}, at)
	case hasCode(err, client.ErrorCodeNotFile):
		return nil // it was another kind of node: a change says so, or will
	}
	return err
}
