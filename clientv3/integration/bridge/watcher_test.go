package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A Watcher that is read in a loop keeps its watch between the calls, and leaves
// none behind when nobody calls it any more. Nothing is lost either way.
func TestRoundTripsOfAWatcher(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			cluster := start(t, server)
			watching, counter := counted(t, cluster)
			kapi := keysapi.New(newClient(t, cluster))
			w := watching.Watcher("/w", &client.WatcherOptions{AfterIndex: set(ctx, t, kapi, "/w/begin", nil), Recursive: true})
			writeAndRead := func(events int) {
				t.Helper()
				for i := range events {
					key := fmt.Sprintf("/w/%d", i)
					set(ctx, t, kapi, key, nil)
					if ev, err := w.Next(ctx); err != nil || ev.Node.Key != key {
						t.Fatalf("got %v, %v; want the event of %s", ev, err, key)
					}
				}
			}

			// The first Next has a watch of its own.
			writeAndRead(1)
			wantWatches(t, counter, 1)

			// The second one has one that is for those that follow too, unless the
			// machine stands still for longer than it stays open.
			const events = 20
			writeAndRead(events)
			wantWatches(t, counter, events/4)

			// It is gone by now. One that waits in vain keeps its watch as well.
			short, cancelShort := context.WithTimeout(ctx, time.Millisecond)
			t.Cleanup(cancelShort)
			if ev, err := w.Next(short); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("got %v, %v; want to wait in vain", ev, err)
			}
			writeAndRead(3)
		})
	}
}

// wantWatches waits until no watch is left, and wants at most so many to have been
// made. A stream ends with its only watch.
func wantWatches(t *testing.T, counter *requestCounter, most int) {
	t.Helper()
	harness.WaitFor(t, time.Minute, func() error {
		counter.mu.Lock()
		defer counter.mu.Unlock()
		if counter.open > 0 {
			return errors.New("there still is a watch")
		}
		return nil
	})
	if made := counter.take()["Watch"]; made == 0 || made > most {
		t.Errorf("%d watches were made, want 1 to %d", made, most)
	}
}

// A member that stands still ends no Watcher: a Next that can't have its watch ends
// with its context, and the events come when the member goes on. Only when the client
// is closed there will be none.
func TestWatcherOverAStandstill(t *testing.T) {
	servers := harness.ServersV3(t)
	cluster := start(t, servers[len(servers)-1])
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	v3 := newClient(t, cluster)
	kapi := keysapi.New(v3)
	w := kapi.Watcher("/k", &client.WatcherOptions{AfterIndex: set(ctx, t, kapi, "/begin", nil)})
	member := cluster.Members()[0]
	for range 3 { // without a watch, with one that is to be made, and with one that is kept
		index := set(ctx, t, kapi, "/k", nil)
		if err := member.Stop(); err != nil {
			t.Fatal(err)
		}
		short, cancelShort := context.WithTimeout(ctx, time.Millisecond)
		ev, err := w.Next(short)
		cancelShort()
		if contErr := member.Cont(); contErr != nil {
			t.Fatal(contErr)
		}
		if errors.Is(err, context.DeadlineExceeded) { // else it had come before
			ev, err = w.Next(ctx)
		}
		if err != nil || ev.Node.ModifiedIndex != index {
			t.Fatalf("got %v, %v; want the event of %d", ev, err, index)
		}
	}
	if err := v3.Close(); err != nil {
		t.Error(err)
	}
	var failure *client.ClusterError
	if _, err := w.Next(ctx); !errors.As(err, &failure) {
		t.Errorf("got %v, want a *ClusterError for a closed client", err)
	}
}
