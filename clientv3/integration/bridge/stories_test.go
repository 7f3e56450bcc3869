package bridge

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A node expires in both, and the watches that wait are told alike of it and of what
// else happens. What both are told is that of their own servers, in the same order.
func TestBridgeTellsNewsAsV2Does(t *testing.T) {
	onEach(t, func(st *stage) {
		var told [2][]string
		for side, kapi := range []client.KeysAPI{st.v2, st.bridge} {
			told[side] = news(st.ctx, st, kapi)
		}
		if diff := cmp.Diff(told[0], told[1]); diff != "" {
			st.Errorf("events (-v2 +bridge):\n%s", diff)
		}
	})
}

func news(ctx context.Context, tb testing.TB, kapi client.KeysAPI) []string {
	tb.Helper()
	watching := func(key string, recursive bool) func() string {
		at := set(ctx, tb, kapi, "/begin", nil)
		w := kapi.Watcher(key, &client.WatcherOptions{Recursive: recursive, AfterIndex: at})
		return func() string {
			ev, err := w.Next(ctx)
			if err != nil {
				tb.Fatal(err)
			}
			return strings.Join([]string{key, ev.Action, ev.Node.Key, ev.Node.Value}, " ")
		}
	}
	below, one := watching("/n", true), watching("/n/d/x", false)
	set(ctx, tb, kapi, "/n/_hidden", nil)
	set(ctx, tb, kapi, "/n/short", &client.SetOptions{TTL: 3 * time.Second})
	lines := []string{below(), below()}
	set(ctx, tb, kapi, "/n/d/x", nil)
	lines = append(lines, below(), one())
	if _, err := kapi.Delete(ctx, "/n/d", &client.DeleteOptions{Recursive: true}); err != nil {
		tb.Fatal(err)
	}
	return append(lines, below(), one())
}

func set(ctx context.Context, tb testing.TB, kapi client.KeysAPI, key string, opts *client.SetOptions) uint64 {
	tb.Helper()
	resp, err := kapi.Set(ctx, key, "v", opts)
	if err != nil {
		tb.Fatal(err)
	}
	return resp.Node.ModifiedIndex
}

// Names of CreateInOrder stay unique and in order when several clients create them, and
// others delete what they have read.
func TestInOrderNamesOfManyWriters(t *testing.T) {
	const writers, each = 6, 25
	server := harness.ServersV3(t)
	cluster := start(t, server[len(server)-1])
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	var mu sync.Mutex // guards names
	var names []string
	var group sync.WaitGroup
	for range writers {
		kapi := keysapi.New(newClient(t, cluster))
		group.Go(func() {
			last := ""
			for range each {
				resp, err := kapi.CreateInOrder(ctx, "/queue", "job", nil)
				if err != nil {
					t.Error(err)
					return
				}
				if resp.Node.Key <= last {
					t.Errorf("%s was created after %s", resp.Node.Key, last)
				}
				last = resp.Node.Key
				if _, err = kapi.Delete(ctx, last, nil); err != nil {
					t.Error(err)
				}
				mu.Lock()
				names = append(names, last)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(names)
	if n := len(slices.Compact(names)); n != writers*each {
		t.Errorf("%d different names of %d nodes", n, writers*each)
	}
	resp, err := keysapi.New(newClient(t, cluster)).Get(ctx, "/queue", &client.GetOptions{Quorum: true})
	if err != nil || len(resp.Node.Nodes) > 0 {
		t.Errorf("left: %v, %v", resp, err)
	}
}
