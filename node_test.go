package client_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"testing"

	"github.com/coreos/etcd/client"
)

func file(key string) *client.Node { return &client.Node{Key: key, Value: key} }

func dir(key string, nodes ...*client.Node) *client.Node {
	return &client.Node{Key: key, Dir: true, Nodes: nodes}
}

// walkedTree has an empty directory, a nil node and several levels.
func walkedTree() *client.Node {
	return dir("",
		dir("/a", file("/a/1"), dir("/a/b", file("/a/b/1"), file("/a/b/2")), file("/a/2")),
		nil,
		dir("/e"),
		file("/f"))
}

func TestNode_Walk(t *testing.T) {
	errStop := errors.New("stop")
	all := []string{"", "/a", "/a/1", "/a/b", "/a/b/1", "/a/b/2", "/a/2", "/e", "/f"}
	tests := []struct {
		name string
		at   string // where the visit returns err
		err  error
		want []string
	}{
		{"all", "-", nil, all},
		{"skip a directory", "/a/b", fs.SkipDir, []string{"", "/a", "/a/1", "/a/b", "/a/2", "/e", "/f"}},
		{"skip by a wrapped error", "/a/b", fmt.Errorf("no: %w", fs.SkipDir), []string{"", "/a", "/a/1", "/a/b", "/a/2", "/e", "/f"}},
		{"skip the rest", "/a/1", fs.SkipDir, []string{"", "/a", "/a/1", "/e", "/f"}},
		{"skip the rest below", "/a/b/1", fs.SkipDir, []string{"", "/a", "/a/1", "/a/b", "/a/b/1", "/a/2", "/e", "/f"}},
		{"skip an empty directory", "/e", fs.SkipDir, all},
		{"skip the root", "", fs.SkipDir, []string{""}},
		{"skip all", "/a/b/1", fs.SkipAll, []string{"", "/a", "/a/1", "/a/b", "/a/b/1"}},
		{"error", "/a/b/1", errStop, []string{"", "/a", "/a/1", "/a/b", "/a/b/1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			err := walkedTree().Walk(func(n *client.Node) error {
				got = append(got, n.Key)
				if n.Key == tt.at {
					return tt.err
				}
				return nil
			})
			if same(tt.err, errStop) != same(err, errStop) || err != nil && !same(err, errStop) {
				t.Errorf("got %v", err)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("visited %q, want %q", got, tt.want)
			}
		})
	}
}

func keysOf(nodes []*client.Node) []string {
	var keys []string
	for _, n := range nodes {
		keys = append(keys, n.Key)
	}
	return keys
}

func TestNode_AllAndLeaves(t *testing.T) {
	tree := walkedTree()
	if got := keysOf(slices.Collect(tree.All())); len(got) != 9 {
		t.Errorf("all: %q", got)
	}
	if got, want := keysOf(slices.Collect(tree.Leaves())), []string{"/a/1", "/a/b/1", "/a/b/2", "/a/2", "/f"}; !slices.Equal(got, want) {
		t.Errorf("leaves: %q, want %q", got, want)
	}
	if got := keysOf(slices.Collect(file("/f").Leaves())); !slices.Equal(got, []string{"/f"}) {
		t.Errorf("leaves of a file: %q", got)
	}
	for n := range tree.Leaves() { // a loop that is left
		if n.Key != "/a/1" {
			t.Errorf("began with %q", n.Key)
		}
		break
	}
	var none *client.Node
	if got := slices.Collect(none.All()); len(got) != 0 {
		t.Errorf("all of nil: %v", got)
	}
	if err := none.Walk(func(*client.Node) error { return fs.SkipAll }); err != nil {
		t.Error(err)
	}
}

func TestNode_WalkDeepTrees(t *testing.T) {
	const depth = 100_000
	tree := file("/end")
	for range depth {
		tree = dir("/d", tree)
	}
	n := 0
	for range tree.All() {
		n++
	}
	if n != depth+1 {
		t.Errorf("%d nodes", n)
	}
}

func TestResponse_ResumeIndex(t *testing.T) {
	at := func(index uint64, nodes ...*client.Node) *client.Node {
		return &client.Node{Key: "/a", ModifiedIndex: index, Nodes: nodes}
	}
	tests := []struct {
		name string
		resp *client.Response
		want uint64
	}{
		{"get", &client.Response{Action: "get", Index: 20, Node: at(7)}, 20},
		{"recursive get", &client.Response{Action: "get", Index: 20, Node: at(7, at(9))}, 20},
		{"Modify that left what is missing", &client.Response{Action: "get", Index: 20}, 20},
		{"set", &client.Response{Action: "set", Index: 20, Node: at(20)}, 20},
		{"set of which a proxy dropped the index", &client.Response{Action: "set", Node: at(20)}, 20},
		{"set without value", &client.Response{Action: "set", Index: 20}, 20},
		{"new event", &client.Response{Action: "set", Index: 10, Node: at(20)}, 20},
		{"event of the history", &client.Response{Action: "expire", Index: 30, Node: at(20)}, 20},
		{"get of which a proxy dropped the index", &client.Response{Action: "get", Node: at(7, at(9), nil, at(8))}, 9},
		{"root of which a proxy dropped the index", &client.Response{Action: "get", Node: at(0)}, 1},
		{"nothing known", &client.Response{}, 1},
		{"event without index", &client.Response{Action: "set", Node: at(0)}, 1},
		{"nil", nil, 1},
	}
	for _, tt := range tests {
		if got := tt.resp.ResumeIndex(); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
