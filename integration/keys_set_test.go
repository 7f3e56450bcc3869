package integration

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestSetWithoutCondition(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/k", "one", nil)
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "set", Node: &client.Node{Key: "/k", Value: "one"}})
			if resp.Index != resp.Node.ModifiedIndex || resp.Node.CreatedIndex != resp.Node.ModifiedIndex {
				t.Errorf("indexes of a new key: response %d, node %d created %d", resp.Index, resp.Node.ModifiedIndex, resp.Node.CreatedIndex)
			}
			resp, err = kapi.Set(ctx, "/k", "two", nil)
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action:   "set",
				Node:     &client.Node{Key: "/k", Value: "two"},
				PrevNode: &client.Node{Key: "/k", Value: "one"},
			})
			resp, err = kapi.Set(ctx, "/k", "", nil)
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action:   "set",
				Node:     &client.Node{Key: "/k"},
				PrevNode: &client.Node{Key: "/k", Value: "two"},
			})
		})
	}
}

func TestSetUnderACondition(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			_, err := kapi.Set(ctx, "/k", "1", &client.SetOptions{PrevExist: client.PrevExist})
			wantKeysError(t, c, err, client.ErrorCodeKeyNotFound, 404, "/k")
			if !client.IsKeyNotFound(err) {
				t.Errorf("IsKeyNotFound(%v) is false", err)
			}

			resp, err := kapi.Set(ctx, "/k", "1", &client.SetOptions{PrevExist: client.PrevNoExist})
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "create", Node: &client.Node{Key: "/k", Value: "1"}})
			_, err = kapi.Set(ctx, "/k", "2", &client.SetOptions{PrevExist: client.PrevNoExist})
			wantKeysError(t, c, err, client.ErrorCodeNodeExist, 412, "/k")
			if !client.IsNodeExist(err) {
				t.Errorf("IsNodeExist(%v) is false", err)
			}

			resp, err = kapi.Set(ctx, "/k", "2", &client.SetOptions{PrevValue: "1"})
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action: "compareAndSwap", Node: &client.Node{Key: "/k", Value: "2"}, PrevNode: &client.Node{Key: "/k", Value: "1"},
			})
			_, err = kapi.Set(ctx, "/k", "3", &client.SetOptions{PrevValue: "1"})
			wantKeysError(t, c, err, client.ErrorCodeTestFailed, 412, "[1 != 2]")
			if !client.IsTestFailed(err) {
				t.Errorf("IsTestFailed(%v) is false", err)
			}

			resp, err = kapi.Set(ctx, "/k", "3", &client.SetOptions{PrevIndex: resp.Node.ModifiedIndex})
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action: "compareAndSwap", Node: &client.Node{Key: "/k", Value: "3"}, PrevNode: &client.Node{Key: "/k", Value: "2"},
			})
			if _, err = kapi.Set(ctx, "/k", "4", &client.SetOptions{PrevIndex: 1}); !client.IsTestFailed(err) {
				t.Errorf("a wrong index: %v", err)
			}

			resp, err = kapi.Set(ctx, "/k", "4", &client.SetOptions{PrevExist: client.PrevExist})
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action: "update", Node: &client.Node{Key: "/k", Value: "4"}, PrevNode: &client.Node{Key: "/k", Value: "3"},
			})
		})
	}
}

func TestSetNoValueOnSuccess(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/k", "1", &client.SetOptions{NoValueOnSuccess: true})
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "set"})
			if resp.Index == 0 {
				t.Error("the index is missing")
			}
		})
	}
}

func TestCreateAndUpdate(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			_, err := kapi.Update(ctx, "/k", "0")
			wantKeysError(t, c, err, client.ErrorCodeKeyNotFound, 404, "/k")

			resp, err := kapi.Create(ctx, "/k", "1")
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "create", Node: &client.Node{Key: "/k", Value: "1"}})
			_, err = kapi.Create(ctx, "/k", "2")
			wantKeysError(t, c, err, client.ErrorCodeNodeExist, 412, "/k")

			resp, err = kapi.Update(ctx, "/k", "2")
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action: "update", Node: &client.Node{Key: "/k", Value: "2"}, PrevNode: &client.Node{Key: "/k", Value: "1"},
			})
		})
	}
}

