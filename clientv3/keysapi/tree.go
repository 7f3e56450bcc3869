package keysapi

import (
	"path"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/client"
)

// A tree makes nodes of keys, and remembers what the leases say of them.
type tree struct {
	base      *client.Node
	recursive bool
	dirs      map[string]*client.Node // by key
	leases    leases
}

// treeOf gives the directory at p with what is below it, of which keys are in the
// order of the store. The indexes of a directory without a marker are those of the
// first key in it.
func treeOf(p place, keys []*mvccpb.KeyValue, recursive bool) (*client.Node, leases) {
	t := &tree{base: &client.Node{Dir: true}, recursive: recursive, leases: leases{}}
	if !p.isRoot() {
		t.base = dirNode(p.key, keys[0])
	}
	t.dirs = map[string]*client.Node{p.key: t.base}
	for _, kv := range keys {
		t.add(p.key, strings.TrimPrefix(string(kv.Key), p.marker), kv)
	}
	if len(keys) > 0 && string(keys[0].Key) == p.marker && !p.isRoot() {
		t.leases.note(t.base, keys[0])
	}
	t.sort(t.base)
	return t.base, t.leases
}

// add takes a key, which is rest below the directory dir.
func (t *tree) add(dir, rest string, kv *mvccpb.KeyValue) {
	name, rest, isDir := strings.Cut(rest, "/")
	if isForeign(name) || isHidden(name) {
		return
	}
	key := path.Join(dir, name)
	n := t.dirs[key]
	if n == nil {
		if isDir {
			n = dirNode(key, kv)
			t.dirs[key] = n
		} else {
			n = fileNode(key, kv)
		}
		t.dirs[dir].Nodes = append(t.dirs[dir].Nodes, n)
		if !isDir || rest == "" {
			t.leases.note(n, kv)
		}
	}
	if isDir && t.recursive {
		t.add(key, rest, kv)
	}
}

// sort puts siblings in the order of their keys, which is not that of the store:
// "/a-b" comes before "/a/x" there, and after "/a" here.
func (t *tree) sort(n *client.Node) {
	slices.SortFunc(n.Nodes, func(a, b *client.Node) int { return strings.Compare(a.Key, b.Key) })
	for _, child := range n.Nodes {
		t.sort(child)
	}
}

func fileNode(key string, kv *mvccpb.KeyValue) *client.Node {
	return &client.Node{
		Key: key, Value: string(kv.Value), CreatedIndex: uint64(kv.CreateRevision), ModifiedIndex: uint64(kv.ModRevision),
	}
}

func dirNode(key string, kv *mvccpb.KeyValue) *client.Node {
	return &client.Node{Key: key, Dir: true, CreatedIndex: uint64(kv.CreateRevision), ModifiedIndex: uint64(kv.ModRevision)}
}
