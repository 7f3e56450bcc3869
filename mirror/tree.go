package mirror

import (
	"cmp"
	"math/rand/v2"

	"github.com/coreos/etcd/client"
)

// tree is a search tree of nodes that never changes: what modifies it makes a new
// one, which shares all but the way from the root to the modified nodes. nil is
// the empty one. It is balanced by chance: each of the possible shapes is as
// probable as in a tree that was filled in random order.
//
// The keys are in the order of compareKeys, so that a directory and all below it
// are next to each other.
type tree struct {
	left, right *tree
	node        *client.Node
	size        int
}

// compareKeys orders keys byte by byte, with the slash before all others.
func compareKeys(a, b string) int {
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		default:
			return cmp.Compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b))
}

// place is a place between two keys: it is true for those before it.
type place func(key string) bool

func from(key string) place {
	return func(k string) bool { return compareKeys(k, key) < 0 }
}

func after(key string) place {
	return func(k string) bool { return compareKeys(k, key) <= 0 }
}

// afterAll is the place behind a directory and all below it.
func afterAll(dir string) place {
	return func(k string) bool { return compareKeys(k, dir) < 0 || isWithin(k, dir) }
}

// build makes a tree of nodes that are in order.
func build(nodes []*client.Node) *tree {
	if len(nodes) == 0 {
		return nil
	}
	half := len(nodes) / 2
	return &tree{left: build(nodes[:half]), right: build(nodes[half+1:]), node: nodes[half], size: len(nodes)}
}

func (t *tree) len() int {
	if t == nil {
		return 0
	}
	return t.size
}

// with gives t with other sides.
func (t *tree) with(left, right *tree) *tree {
	return &tree{left: left, right: right, node: t.node, size: left.len() + 1 + right.len()}
}

func (t *tree) find(key string) *client.Node {
	for t != nil {
		switch c := compareKeys(key, t.node.Key); {
		case c < 0:
			t = t.left
		case c > 0:
			t = t.right
		default:
			return t.node
		}
	}
	return nil
}

// ascend calls yield with the nodes from p on, in order, until that is false.
func (t *tree) ascend(p place, yield func(*client.Node) bool) bool {
	if t == nil {
		return true
	}
	if p(t.node.Key) {
		return t.right.ascend(p, yield)
	}
	return t.left.ascend(p, yield) && yield(t.node) && t.right.all(yield)
}

func (t *tree) all(yield func(*client.Node) bool) bool {
	return t == nil || t.left.all(yield) && yield(t.node) && t.right.all(yield)
}

func (t *tree) split(p place) (before, rest *tree) {
	switch {
	case t == nil:
		return nil, nil
	case p(t.node.Key):
		before, rest = t.right.split(p)
		return t.with(t.left, before), rest
	default:
		before, rest = t.left.split(p)
		return before, t.with(rest, t.right)
	}
}

// join puts two trees together, all of whose keys are in order.
func join(a, b *tree) *tree {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case rand.IntN(a.size+b.size) < a.size:
		return a.with(a.left, join(a.right, b))
	default:
		return b.with(join(a, b.left), b.right)
	}
}

// put adds a node, or puts it in the place of the one with its key.
func (t *tree) put(node *client.Node) *tree {
	if t.find(node.Key) != nil {
		return t.exchange(node)
	}
	before, rest := t.split(from(node.Key))
	return join(join(before, &tree{node: node, size: 1}), rest)
}

func (t *tree) exchange(node *client.Node) *tree {
	switch c := compareKeys(node.Key, t.node.Key); {
	case c < 0:
		return t.with(t.left.exchange(node), t.right)
	case c > 0:
		return t.with(t.left, t.right.exchange(node))
	default:
		return &tree{left: t.left, right: t.right, node: node, size: t.size}
	}
}

// cut takes away what is between two places.
func (t *tree) cut(p, q place) (left, gone *tree) {
	before, rest := t.split(p)
	gone, rest = rest.split(q)
	return join(before, rest), gone
}
