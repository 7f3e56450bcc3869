package mirror

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/coreos/etcd/client"
)

// Kind says what a Change did to a node.
type Kind string

// The kinds of changes.
const (
	Added   Kind = "added"   // there was none before
	Changed Kind = "changed" // another value, TTL, or node took the place of Old
	Removed Kind = "removed" // by a deletion or by expiry, its own or that of a directory above
)

// Change is what became of one node from one state of a mirror to the next.
type Change struct {
	// Kind says what happened.
	Kind Kind

	// Key is the node's key as the server writes it, "/" for the root.
	Key string

	// Old and New are the node before and after: Old is nil for what was
	// Added, New for what was Removed. They have no Nodes. They are shared
	// with the mirror, and must not be modified.
	Old, New *client.Node

	// Index is the index of the state that shows the change. It is that of the
	// event, or of the snapshot when events have been lost.
	Index uint64
}

// step is the way from one state of a mirror to the next.
type step struct {
	dir     string
	nodes   *tree // before; in the end after
	index   uint64
	changes []Change
}

// apply does what the event says.
func (s *step) apply(event *client.Event) error {
	if event.Kind == client.EventResync {
		return s.replace(event.Node)
	}
	key := clean(event.Node.Key)
	switch {
	case event.IsDelete() && isWithin(s.dir, key): // dir itself, or a directory that it is in
		s.remove(from(s.dir), afterAll(s.dir))
	case !isWithin(key, s.dir):
		// A server may report the deletion of /a to a late watcher of /ab.
		if event.IsWrite() {
			return s.otherName(key)
		}
	case isHidden(key[len(s.dir):]):
	case event.IsDelete():
		s.remove(from(key), afterAll(key))
	case event.IsWrite():
		s.write(key, event)
	}
	return nil
}

func (s *step) otherName(key string) error {
	return &client.InvalidInputError{
		Field: "directory", Value: s.dir + "/",
		Reason: fmt.Sprintf("the server calls it otherwise: what is in it has the key %q", key),
	}
}

// write puts the node of an event in its place, and directories above it that
// are not there.
func (s *step) write(key string, event *client.Event) {
	for parent := range parents(s.dir, key) {
		if n := s.nodes.find(parent); n == nil || !n.Dir {
			s.put(s.newDir(parent))
		}
	}
	node := detach(event.Node)
	if node.Dir && event.PrevNode != nil && node.CreatedIndex < event.Index {
		// A directory's TTL was updated: the event has a new ModifiedIndex, the
		// directory has not.
		node.ModifiedIndex = event.PrevNode.ModifiedIndex
	}
	old := s.nodes.find(key)
	if old != nil && old.Dir && (!node.Dir || node.CreatedIndex == event.Index) {
		s.remove(after(key), afterAll(key)) // it went with the directory that was there
	}
	s.put(node)
}

// newDir is a directory that came to be with a node below it.
func (s *step) newDir(key string) *client.Node {
	if key == "" {
		return &client.Node{Dir: true} // the root has no indexes
	}
	return &client.Node{Key: strings.Clone(key), Dir: true, CreatedIndex: s.index, ModifiedIndex: s.index}
}

func (s *step) put(node *client.Node) {
	old := s.nodes.find(node.Key)
	s.nodes = s.nodes.put(node)
	s.changes = append(s.changes, s.change(old, node))
}

func (s *step) remove(p, q place) {
	left, gone := s.nodes.cut(p, q)
	if gone == nil {
		return
	}
	begin := len(s.changes)
	gone.all(func(n *client.Node) bool {
		s.changes = append(s.changes, s.change(n, nil))
		return true
	})
	slices.Reverse(s.changes[begin:])
	s.nodes = left
}

// replace makes the snapshot the state. Nodes that are as before are no changes,
// and stay.
func (s *step) replace(snapshot *client.Node) error {
	var now []*client.Node
	if snapshot != nil {
		if key := clean(snapshot.Key); key != s.dir {
			return s.otherName(key)
		}
		now = flatten(nil, snapshot)
		slices.SortFunc(now, func(a, b *client.Node) int { return compareKeys(a.Key, b.Key) })
	}
	old := make([]*client.Node, 0, s.nodes.len())
	s.nodes.all(func(n *client.Node) bool {
		old = append(old, n)
		return true
	})

	var rest []Change
	i, j := 0, 0
	for i < len(old) || j < len(now) {
		switch order := compareHeads(old[i:], now[j:]); {
		case order < 0:
			s.changes = append(s.changes, s.change(old[i], nil))
			i++
		case order > 0:
			rest = append(rest, s.change(nil, now[j]))
			j++
		default:
			if isSame(old[i], now[j]) {
				now[j] = old[i]
			} else {
				rest = append(rest, s.change(old[i], now[j]))
			}
			i++
			j++
		}
	}
	slices.Reverse(s.changes)
	s.changes = append(s.changes, rest...)
	s.nodes = build(now)
	return nil
}

// compareHeads orders the first nodes of two lists, the end of one last.
func compareHeads(a, b []*client.Node) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	default:
		return compareKeys(a[0].Key, b[0].Key)
	}
}

func (s *step) change(before, now *client.Node) Change {
	c := Change{Kind: Changed, Old: before, New: now, Index: s.index}
	switch {
	case before == nil:
		c.Kind, c.Key = Added, now.Key
	case now == nil:
		c.Kind, c.Key = Removed, before.Key
	default:
		c.Key = now.Key
	}
	if c.Key == "" {
		c.Key = "/"
	}
	return c
}

// isSame reports whether nothing has happened to a node, the TTL aside, which
// runs down.
func isSame(a, b *client.Node) bool {
	return a.CreatedIndex == b.CreatedIndex && a.ModifiedIndex == b.ModifiedIndex &&
		a.Dir == b.Dir && a.Value == b.Value &&
		(a.Expiration == nil) == (b.Expiration == nil) &&
		(a.Expiration == nil || a.Expiration.Equal(*b.Expiration))
}

// flatten appends copies of a node and all below it.
func flatten(nodes []*client.Node, n *client.Node) []*client.Node {
	nodes = append(nodes, detach(n))
	for _, child := range n.Nodes {
		nodes = flatten(nodes, child)
	}
	return nodes
}

// detach gives a copy of a node, without its children, that shares nothing with
// it: a node may be part of a reply that would stay in memory as a whole.
func detach(n *client.Node) *client.Node {
	own := *n
	own.Key, own.Value, own.Nodes = clean(strings.Clone(n.Key)), strings.Clone(n.Value), nil
	if n.Expiration != nil {
		at := *n.Expiration
		own.Expiration = &at
	}
	return &own
}

// parents gives dir and the directories between it and a key below it.
func parents(dir, key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for at := len(dir); at < len(key); {
			if !yield(key[:at]) {
				return
			}
			name := strings.IndexByte(key[at+1:], '/')
			if name < 0 {
				return
			}
			at += 1 + name
		}
	}
}

// isHidden reports whether an element of a path begins with "_".
func isHidden(path string) bool { return strings.Contains(path, "/_") }
