package dump

import (
	"context"
	"errors"

	"github.com/coreos/etcd/client"
)

// write has a node written. A directory that expires must be there before what is
// in it, which would bring it into being without its TTL.
func (s *snapshotImport) write(key string, n Node, there bool) error {
	switch {
	case s.opts.DryRun:
		s.written(there)
	case n.Dir && s.expires(&n):
		return s.put(s.writes.ctx, key, &n, there)
	default:
		s.writes.do(func(ctx context.Context) error { return s.put(ctx, key, &n, there) })
	}
	return nil
}

// remove has a node removed that a snapshot has not.
func (s *snapshotImport) remove(key string) {
	s.writes.do(func(ctx context.Context) error {
		if !s.opts.DryRun {
			if err := s.store.remove(ctx, key); err != nil {
				return err
			}
		}
		s.count(func(sum *ImportSummary) { sum.Removed++ })
		return nil
	})
}

func (im *importer) written(there bool) {
	im.count(func(sum *ImportSummary) {
		if there {
			sum.Overwritten++
		} else {
			sum.Created++
		}
	})
}

// put writes one node, on condition that it is not there unless that is known.
func (im *importer) put(ctx context.Context, key string, n *Node, there bool) error {
	unsure := false // whether an earlier attempt has been applied
	err := im.store.patiently(ctx, func() error {
		ttl, alive := im.remaining(n)
		if !alive {
			return errExpired
		}
		opts := client.SetOptions{TTL: ttl, Dir: n.Dir, NoValueOnSuccess: true}
		if !there {
			opts.PrevExist = client.PrevNoExist
		}
		_, err := im.store.kapi.Set(ctx, key, n.Value, &opts)
		unsure = unsure || client.MayBeApplied(err)
		return err
	})
	switch {
	case err == nil:
		im.written(there)
		return nil
	case errors.Is(err, errExpired):
		im.count(func(sum *ImportSummary) { sum.Expired++ })
		return nil
	case hasCode(err, client.ErrorCodeNodeExist), hasCode(err, client.ErrorCodeNotFile), hasCode(err, client.ErrorCodeNotDir):
		return im.met(ctx, key, n, there, unsure)
	default:
		return named("set", key, err)
	}
}

var errExpired = errors.New("dump: the node's time is over")

// met sees to a node that was not in the snapshot of the store: a directory that
// its children have brought into being, what an earlier attempt has written, or
// somebody else.
func (im *importer) met(ctx context.Context, key string, n *Node, there, unsure bool) error {
	r, err := im.store.get(ctx, key, false)
	switch {
	case err != nil:
		return err
	case r == nil:
		// A file is on the way, or what was met has gone: somebody else is at work.
		im.race()
		im.conflict(key, n, Node{Key: key})
		return nil
	case im.isSame(n, r.Node) && (unsure || n.Dir):
		im.written(there)
		return nil
	case im.isSame(n, r.Node):
		im.count(func(sum *ImportSummary) { sum.Unchanged++ })
		return nil
	}
	im.race()
	if im.opts.OnConflict == Overwrite && !n.Dir && !r.Node.Dir {
		return im.put(ctx, key, n, true)
	}
	im.conflict(key, n, toNode(r.Node))
	return nil
}

// race notes that somebody else writes: what is to be found afterwards is not
// known any more.
func (im *importer) race() {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.raced = true
}
