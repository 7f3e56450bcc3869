package keystest

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/coreos/etcd/client"
)

// entry is a node of the store; a directory if it has a map of children.
type entry struct {
	path              string
	value             string
	created, modified uint64
	expires           time.Time // zero: never
	children          map[string]*entry
}

func (e *entry) isDir() bool { return e.children != nil }

func (e *entry) visit(f func(*entry)) {
	f(e)
	for _, child := range e.children {
		child.visit(f)
	}
}

// node gives the entry as a Response has it, without children.
func (e *entry) node() *client.Node {
	n := &client.Node{Key: e.path, Dir: e.isDir(), Value: e.value, CreatedIndex: e.created, ModifiedIndex: e.modified}
	if e.path == "/" {
		n.Key = ""
	}
	if !e.expires.IsZero() {
		at := e.expires
		n.Expiration, n.TTL = &at, int64(wholeSeconds(time.Until(at)))
	}
	return n
}

// tree gives the entry with its visible children, and theirs if recursive.
func (e *entry) tree(recursive, sorted bool) *client.Node {
	n := e.node()
	for name, child := range e.children {
		switch {
		case strings.HasPrefix(name, "_"):
		case recursive:
			n.Nodes = append(n.Nodes, child.tree(recursive, sorted))
		default:
			n.Nodes = append(n.Nodes, child.node())
		}
	}
	if sorted {
		slices.SortFunc(n.Nodes, func(a, b *client.Node) int { return strings.Compare(a.Key, b.Key) })
	}
	return n
}

// wholeSeconds rounds up, and gives zero for what is past.
func wholeSeconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d + time.Second - 1) / time.Second)
}

func inOrderName(index uint64) string { return fmt.Sprintf("%020d", index) }

func below(dir, name string) string { return path.Join(dir, name) }

func elements(key string) []string {
	return strings.FieldsFunc(key, func(r rune) bool { return r == '/' })
}

// find gives the entry at a clean key.
func (s *Store) find(key string) (*entry, error) {
	e := s.root
	for _, name := range elements(key) {
		if !e.isDir() {
			return nil, s.refuse(client.ErrorCodeNotDir, e.path)
		}
		child := e.children[name]
		if child == nil {
			return nil, s.refuse(client.ErrorCodeKeyNotFound, below(e.path, name))
		}
		e = child
	}
	return e, nil
}

// parent gives the directory that a clean key is in. It makes directories that are
// missing, as of the next index.
func (s *Store) parent(key string) (*entry, error) {
	e := s.root
	for _, name := range elements(path.Dir(key)) {
		child := e.children[name]
		switch {
		case child == nil:
			child = &entry{path: below(e.path, name), created: s.index + 1, modified: s.index + 1, children: map[string]*entry{}}
			e.children[name] = child
		case !child.isDir():
			return nil, s.refuse(client.ErrorCodeNotDir, child.path)
		}
		e = child
	}
	return e, nil
}

// setTTL makes the entry expire; zero or less: never.
func (s *Store) setTTL(e *entry, ttl time.Duration) {
	e.expires = time.Time{}
	if ttl <= 0 {
		return
	}
	e.expires = time.Now().Add(time.Duration(wholeSeconds(ttl)) * time.Second).Round(0).UTC()
	if s.soonest.IsZero() || e.expires.Before(s.soonest) {
		s.soonest = e.expires
		for wt := range s.waiting {
			wt.rouse()
		}
	}
}

// expire removes what has expired, in the order of time.
func (s *Store) expire() {
	now := time.Now()
	if s.soonest.IsZero() || now.Before(s.soonest) {
		return
	}
	var due []*entry
	s.soonest = time.Time{}
	s.root.visit(func(e *entry) {
		switch {
		case e.expires.IsZero():
		case !now.Before(e.expires):
			due = append(due, e)
		case s.soonest.IsZero() || e.expires.Before(s.soonest):
			s.soonest = e.expires
		}
	})
	slices.SortFunc(due, func(a, b *entry) int {
		if c := a.expires.Compare(b.expires); c != 0 {
			return c
		}
		return strings.Compare(a.path, b.path)
	})
	for _, e := range due {
		if there, err := s.find(e.path); err == nil && there == e { // not gone with its directory
			s.drop("expire", e)
		}
	}
}
