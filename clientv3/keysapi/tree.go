package keysapi

import (
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/client"
)

// A tree makes nodes of keys in the order of the store, where what is in a directory
// is not interrupted by anything else. It notes what leases they have.
type tree struct {
	recursive bool
	prefix    int            // the length of that of all keys
	open      []*client.Node // the directories on the way to the last key
	leases    leases
}

// treeOf gives the directory at p with what is below it, of which keys are in the
// order of the store. The indexes of a directory without a marker are those of the
// first key in it.
func treeOf(p place, keys []*mvccpb.KeyValue, recursive bool) (*client.Node, leases) {
	base := &client.Node{Dir: true}
	if !p.isRoot() {
		base = dirNode(p.key, keys[0])
	}
	t := &tree{recursive: recursive, prefix: len(p.marker) - len(base.Key+"/"), open: []*client.Node{base}}
	if len(keys) > 0 && string(keys[0].Key) == p.marker && !p.isRoot() {
		t.leases.note(base, keys[0])
	}
	for _, kv := range keys {
		t.add(kv)
	}
	sortTree(base)
	return base, t.leases
}

func (t *tree) add(kv *mvccpb.KeyValue) {
	for len(t.open) > 1 && !isBelow(t.open[len(t.open)-1].Key, kv.Key[t.prefix:]) {
		t.open = t.open[:len(t.open)-1]
	}
	if len(t.open) > 1 && !t.recursive {
		return
	}
	key, dir := string(kv.Key[t.prefix:]), t.open[len(t.open)-1]
	for begin := len(dir.Key) + 1; ; {
		name, _, isDir := strings.Cut(key[begin:], "/")
		if isForeign(name) || isHidden(name) {
			return
		}
		if !isDir {
			n := fileNode(key, kv)
			dir.Nodes = append(dir.Nodes, n)
			t.leases.note(n, kv)
			return
		}
		end := begin + len(name)
		n := dirNode(key[:end], kv)
		dir.Nodes = append(dir.Nodes, n)
		t.open = append(t.open, n)
		if key[end:] == "/" {
			t.leases.note(n, kv)
		}
		if !t.recursive {
			return
		}
		dir, begin = n, end+1
	}
}

// isBelow reports whether key is that of a node below dir.
func isBelow(dir string, key []byte) bool {
	return len(key) > len(dir) && key[len(dir)] == '/' && string(key[:len(dir)]) == dir
}

// sortTree puts siblings in the order of their keys, which is not that of the store:
// "/a-b" comes before "/a/x" there, and after "/a" here.
func sortTree(n *client.Node) {
	slices.SortFunc(n.Nodes, func(a, b *client.Node) int { return strings.Compare(a.Key, b.Key) })
	for _, child := range n.Nodes {
		sortTree(child)
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
