package bridge

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A watch whose history was compacted says so once, and goes on; if the node shows
// that nothing was missed, it says nothing.
func TestWatchAcrossACompaction(t *testing.T) {
	servers := harness.ServersV3(t)
	v3 := newClient(t, start(t, servers[len(servers)-1]))
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	kapi := keysapi.New(v3, keysapi.WithPrefix("/below"))
	first := set(ctx, t, kapi, "/same", nil)
	set(ctx, t, kapi, "/other", nil)
	last := set(ctx, t, kapi, "/other", nil)
	if _, err := v3.Compact(ctx, int64(last)); err != nil {
		t.Fatal(err)
	}

	missed := kapi.Watcher("/other", &client.WatcherOptions{AfterIndex: first})
	if _, err := missed.Next(ctx); !client.IsEventIndexCleared(err) {
		t.Fatalf("got %v, want that history is lost", err)
	}
	written := set(ctx, t, kapi, "/other", nil)
	if ev, err := missed.Next(ctx); err != nil || ev.Node.Key != "/other" || ev.Node.ModifiedIndex != written {
		t.Errorf("got %v, %v; want the write after the loss", ev, err)
	}

	// Nothing comes, least of all an error: that the context ends says so.
	short, cancelShort := context.WithTimeout(ctx, quiet)
	t.Cleanup(cancelShort)
	unchanged := kapi.Watcher("/same", &client.WatcherOptions{AfterIndex: first})
	if ev, err := unchanged.Next(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, %v; want to go on waiting", ev, err)
	}
}

// quiet is how long a watch is to say nothing.
const quiet = 2 * time.Second

// Events of the root package works on the bridge as on the v2 API.
func TestEventsOnTheBridge(t *testing.T) {
	servers := harness.ServersV3(t)
	kapi := keysapi.New(newClient(t, start(t, servers[len(servers)-1])))
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	after := set(ctx, t, kapi, "/e/begin", nil)
	for _, key := range []string{"/e/a", "/e/b", "/e/c"} {
		set(ctx, t, kapi, key, nil)
	}
	var got []string
	for ev, err := range client.Events(ctx, kapi, "/e", &client.EventsOptions{AfterIndex: after, Recursive: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, ev.Node.Key); len(got) == 3 {
			break
		}
	}
	if len(got) != 3 || got[0] != "/e/a" || got[1] != "/e/b" || got[2] != "/e/c" {
		t.Errorf("got events of %v", got)
	}
}
