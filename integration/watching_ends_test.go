package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// noWatches waits until no long poll is open at the member.
func noWatches(t *testing.T, m *harness.Member) {
	t.Helper()
	harness.WaitFor(t, 2*time.Second, func() error {
		if n := openWatches([]*harness.Member{m}); n > 0 {
			return fmt.Errorf("%d watches are open", n)
		}
		return nil
	})
}

func TestEventsEndWithTheirLoop(t *testing.T) {
	opts := map[string]*client.EventsOptions{
		"from now": {}, "recursive": {Recursive: true}, "with a snapshot": {Snapshot: true}, "unbuffered": {Recursive: true, Buffer: 1},
	}
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Proxied: true})
			for name, o := range opts {
				t.Run(name, func(t *testing.T) { loopsThatEnd(t, c, o) })
			}
		})
	}
}

// loopsThatEnd leaves a loop over events, and ends the context of another one.
func loopsThatEnd(t *testing.T, c *harness.Cluster, o *client.EventsOptions) {
	t.Helper()
	m, key, transport := c.Member(0), "/d/k", &http.Transport{}
	if o.Recursive {
		key = "/d"
	}
	writer := freshKeys(t, c)
	kapi := freshKeys(t, c, func(cfg *client.Config) { cfg.Transport = transport })
	write := func() { check(t, set(within(t, callTimeout), writer, "/d/k", "v")) }
	write()
	before := goleak.IgnoreCurrent()

	left := make(chan struct{})
	go func() {
		defer close(left)
		for event, err := range client.Events(t.Context(), kapi, key, o) {
			if err != nil {
				t.Error(err)
			} else if event.IsWrite() {
				break // Others are on their way.
			}
		}
	}()
	waitForWatch(t, m)
	for range 5 {
		write()
	}
	<-left
	noWatches(t, m)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		var last error
		for _, err := range client.Events(ctx, kapi, key, o) {
			last = err
		}
		ended <- last
	}()
	waitForWatch(t, m)
	cancel()
	if err := <-ended; !isBare(err, context.Canceled) {
		t.Errorf("got %T (%v), want context.Canceled itself", err, err)
	}
	noWatches(t, m)
	transport.CloseIdleConnections()
	if err := goleak.Find(before); err != nil {
		t.Error(errors.Join(errors.New("a loop leaves goroutines behind"), err))
	}
}

func set(ctx context.Context, kapi client.KeysAPI, key, value string) error {
	_, err := kapi.Set(ctx, key, value, nil)
	return err
}

// Servers tell of hidden keys those who catch up, and not those who wait. The
// client makes that one rule.
func TestHiddenKeysStayHiddenFromThoseWhoCatchUp(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			kapi, ctx := newKeys(t, c)
			resp, err := kapi.Set(ctx, "/d/k", "first", nil)
			index := mustResponse(t, resp, err).Node.ModifiedIndex
			for range 3 {
				for _, key := range []string{"/d/_h", "/d/_dir/k", "/d/b/_h", "/d/k"} {
					check(t, set(ctx, kapi, key, "v"))
				}
			}

			req := must[*http.Request](t)(http.NewRequestWithContext(ctx, http.MethodGet,
				fmt.Sprintf("%s/v2/keys/d?wait=true&recursive=true&waitIndex=%d", c.Endpoints()[0], index+1), http.NoBody))
			raw := must[*http.Response](t)(client.DefaultTransport.RoundTrip(req))
			defer func() { _ = raw.Body.Close() }()
			var told client.Response
			check(t, json.NewDecoder(raw.Body).Decode(&told))
			if told.Node.Key != "/d/_h" {
				t.Errorf("the server tells of %s: no need to hide anything", told.Node.Key)
			}

			events, last := 0, resp
			w := kapi.Watcher("/d", &client.WatcherOptions{Recursive: true, AfterIndex: index})
			for range 3 {
				last, err = w.Next(ctx)
				if got := mustResponse(t, last, err).Node.Key; got != "/d/k" {
					t.Errorf("a Watcher is told of %s", got)
				}
			}
			for event, err := range client.Events(ctx, kapi, "/d", &client.EventsOptions{Recursive: true, AfterIndex: index}) {
				check(t, err)
				if event.Node.Key != "/d/k" {
					t.Errorf("Events tell of %s", event.Node.Key)
				}
				if events++; event.Index == last.Node.ModifiedIndex {
					break
				}
			}
			if events != 3 {
				t.Errorf("%d events", events)
			}

			// Who watches a hidden key or directory gets what is in it.
			got := <-next(ctx, kapi.Watcher("/d/_dir", &client.WatcherOptions{Recursive: true, AfterIndex: index}))
			wantEvent(t, got, "set", "/d/_dir/k", "v")
			got = <-next(ctx, kapi.Watcher("/d/_h", &client.WatcherOptions{AfterIndex: index}))
			wantEvent(t, got, "set", "/d/_h", "v")
		})
	}
}
