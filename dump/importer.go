package dump

import (
	"cmp"
	"context"
	"io"
	"sync"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// importer brings a store to what a dump says. One goroutine reads the dump and
// decides; many write.
type importer struct {
	opts   ImportOptions
	store  *store
	in     io.Reader
	again  func(read func(io.Reader) error) error // reads the dump once more from its beginning; nil: it can't be
	report reporter
	from   string          // the root in the dump
	root   string          // the root in the store
	snap   *snapshotImport // nil: none is open

	mu        sync.Mutex // guards the fields below while there are writes
	sum       ImportSummary
	conflicts []Conflict
	raced     bool // a conflict was met that the snapshot of the store did not show
}

// count changes the summary.
func (im *importer) count(change func(*ImportSummary)) {
	im.mu.Lock()
	defer im.mu.Unlock()
	change(&im.sum)
}

// conflict notes a node that is in the way, and is left as it is.
func (im *importer) conflict(key string, dump *Node, there Node) {
	im.mu.Lock()
	defer im.mu.Unlock()
	if im.opts.OnConflict == Keep {
		im.sum.Kept++
		return
	}
	im.sum.Conflicts++
	if len(im.conflicts) < maxListed {
		im.conflicts = append(im.conflicts, Conflict{Key: key, Dump: *dump, Store: there})
	}
}

// snapshotImport merges a snapshot with what is there.
type snapshotImport struct {
	*importer
	before    *tree
	overwrite bool // what differs
	resync    bool // what is not in the snapshot goes
	writes    *pool

	// Prefixes of what comes next; empty: none.
	missing   string // a directory that was not there: neither is what is below it
	expired   string // a directory whose time is over
	passed    string // a node in the way: what is below it, here or there, is passed over
	uncertain string // a node that may change or go by itself, with what is below it

	want     *digest  // of what is to be found in the store afterwards
	leaveOut []string // keys in the store, in tree order, that are not compared then, with what is below them
	hidden   []string // hidden nodes to ask for then
}

func newSnapshotImport(ctx context.Context, im *importer, before *tree, resync bool) *snapshotImport {
	parallel := im.opts.Parallel
	if parallel == 0 {
		parallel = defaultParallel
	}
	return &snapshotImport{
		importer: im, before: before, resync: resync, overwrite: resync || im.opts.OnConflict == Overwrite,
		writes: startPool(ctx, parallel), want: newDigest(),
	}
}

// node brings one node of the store to what the dump says.
func (s *snapshotImport) node(ctx context.Context, n *Node) error {
	key := keypath.Moved(n.Key, s.from, s.root)
	s.count(func(sum *ImportSummary) {
		if n.Dir {
			sum.Directories++
		} else {
			sum.Keys++
		}
	})
	if key == "/" {
		return nil // it is always there
	}
	there, err := s.seek(ctx, key)
	if err != nil {
		return err
	}
	switch {
	case within(key, s.passed):
		s.count(func(sum *ImportSummary) { sum.Kept++ })
		return nil
	case within(key, s.expired):
		s.count(func(sum *ImportSummary) { sum.Expired++ })
		return nil
	}
	_, alive := s.remaining(n)
	if !alive {
		s.expired = key
		s.count(func(sum *ImportSummary) { sum.Expired++ })
	}
	stays := false
	if alive {
		if stays, err = s.decide(key, n, there); err != nil {
			return err
		}
	}
	s.expect(key, n, !alive || stays)
	return s.writes.err()
}

// expect notes what is to be found in the store afterwards.
func (s *snapshotImport) expect(key string, n *Node, isAnother bool) {
	if isHidden(key) && key != s.root {
		s.hidden = append(s.hidden, key)
	}
	switch {
	case within(key, s.uncertain):
	case isAnother, n.Dir && s.expires(n):
		s.uncertain = key
		s.leave(key)
	case !s.expires(n):
		s.want.add(n.Key, n.Dir, n.Value)
	}
}

// decide has the node written if that is needed. It says whether another stays.
func (s *snapshotImport) decide(key string, n *Node, there *client.Node) (stays bool, err error) {
	switch {
	case there == nil:
		if n.Dir && !within(key, s.missing) {
			s.missing = key
		}
		return false, s.write(key, *n, false)
	case s.isSame(n, there) && (!s.overwrite || n.Dir || s.expireTogether(n, there)):
		s.count(func(sum *ImportSummary) { sum.Unchanged++ })
		return n.Dir && s.expires(n) != expires(there), nil
	case !s.overwrite:
		if n.Dir != there.Dir {
			s.passed = key
		}
		s.conflict(key, n, toNode(there))
		return true, nil
	case n.Dir == there.Dir:
		return false, s.write(key, *n, true)
	default:
		return false, s.replace(key, n)
	}
}

// replace has a file written where a directory is, or the reverse.
func (s *snapshotImport) replace(key string, n *Node) error {
	if !n.Dir {
		s.passed = key // what is in the directory
	}
	if !s.opts.DryRun {
		if err := s.store.remove(s.writes.ctx, key); err != nil {
			return err
		}
	}
	return s.write(key, *n, true)
}

// isSame reports whether there is nothing to write.
func (im *importer) isSame(n *Node, there *client.Node) bool {
	if n.Dir || there.Dir {
		return n.Dir == there.Dir
	}
	return n.Value == there.Value && im.expires(n) == expires(there)
}

// expireTogether reports whether two nodes that both expire, or don't, do so at
// the same time.
func (im *importer) expireTogether(n *Node, there *client.Node) bool {
	if !im.expires(n) {
		return true
	}
	return toNode(there).Expiration.Sub(*n.Expiration).Abs() <= defaultTolerance
}

func expires(n *client.Node) bool { return n.Expiration != nil || n.TTL > 0 }

// within is keypath.IsWithin for a prefix that may be none.
func within(key, prefix string) bool { return prefix != "" && keypath.IsWithin(key, prefix) }

// leave has a node of the store, and what is below it, left out of the comparison.
func (s *snapshotImport) leave(key string) { s.leaveOut = append(s.leaveOut, key) }

// seek gives the node of the store at a key; nil: it is not there. What it passes
// is not in the dump.
func (s *snapshotImport) seek(ctx context.Context, key string) (*client.Node, error) {
	if err := s.passUpTo(key); err != nil {
		return nil, err
	}
	there := s.before.peek()
	if (there == nil || there.Key != key) && isHidden(key) && key != s.root && !within(key, s.missing) {
		if err := s.before.ask(ctx, key); err != nil {
			return nil, err
		}
		there = s.before.peek()
	}
	if there == nil || there.Key != key {
		return nil, nil
	}
	s.before.pop()
	return there, nil
}

// passUpTo passes what the store has before a key; empty: all there is.
func (s *snapshotImport) passUpTo(key string) error {
	for {
		there := s.before.peek()
		switch {
		case there == nil || key != "" && compareKeys(there.Key, key) >= 0:
			return nil
		case key != "" && keypath.IsWithin(key, there.Key), within(there.Key, s.passed), there.Key == s.root && s.from == "/":
			s.before.pop()
			continue
		}
		gone := string([]byte(there.Key)) // it would keep much of the snapshot alive
		s.before.skip()
		if !s.resync {
			s.leave(gone)
			continue
		}
		s.remove(gone)
		if err := s.writes.err(); err != nil {
			return err
		}
	}
}

// finish is for when the dump has no more nodes. It waits for all writes.
func (s *snapshotImport) finish() error {
	err := s.passUpTo("")
	return cmp.Or(s.abandon(), err)
}
