package keysapi

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// keysOf makes keys in the order of the store. The first has the revision 1, and so
// on, and a lease of that number if it is among leased.
func keysOf(names []string, leased ...string) []*mvccpb.KeyValue {
	kvs := make([]*mvccpb.KeyValue, 0, len(names))
	for i, name := range names {
		kv := &mvccpb.KeyValue{Key: []byte(name), CreateRevision: int64(i + 1), ModRevision: int64(i + 1)}
		if !strings.HasSuffix(name, "/") {
			kv.Value = []byte("v")
		}
		if slices.Contains(leased, name) {
			kv.Lease = int64(i + 1)
		}
		kvs = append(kvs, kv)
	}
	slices.SortFunc(kvs, func(a, b *mvccpb.KeyValue) int { return strings.Compare(string(a.Key), string(b.Key)) })
	return kvs
}

// written writes a tree as key@index, directories with a slash, children in brackets. The
// root has no key.
func written(n *client.Node) string {
	text := n.Key
	if n.Dir {
		text += "/"
	}
	if n.ModifiedIndex > 0 {
		text += fmt.Sprintf("@%d", n.ModifiedIndex)
	}
	if n.Value != "" {
		text += "=" + n.Value
	}
	if len(n.Nodes) == 0 {
		return text
	}
	children := make([]string, 0, len(n.Nodes))
	for _, child := range n.Nodes {
		children = append(children, written(child))
	}
	return text + "[" + strings.Join(children, " ") + "]"
}

func TestTrees(t *testing.T) {
	for name, tt := range map[string]struct {
		prefix, key string
		names       []string
		recursive   bool
		want        string
	}{
		"nothing":            {"", "/", nil, true, "/"},
		"a marker alone":     {"", "/d", []string{"/d/"}, true, "/d/@1"},
		"files":              {"", "/d", []string{"/d/", "/d/b", "/d/a"}, false, "/d/@1[/d/a@3=v /d/b@2=v]"},
		"without markers":    {"", "/d", []string{"/d/a/x", "/d/b"}, true, "/d/@1[/d/a/@1[/d/a/x@1=v] /d/b@2=v]"},
		"one level":          {"", "/", []string{"/d/", "/d/a/", "/d/a/x", "/f"}, false, "/[/d/@1 /f@4=v]"},
		"all levels":         {"", "/", []string{"/d/", "/d/a/", "/d/a/x", "/f"}, true, "/[/d/@1[/d/a/@2[/d/a/x@3=v]] /f@4=v]"},
		"the order of v2":    {"", "/", []string{"/a/", "/a/x", "/a-b", "/a0"}, true, "/[/a/@1[/a/x@2=v] /a-b@3=v /a0@4=v]"},
		"hidden":             {"", "/d", []string{"/d/", "/d/_h", "/d/_g/", "/d/_g/x", "/d/a/_h", "/d/a/b_"}, true, "/d/@1[/d/a/@5[/d/a/b_@6=v]]"},
		"below a hidden one": {"", "/_d", []string{"/_d/", "/_d/a"}, true, "/_d/@1[/_d/a@2=v]"},
		"not of v2":          {"", "/d", []string{"/d/", "/d/\x00", "/d//x", "/d/a\x00b", "/d/c/\x00", "/d/c//"}, true, "/d/@1[/d/c/@5]"},
		"below a prefix":     {"/p", "/d", []string{"/p/d/", "/p/d/a"}, true, "/d/@1[/d/a@2=v]"},
		"a prefix's root":    {"/p", "/", []string{"/p/", "/p/a"}, true, "/[/a@2=v]"},
	} {
		p, err := placeOf(tt.prefix, tt.key)
		if err != nil {
			t.Fatal(err)
		}
		got, found := treeOf(p, keysOf(tt.names), tt.recursive)
		if text := written(got); text != tt.want {
			t.Errorf("%s: got %s, want %s", name, text, tt.want)
		}
		if len(found) > 0 {
			t.Errorf("%s: there are leases: %v", name, found)
		}
	}
}

// A directory has the lease of its marker, not that of what is in it.
func TestLeasesOfTrees(t *testing.T) {
	p, err := placeOf("", "/d")
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"/d/", "/d/a", "/d/e/", "/d/e/x", "/d/g/x", "/d/_h"}
	_, found := treeOf(p, keysOf(names, names...), true)
	for lease, want := range []string{1: "/d", 2: "/d/a", 3: "/d/e", 4: "/d/e/x", 5: "/d/g/x", 6: ""} {
		var keys []string
		for _, n := range found[clientv3.LeaseID(lease)] {
			keys = append(keys, n.Key)
		}
		if got := strings.Join(keys, " "); got != want {
			t.Errorf("lease %d is of %q, want %q", lease, got, want)
		}
	}
}
