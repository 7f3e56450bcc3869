package dump

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// tree walks through a snapshot of a store in tree order. Hidden nodes, which each
// take a request, are in it where they have been asked for.
type tree struct {
	store *store
	root  string

	index     uint64
	clusterID string
	there     bool // the root exists

	open   []client.Nodes // of each directory on the way down, what comes next; the innermost last
	hidden client.Nodes   // what has been asked for and comes later
	found  []string       // their keys
}

// readTree reads all at and below root, a clean key, and the hidden nodes, which
// are clean and in tree order.
func readTree(ctx context.Context, s *store, root string, hidden []string) (*tree, error) {
	t := &tree{store: s, root: root}
	r, err := s.get(ctx, root, true)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return t, nil
	}
	if cmp.Or(r.Node.Key, "/") != root {
		return nil, &client.InvalidInputError{
			Field: "KeysAPI", Value: root,
			Reason: fmt.Sprintf("the server knows it as %q: a prefix that names a directory won't do", r.Node.Key),
		}
	}
	t.there, t.index, t.clusterID = true, r.Index, r.ClusterID
	if root == "/" {
		t.push(r.Node.Nodes)
	} else {
		t.push(client.Nodes{r.Node})
	}
	return t, t.readHidden(ctx, hidden)
}

// readHidden asks for hidden nodes, each with what is below it.
func (t *tree) readHidden(ctx context.Context, keys []string) error {
	for _, key := range keys {
		r, err := t.store.get(ctx, key, true)
		switch {
		case err != nil:
			return err
		case r != nil:
			t.hidden = append(t.hidden, r.Node)
			t.found = append(t.found, key)
		}
	}
	return nil
}

// ask looks for a hidden node that belongs before the next one.
func (t *tree) ask(ctx context.Context, key string) error {
	r, err := t.store.get(ctx, key, true)
	if err == nil && r != nil {
		t.push(client.Nodes{r.Node})
	}
	return err
}

func (t *tree) push(nodes client.Nodes) {
	byKey := func(a, b *client.Node) int { return compareKeys(a.Key, b.Key) }
	if !slices.IsSortedFunc(nodes, byKey) { // a KeysAPI of another make
		slices.SortFunc(nodes, byKey)
	}
	t.open = append(t.open, nodes)
}

// peek gives the next node; nil: there is none.
func (t *tree) peek() *client.Node {
	for len(t.open) > 0 && len(t.open[len(t.open)-1]) == 0 {
		t.open = t.open[:len(t.open)-1]
	}
	var next *client.Node
	if len(t.open) > 0 {
		next = t.open[len(t.open)-1][0]
	}
	if len(t.hidden) > 0 && (next == nil || compareKeys(t.hidden[0].Key, next.Key) < 0) {
		next = t.hidden[0]
		t.push(t.hidden[:1:1])
		t.hidden = t.hidden[1:]
	}
	return next
}

// pop goes on behind the node that peek gave, to what is below it.
func (t *tree) pop() {
	top := &t.open[len(t.open)-1]
	node := (*top)[0]
	*top = (*top)[1:]
	if len(node.Nodes) > 0 {
		t.push(node.Nodes)
	}
}

// skip goes on behind the node that peek gave and all below it.
func (t *tree) skip() {
	top := &t.open[len(t.open)-1]
	within := (*top)[0].Key
	*top = (*top)[1:]
	for len(t.hidden) > 0 && keypath.IsWithin(t.hidden[0].Key, within) {
		t.hidden = t.hidden[1:]
	}
}

// toNode gives a store's node as a dump has it.
func toNode(n *client.Node) Node {
	node := Node{Key: n.Key, Dir: n.Dir, Value: n.Value, Created: n.CreatedIndex, Modified: n.ModifiedIndex}
	if n.Expiration != nil {
		at := n.Expiration.UTC()
		node.Expiration = &at
	} else if n.TTL > 0 { // a KeysAPI of another make
		at := time.Now().Add(n.TTLDuration()).UTC()
		node.Expiration = &at
	}
	return node
}
