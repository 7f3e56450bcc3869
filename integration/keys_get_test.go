package integration

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// plantTree stores a small tree, with its keys in no order.
func plantTree(t *testing.T, c *harness.Cluster) {
	t.Helper()
	kapi, ctx := newKeys(t, c)
	for _, key := range []string{"/tree/c", "/tree/b/2", "/tree/_hidden", "/tree/a", "/tree/b/1"} {
		resp, err := kapi.Set(ctx, key, "at "+key, nil)
		mustResponse(t, resp, err)
	}
}

func leaf(key string) *client.Node { return &client.Node{Key: key, Value: "at " + key} }

func TestGet(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			plantTree(t, c)
			kapi, ctx := newKeys(t, c)
			shallow := client.Nodes{leaf("/tree/a"), {Key: "/tree/b", Dir: true}, leaf("/tree/c")}
			deep := client.Nodes{
				leaf("/tree/a"),
				{Key: "/tree/b", Dir: true, Nodes: client.Nodes{leaf("/tree/b/1"), leaf("/tree/b/2")}},
				leaf("/tree/c"),
			}
			for _, tt := range []struct {
				name string
				key  string
				opts *client.GetOptions
				want client.Node
			}{
				{"a value", "/tree/a", nil, *leaf("/tree/a")},
				{"a value by quorum", "/tree/a", &client.GetOptions{Quorum: true}, *leaf("/tree/a")},
				{"a hidden value by its name", "/tree/_hidden", nil, *leaf("/tree/_hidden")},
				{"a directory", "/tree", &client.GetOptions{Sort: true}, client.Node{Key: "/tree", Dir: true, Nodes: shallow}},
				{
					"a directory and all below", "/tree", &client.GetOptions{Recursive: true, Sort: true},
					client.Node{Key: "/tree", Dir: true, Nodes: deep},
				},
				{
					"all of it by quorum", "/tree", &client.GetOptions{Recursive: true, Sort: true, Quorum: true},
					client.Node{Key: "/tree", Dir: true, Nodes: deep},
				},
				{"the root", "/", &client.GetOptions{Sort: true}, client.Node{Dir: true, Nodes: client.Nodes{{Key: "/tree", Dir: true}}}},
			} {
				t.Run(tt.name, func(t *testing.T) {
					resp, err := kapi.Get(ctx, tt.key, tt.opts)
					wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "get", Node: &tt.want})
					if resp.Index == 0 || resp.ClusterID == "" {
						t.Errorf("index %d, cluster ID %q", resp.Index, resp.ClusterID)
					}
				})
			}
		})
	}
}

func TestGetUnsortedHasAllChildren(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			plantTree(t, c)
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Get(ctx, "/tree/b", nil)
			mustResponse(t, resp, err)
			want := client.Nodes{leaf("/tree/b/1"), leaf("/tree/b/2")}
			byKey := cmpopts.SortSlices(func(a, b *client.Node) bool { return a.Key < b.Key })
			if diff := cmp.Diff(want, resp.Node.Nodes, ignoreMoments(), byKey); diff != "" {
				t.Errorf("children (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKeysBelowAPrefix(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			sub := client.NewKeysAPIWithPrefix(cl, "/v2/keys/sub")
			resp, err := sub.Set(ctx, "a", "1", nil)
			mustResponse(t, resp, err)

			resp, err = client.NewKeysAPI(cl).Get(ctx, "/sub/a", nil)
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "get", Node: &client.Node{Key: "/sub/a", Value: "1"}})
			resp, err = sub.Get(ctx, "/a", nil)
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "get", Node: &client.Node{Key: "/sub/a", Value: "1"}})
		})
	}
}
