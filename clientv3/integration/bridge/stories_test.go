package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
			return fmt.Sprintf("%s: %s, was %s", key, line(ev.Action, ev.Node), line("", ev.PrevNode))
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
	lines = append(lines, below(), one())
	if _, err := kapi.Set(ctx, "/n/empty", "", &client.SetOptions{Dir: true, TTL: 3 * time.Second}); err != nil {
		tb.Fatal(err)
	}
	return append(lines, below(), below())
}

// line writes a node, without indexes, and times, which are those of its server.
func line(action string, n *client.Node) string {
	if n == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s %s=%q, directory: %v", action, n.Key, n.Value, n.Dir)
}

// A watch without an index tells of all that comes after the first event it sees.
func TestWatchFromNowMissesNothing(t *testing.T) {
	onEach(t, func(st *stage) {
		for _, kapi := range []client.KeysAPI{st.v2, st.bridge} {
			watchFromNow(st, kapi)
		}
	})
}

func watchFromNow(st *stage, kapi client.KeysAPI) {
	st.Helper()
	w := kapi.Watcher("/now", nil)
	first := make(chan *client.Response, 1)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		ev, err := w.Next(st.ctx)
		if err != nil {
			st.Error(err)
		}
		first <- ev
	})
	var got *client.Response
	written := 0
	harness.WaitFor(st, storyTimeout, func() error {
		written++
		if _, err := kapi.Set(st.ctx, "/now", strconv.Itoa(written), nil); err != nil {
			return err
		}
		select {
		case got = <-first:
			return nil
		default:
			return errors.New("the watch has not told of anything")
		}
	})
	waiting.Wait()
	for got != nil && got.Node.Value != strconv.Itoa(written) {
		next, err := w.Next(st.ctx)
		if err != nil {
			st.Fatal(err)
		}
		if next.PrevNode == nil || next.PrevNode.Value != got.Node.Value {
			st.Fatalf("%s came after %s", next.Node.Value, got.Node.Value)
		}
		got = next
	}
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
