package move

import (
	"context"
	"errors"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// shortestTTL is for a node that is about to expire: if it does, the source says so.
const shortestTTL = time.Second

// bring begins to bring a node of the target to what the source had at a time.
func (m *Move) bring(p pair, at time.Time) error {
	if p.isSame() && !p.differInTTL(m.opts.TTLTolerance) {
		m.change(func(s *state) { s.Copied++ })
		m.noteTTL(p.key, p.src, at)
		return nil
	}
	p.src, p.dst = alone(p.src), alone(p.dst)
	return m.lanes.do(p.key, func(ctx context.Context) error {
		if err := m.bringNow(ctx, p, at); err != nil {
			return err
		}
		m.change(func(s *state) {
			s.written++
			if p.src != nil {
				s.Copied++
			}
		})
		return nil
	})
}

// alone gives a node without what is below, so that no job holds a whole snapshot.
func alone(n *client.Node) *client.Node {
	if n == nil {
		return nil
	}
	own := *n
	own.Nodes = nil
	return &own
}

func (m *Move) bringNow(ctx context.Context, p pair, at time.Time) error {
	key := m.targetKey(p.key)
	switch {
	case p.src == nil:
		m.accept(p.key)
		return m.target.remove(ctx, key)
	case p.dst != nil && p.src.Dir != p.dst.Dir:
		if err := m.target.remove(ctx, key); err != nil {
			return err
		}
		return m.create(ctx, p, at)
	case p.dst == nil:
		return m.create(ctx, p, at)
	case p.src.Dir:
		return m.renewDir(ctx, p.key, ttlOf(p.src, at))
	default:
		return m.overwrite(ctx, p, at)
	}
}

// create writes a node that is not there.
func (m *Move) create(ctx context.Context, p pair, at time.Time) error {
	return m.write(ctx, p, at, &client.SetOptions{Dir: p.src.Dir, PrevExist: client.PrevNoExist})
}

// overwrite writes a file if it is as it was read.
func (m *Move) overwrite(ctx context.Context, p pair, at time.Time) error {
	return m.write(ctx, p, at, &client.SetOptions{PrevIndex: p.dst.ModifiedIndex})
}

func (m *Move) write(ctx context.Context, p pair, at time.Time, opts *client.SetOptions) error {
	opts.TTL, opts.NoValueOnSuccess = ttlOf(p.src, at), true
	_, err := m.target.set(ctx, m.targetKey(p.key), p.src.Value, opts)
	switch {
	case err == nil:
		m.accept(p.key)
		m.noteTTL(p.key, p.src, at)
		return nil
	case isRefusal(err):
		return m.refuse(ctx, p.key, err)
	case hasCode(err, client.ErrorCodeNotDir), hasCode(err, client.ErrorCodeNotFile):
		m.goAstray()
		return nil
	case client.IsNodeExist(err), client.IsTestFailed(err), client.IsKeyNotFound(err):
		return m.met(ctx, p, at)
	}
	return err
}

// met sees to a node that is not as it was read: an earlier attempt has written it,
// it has expired, or somebody else was there.
func (m *Move) met(ctx context.Context, p pair, at time.Time) error {
	key := m.targetKey(p.key)
	there, _, err := m.target.get(ctx, key, false)
	now := pair{key: p.key, src: p.src, dst: there}
	switch {
	case err != nil:
		return err
	case now.isSame(), there != nil && there.Dir && p.src.Dir:
		m.accept(p.key)
		m.noteTTL(p.key, p.src, at)
		return nil
	case there == nil && expires(p.dst):
		return m.create(ctx, now, at)
	case there != nil && p.dst != nil && there.Dir == p.dst.Dir && there.Value == p.dst.Value:
		return m.bringNow(ctx, now, at) // only its TTL was renewed
	case m.opts.Overwrite:
		return m.bringNow(ctx, now, at)
	}
	return &ConflictError{Key: key}
}

// errCantRenew is for a server that can't give a directory another TTL: etcd 3.5 has
// an internal error for that.
var errCantRenew = errors.New("move: the TTL of a directory can't be renewed")

// renewDir gives a directory another TTL, or none.
func (m *Move) renewDir(ctx context.Context, key string, ttl time.Duration) error {
	opts := client.SetOptions{Dir: true, PrevExist: client.PrevExist, TTL: ttl}
	err := m.target.patiently(ctx, "set", m.targetKey(key), func() error {
		_, err := m.target.kapi.Set(ctx, m.targetKey(key), "", &opts)
		if hasCode(err, client.ErrorCodeRaftInternal) {
			return errCantRenew
		}
		return err
	})
	switch {
	case err == nil:
		m.change(func(s *state) { s.expireAt(key, ttl) })
		return nil
	case errors.Is(err, errCantRenew), isMissing(err):
		return m.remakeDir(ctx, key)
	}
	return err
}

// remakeDir makes a directory anew, with all that is in the source's.
func (m *Move) remakeDir(ctx context.Context, key string) error {
	src, _, err := m.source.get(ctx, key, true)
	at := time.Now()
	if err != nil {
		return err
	}
	if err := m.target.remove(ctx, m.targetKey(key)); err != nil {
		return err
	}
	return walk(pair{key: key, src: src}, func(p pair) error { return m.bringNow(ctx, p, at) })
}

// goAstray has another snapshot copied.
func (m *Move) goAstray() {
	select {
	case m.astray <- struct{}{}:
	default: // it will be in any case
	}
}

// refuse notes what the target does not take, which is not to stay as it was there.
func (m *Move) refuse(ctx context.Context, key string, why error) error {
	m.change(func(s *state) { s.refused[key] = why })
	return m.target.remove(ctx, m.targetKey(key))
}

// accept notes that the target has a node, or need not have it.
func (m *Move) accept(key string) {
	m.change(func(s *state) { delete(s.refused, key) })
}

func (m *Move) targetKey(key string) string { return keypath.Moved(key, m.source.root, m.target.root) }

// ttlOf gives the time that a node has left that was read at a time, by how long ago
// that was: the clocks of the servers may be wrong.
func ttlOf(n *client.Node, at time.Time) time.Duration {
	if !expires(n) {
		return 0
	}
	return max(n.TTLDuration()-time.Since(at), shortestTTL)
}
