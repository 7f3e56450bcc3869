package integration

import (
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestDelete(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			set := func(key string) *client.Response {
				resp, err := kapi.Set(ctx, key, "v", nil)
				return mustResponse(t, resp, err)
			}
			gone := func(action string) client.Response {
				return client.Response{Action: action, Node: &client.Node{Key: "/k"}, PrevNode: &client.Node{Key: "/k", Value: "v"}}
			}

			_, err := kapi.Delete(ctx, "/k", nil)
			wantKeysError(t, c, err, client.ErrorCodeKeyNotFound, 404, "/k")

			set("/k")
			resp, err := kapi.Delete(ctx, "/k", nil)
			wantResponse(t, mustResponse(t, resp, err), gone("delete"))

			set("/k")
			_, err = kapi.Delete(ctx, "/k", &client.DeleteOptions{PrevValue: "w"})
			wantKeysError(t, c, err, client.ErrorCodeTestFailed, 412, "[w != v]")
			resp, err = kapi.Delete(ctx, "/k", &client.DeleteOptions{PrevValue: "v"})
			wantResponse(t, mustResponse(t, resp, err), gone("compareAndDelete"))

			index := set("/k").Node.ModifiedIndex
			if _, err = kapi.Delete(ctx, "/k", &client.DeleteOptions{PrevIndex: 1}); !client.IsTestFailed(err) {
				t.Errorf("a wrong index: %v", err)
			}
			resp, err = kapi.Delete(ctx, "/k", &client.DeleteOptions{PrevIndex: index})
			wantResponse(t, mustResponse(t, resp, err), gone("compareAndDelete"))
		})
	}
}

func TestDeleteDir(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			dirGone := client.Response{
				Action: "delete", Node: &client.Node{Key: "/d", Dir: true}, PrevNode: &client.Node{Key: "/d", Dir: true},
			}
			resp, err := kapi.Set(ctx, "/d", "", &client.SetOptions{Dir: true})
			mustResponse(t, resp, err)
			_, err = kapi.Delete(ctx, "/d", nil)
			wantKeysError(t, c, err, client.ErrorCodeNotFile, 403, "/d")
			resp, err = kapi.Delete(ctx, "/d", &client.DeleteOptions{Dir: true})
			wantResponse(t, mustResponse(t, resp, err), dirGone)

			resp, err = kapi.Set(ctx, "/d/child", "v", nil)
			mustResponse(t, resp, err)
			_, err = kapi.Delete(ctx, "/d", &client.DeleteOptions{Dir: true})
			wantKeysError(t, c, err, client.ErrorCodeDirNotEmpty, 403, "/d")
			resp, err = kapi.Delete(ctx, "/d", &client.DeleteOptions{Recursive: true})
			wantResponse(t, mustResponse(t, resp, err), dirGone)
			if _, err := kapi.Get(ctx, "/d/child", nil); !client.IsKeyNotFound(err) {
				t.Errorf("a child of a deleted directory: %v", err)
			}
		})
	}
}
