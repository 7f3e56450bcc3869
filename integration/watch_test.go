package integration

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A watched result is what one call of Next returned.
type watched struct {
	resp *client.Response
	err  error
}

// next calls Next in the background.
func next(ctx context.Context, w client.Watcher) <-chan watched {
	result := make(chan watched, 1)
	go func() {
		resp, err := w.Next(ctx)
		result <- watched{resp, err}
	}()
	return result
}

// wantEvent checks the next event's action, key and value.
func wantEvent(t *testing.T, got watched, action, key, value string) {
	t.Helper()
	if got.err != nil {
		t.Fatalf("%s of %s: %v", action, key, got.err)
	}
	if n := got.resp.Node; got.resp.Action != action || n.Key != key || n.Value != value {
		t.Errorf("got %s of %s = %q, want %s of %s = %q", got.resp.Action, n.Key, n.Value, action, key, value)
	}
}

func TestWatchFromNow(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			polls := newRecorder(t)
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: polls})
			kapi := client.NewKeysAPI(cl)
			resp, err := kapi.Set(ctx, "/k", "before", nil)
			mustResponse(t, resp, err)

			w := kapi.Watcher("/k", nil)
			event := next(ctx, w)
			polls.waitWatches(t, 1)
			for _, v := range []string{"one", "two", "three"} {
				resp, err := kapi.Set(ctx, "/k", v, nil)
				mustResponse(t, resp, err)
			}
			wantEvent(t, <-event, "set", "/k", "one")
			wantEvent(t, <-next(ctx, w), "set", "/k", "two")
			wantEvent(t, <-next(ctx, w), "set", "/k", "three")
		})
	}
}

func TestWatchFromAnIndex(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			first, err := kapi.Set(ctx, "/k", "first", nil)
			mustResponse(t, first, err)
			var resp *client.Response
			for _, key := range []string{"/other", "/other", "/k"} {
				resp, err = kapi.Set(ctx, key, "second", nil)
				mustResponse(t, resp, err)
			}
			resp, err = kapi.Delete(ctx, "/k", nil)
			mustResponse(t, resp, err)

			w := kapi.Watcher("/k", &client.WatcherOptions{AfterIndex: first.Node.ModifiedIndex - 1})
			wantEvent(t, <-next(ctx, w), "set", "/k", "first")
			wantEvent(t, <-next(ctx, w), "set", "/k", "second")
			wantEvent(t, <-next(ctx, w), "delete", "/k", "")
		})
	}
}

func TestWatchRecursiveWithoutHiddenKeys(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			polls := newRecorder(t)
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: polls})
			kapi := client.NewKeysAPI(cl)
			event := next(ctx, kapi.Watcher("/d", &client.WatcherOptions{Recursive: true}))
			polls.waitWatches(t, 1) // The server hides keys from those who wait, not from those who catch up.
			hidden := next(ctx, kapi.Watcher("/d/_hidden", nil))
			polls.waitWatches(t, 2)
			for _, key := range []string{"/d/_hidden", "/elsewhere", "/d/b/deep"} {
				resp, err := kapi.Set(ctx, key, "1", nil)
				mustResponse(t, resp, err)
			}
			wantEvent(t, <-event, "set", "/d/b/deep", "1")
			wantEvent(t, <-hidden, "set", "/d/_hidden", "1")
		})
	}
}

func TestWatchSeesAKeyExpire(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/k", "mortal", &client.SetOptions{TTL: time.Second})
			mustResponse(t, resp, err)
			got := <-next(ctx, kapi.Watcher("/k", &client.WatcherOptions{AfterIndex: resp.Node.ModifiedIndex}))
			wantEvent(t, got, "expire", "/k", "")
			if got.resp.PrevNode == nil || got.resp.PrevNode.Value != "mortal" {
				t.Errorf("the expired node is %v", got.resp.PrevNode)
			}
		})
	}
}

// outrunHistory writes below dir until the server has forgotten all that came before.
func outrunHistory(ctx context.Context, t *testing.T, kapi client.KeysAPI, dir string) {
	t.Helper()
	const writers, each = 16, 64 // 1,024: the server keeps 1,000 events.
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for n := range each {
				if _, err := kapi.Set(ctx, fmt.Sprintf("%s/%d", dir, i), fmt.Sprint(n), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestWatchThatLostEventsSaysSo(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			start, err := kapi.Set(ctx, "/busy/0", "start", nil)
			mustResponse(t, start, err)
			outrunHistory(ctx, t, kapi, "/busy")

			_, err = kapi.Watcher("/busy", &client.WatcherOptions{AfterIndex: start.Node.ModifiedIndex, Recursive: true}).Next(ctx)
			got, ok := bareError(err)
			if !ok || got.Code != client.ErrorCodeEventIndexCleared || got.Index <= start.Index || c.MemberAt(got.Endpoint) == nil {
				t.Fatalf("got %v, want a client.Error with code 401, the current index and the endpoint", err)
			}
			if !client.IsEventIndexCleared(err) {
				t.Errorf("IsEventIndexCleared(%v) is false", err)
			}

			// What the documentation says to do then.
			now, err := kapi.Get(ctx, "/busy", &client.GetOptions{Recursive: true, Quorum: true})
			mustResponse(t, now, err)
			event := next(ctx, kapi.Watcher("/busy", &client.WatcherOptions{AfterIndex: now.Index, Recursive: true}))
			resp, err := kapi.Set(ctx, "/busy/0", "after", nil)
			mustResponse(t, resp, err)
			wantEvent(t, <-event, "set", "/busy/0", "after")
		})
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			polls := newRecorder(t)
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: polls})
			before := goleak.IgnoreCurrent()

			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			event := next(ctx, client.NewKeysAPI(cl).Watcher("/k", nil))
			polls.waitWatches(t, 1)
			cancel()
			if got := <-event; !isBare(got.err, context.Canceled) {
				t.Errorf("got %T (%v), want context.Canceled itself", got.err, got.err)
			}
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if got := <-next(ctx, client.NewKeysAPI(cl).Watcher("/k", nil)); !isBare(got.err, context.DeadlineExceeded) {
				t.Errorf("got %T (%v), want context.DeadlineExceeded itself", got.err, got.err)
			}

			polls.base.CloseIdleConnections()
			if err := goleak.Find(before); err != nil {
				t.Error(errors.Join(errors.New("a watch leaves goroutines behind"), err))
			}
		})
	}
}
