package mirror

import (
	"iter"
	"strings"

	"github.com/coreos/etcd/client"
)

// View is the state of a mirror at one index. It never changes, so it is safe for
// concurrent use and can be held for as long as wanted.
//
// Its nodes are never modified, only replaced by others in later views. They are
// shared by all, so whoever gets one must not modify it either. They have no
// Nodes: List and Walk give the children. Their keys are those that the server
// uses; that of the root is empty.
type View struct {
	nodes    *tree
	index    uint64
	replaced chan struct{} // closed when there is a newer view
}

// Index gives the index of the store at which the mirrored directory was as the
// view shows it. So it was until the index of the next view, as far as the
// server tells, which is said at the package.
func (v *View) Index() uint64 { return v.index }

// Get gives the node at key, nil if there is none. Of a key, leading, trailing and
// doubled slashes don't count.
func (v *View) Get(key string) *client.Node { return v.nodes.find(clean(key)) }

// List gives the children of dir, sorted by key; none if it is missing or a file.
// The slice belongs to the caller.
func (v *View) List(dir string) client.Nodes {
	dir = clean(dir)
	var children client.Nodes
	next := after(dir)
	for next != nil {
		from := next
		next = nil
		v.nodes.ascend(from, func(n *client.Node) bool {
			if !isWithin(n.Key, dir) {
				return false
			}
			children = append(children, n)
			if n.Dir {
				next = afterAll(n.Key) // past its children
			}
			return !n.Dir
		})
	}
	return children
}

// Walk gives the node at dir and all nodes below it, in the order of their names,
// each directory before its children; none if dir is missing.
func (v *View) Walk(dir string) iter.Seq[*client.Node] {
	dir = clean(dir)
	return func(yield func(*client.Node) bool) {
		v.nodes.ascend(from(dir), func(n *client.Node) bool {
			return isWithin(n.Key, dir) && yield(n)
		})
	}
}

// clean gives a key as the server writes it, the root as "".
func clean(key string) string {
	if strings.HasPrefix(key, "/") && !strings.HasSuffix(key, "/") && !strings.Contains(key, "//") {
		return key
	}
	var b strings.Builder
	for name := range strings.SplitSeq(key, "/") {
		if name != "" {
			b.WriteString("/" + name)
		}
	}
	return b.String()
}

// isWithin reports whether key is dir or below it. Both are clean.
func isWithin(key, dir string) bool {
	below, ok := strings.CutPrefix(key, dir)
	return ok && (below == "" || below[0] == '/')
}
