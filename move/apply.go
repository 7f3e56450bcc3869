package move

import (
	"context"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// apply begins to apply a change.
func (m *Move) apply(c change) error {
	key, err := keypath.Clean("key", c.Node.Key)
	switch {
	case err != nil:
		return m.source.named("watch", m.source.root, err)
	case keypath.IsWithin(m.source.root, key):
		return m.applyRoot(c)
	case !keypath.IsWithin(key, m.source.root), isHiddenBelow(key, m.source.root):
		return nil // the history tells of hidden nodes, and not always
	}
	return m.lanes.do(key, func(ctx context.Context) error {
		switch {
		case c.IsDelete():
			m.change(func(s *state) { s.forget(key) })
			return m.target.remove(ctx, m.targetKey(key))
		case c.Node.Dir:
			return m.applyDir(ctx, key, c)
		default:
			return m.applyFile(ctx, key, c)
		}
	})
}

// applyRoot is for the directory itself, or one that it is in: the target's has the
// mark in it, and stays.
func (m *Move) applyRoot(c change) error {
	switch {
	case !c.IsDelete() && !c.Node.Dir:
		return &client.InvalidInputError{Field: "From", Value: m.source.root, Reason: "it has become a file"}
	case !c.IsDelete():
		return nil
	}
	return m.copySnapshot(change{Event: &client.Event{Kind: client.EventResync, Index: c.Index}, at: c.at})
}

func (m *Move) applyDir(ctx context.Context, key string, c change) error {
	ttl := ttlOf(c.Node, c.at)
	opts := client.SetOptions{Dir: true, TTL: ttl, PrevExist: client.PrevNoExist}
	_, err := m.target.set(ctx, m.targetKey(key), "", &opts)
	switch {
	case err == nil:
		m.accept(key)
		m.noteTTL(key, c.Node, c.at)
		return nil
	case isRefusal(err):
		return m.refuse(ctx, key, err)
	case hasCode(err, client.ErrorCodeNotDir):
		m.goAstray()
		return nil
	case !client.IsNodeExist(err):
		return err
	}
	there, _, err := m.target.get(ctx, m.targetKey(key), false)
	switch {
	case err != nil:
		return err
	case there == nil || !there.Dir: // the source has a directory in the place of a file
		return m.bringNow(ctx, pair{key: key, src: alone(c.Node), dst: there}, c.at)
	case expires(c.Node) || expires(there):
		return m.renewDir(ctx, key, ttl)
	}
	return nil
}

func (m *Move) applyFile(ctx context.Context, key string, c change) error {
	r, err := m.target.set(ctx, m.targetKey(key), c.Node.Value, &client.SetOptions{TTL: ttlOf(c.Node, c.at)})
	switch {
	case isRefusal(err):
		return m.refuse(ctx, key, err)
	case hasCode(err, client.ErrorCodeNotDir), hasCode(err, client.ErrorCodeNotFile):
		m.goAstray()
		return nil
	case err != nil:
		return err
	case !m.opts.Overwrite && !m.isRefused(key) && isForeign(c.Event, r.PrevNode):
		return &ConflictError{Key: m.targetKey(key)}
	}
	m.accept(key)
	m.noteTTL(key, c.Node, c.at)
	return nil
}

// isForeign reports whether a file of the target was not as the source's change found
// its own. The change itself may have been applied already. Of what expires it is
// not known.
func isForeign(event *client.Event, was *client.Node) bool {
	before := event.PrevNode
	switch {
	case expires(before) || expires(event.Node) || expires(was):
		return false
	case was != nil && !was.Dir && was.Value == event.Node.Value:
		return false
	case before == nil || before.Dir:
		return was != nil && !was.Dir
	default:
		return was == nil || was.Dir || was.Value != before.Value
	}
}

// noteTTL notes when a node expires that was read at a time, so that it is looked at
// before.
func (m *Move) noteTTL(key string, n *client.Node, at time.Time) {
	m.change(func(s *state) {
		if !expires(n) {
			delete(s.expiring, key)
			return
		}
		s.expireAt(key, ttlOf(n, at))
	})
}