func TestSetDir(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/d", "", &client.SetOptions{Dir: true})
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "set", Node: &client.Node{Key: "/d", Dir: true}})

			_, err = kapi.Set(ctx, "/d", "value", nil)
			wantKeysError(t, c, err, client.ErrorCodeNotFile, 403, "/d")

			resp, err = kapi.Set(ctx, "/file", "value", nil)
			mustResponse(t, resp, err)
			_, err = kapi.Set(ctx, "/file/child", "value", nil)
			wantKeysError(t, c, err, client.ErrorCodeNotDir, 400, "/file")
		})
	}
}

func TestRootIsReadOnly(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			_, err := kapi.Set(ctx, "/", "value", nil)
			wantKeysError(t, c, err, client.ErrorCodeRootROnly, 400, "/")
			_, err = kapi.Delete(ctx, "/", &client.DeleteOptions{Recursive: true})
			wantKeysError(t, c, err, client.ErrorCodeRootROnly, 400, "/")
		})
	}
}

func TestTTLIsRoundedUp(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/long", "1", &client.SetOptions{TTL: 1500 * time.Millisecond})
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "set", Node: &client.Node{Key: "/long", Value: "1", TTL: 2}})
			if resp.Node.Expiration == nil || resp.Node.TTLDuration() != 2*time.Second {
				t.Errorf("expiration %v, TTL %v", resp.Node.Expiration, resp.Node.TTLDuration())
			}

			resp, err = kapi.Set(ctx, "/short", "1", &client.SetOptions{TTL: time.Millisecond})
			wantResponse(t, mustResponse(t, resp, err), client.Response{Action: "set", Node: &client.Node{Key: "/short", Value: "1", TTL: 1}})
			harness.WaitFor(t, callTimeout, func() error {
				if _, err := kapi.Get(ctx, "/short", nil); !client.IsKeyNotFound(err) {
					return errors.Join(errors.New("not expired"), err)
				}
				return nil
			})
		})
	}
}

func TestRefreshRenewsTheTTLOnly(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			first, err := kapi.Set(ctx, "/k", "kept", &client.SetOptions{TTL: 100 * time.Second})
			mustResponse(t, first, err)
			resp, err := kapi.Set(ctx, "/k", "", &client.SetOptions{
				Refresh: true, PrevExist: client.PrevExist, TTL: 200 * time.Second,
			})
			wantResponse(t, mustResponse(t, resp, err), client.Response{
				Action:   "update",
				Node:     &client.Node{Key: "/k", Value: "kept", TTL: 200},
				PrevNode: &client.Node{Key: "/k", Value: "kept", TTL: 100},
			})
			resp, err = kapi.Set(ctx, "/k", "after", nil)
			mustResponse(t, resp, err)

			event, err := kapi.Watcher("/k", &client.WatcherOptions{AfterIndex: first.Node.ModifiedIndex}).Next(ctx)
			if mustResponse(t, event, err); event.Action != "set" || event.Node.Value != "after" {
				t.Errorf("the first event after a refresh is %s of %v", event.Action, event.Node)
			}
		})
	}
}

func TestCreateInOrder(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			want := []string{"first", "second", "third"}
			for _, v := range want {
				resp, err := kapi.CreateInOrder(ctx, "/queue", v, &client.CreateInOrderOptions{TTL: 100 * time.Second})
				mustResponse(t, resp, err)
				if resp.Action != "create" || resp.Node.TTL != 100 {
					t.Errorf("got %s with TTL %d", resp.Action, resp.Node.TTL)
				}
			}
			resp, err := kapi.CreateInOrder(ctx, "/queue", "fourth", nil)
			if mustResponse(t, resp, err).Node.TTL != 0 {
				t.Errorf("without TTL: %d", resp.Node.TTL)
			}
			want = append(want, "fourth")

			resp, err = kapi.Get(ctx, "/queue", &client.GetOptions{Sort: true})
			mustResponse(t, resp, err)
			got := make([]string, 0, len(want))
			for _, n := range resp.Node.Nodes {
				got = append(got, n.Value)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			byKey := func(a, b *client.Node) int { return int(a.CreatedIndex) - int(b.CreatedIndex) }
			if !slices.IsSortedFunc(resp.Node.Nodes, byKey) {
				t.Error("the order of keys is not that of their creation")
			}
		})
	}
}
