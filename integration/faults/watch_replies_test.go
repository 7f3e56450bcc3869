package faults_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// history are the keys of three events below /w, with others between them.
var history = []string{"/w/1", "/x", "/x", "/x", "/w/2", "/x", "/x", "/w/3", "/x"}

var watched = []string{"/w/1", "/w/2", "/w/3"}

// watches are the ways to read events below /w after an index.
var watches = map[string]func(ctx context.Context, kapi client.KeysAPI, after uint64, event func(key string)) error{
	"Watcher": func(ctx context.Context, kapi client.KeysAPI, after uint64, event func(string)) error {
		w := kapi.Watcher("/w", &client.WatcherOptions{AfterIndex: after, Recursive: true})
		for {
			resp, err := w.Next(ctx)
			if err != nil {
				return err
			}
			event(resp.Node.Key)
		}
	},
	"Events": func(ctx context.Context, kapi client.KeysAPI, after uint64, event func(string)) error {
		for e, err := range client.Events(ctx, kapi, "/w", &client.EventsOptions{AfterIndex: after, Recursive: true}) {
			if err != nil {
				return err
			}
			event(e.Node.Key)
		}
		return nil
	},
}

// wantHistory checks that a watch reports each event of the history.
func wantHistory(t *testing.T, watch string, kapi client.KeysAPI, after uint64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var got []string
	err := watches[watch](ctx, kapi, after, func(key string) {
		if got = append(got, key); len(got) == len(watched) {
			cancel()
		}
	})
	if !slices.Equal(got, watched) {
		t.Errorf("%s: events %v, want %v; it ended with %v", watch, got, watched, err)
	}
}

// TestWatch_ReplyCut ends the first reply of a watch, more than a second after its
// request, in the middle of an event, after the header, or with an empty body.
func TestWatch_ReplyCut(t *testing.T) {
	onEach(t, func(o on) {
		t, s := o.t, o.server
		m := harness.Start(t, s, harness.Options{Proxied: true}).Member(0)
		after := set(t, m, client.TransportOptions{}, history...) - 1
		for name, kind := range map[string]harness.FaultKind{
			"in an event": harness.CutMidEvent, "after the header": harness.CutAfterHeader, "with an empty body": harness.EmptyAnswer,
		} {
			for watch := range watches {
				t.Run(watch+" "+name, func(t *testing.T) {
					m.Proxy().Inject(harness.Fault{
						Kind: kind, Match: harness.Match{Method: http.MethodGet, Path: "/v2/keys/w", Query: "wait=true"},
						Delay: 1200 * time.Millisecond, Count: 1,
					})
					kapi, _ := newKeys(t, client.Config{Endpoints: []string{m.ClientURL()}})
					wantHistory(t, watch, kapi, after)
				})
			}
		}
	})
}

// TestWatch_NoIndexHeader has a gateway that drops X-Etcd-Index.
func TestWatch_NoIndexHeader(t *testing.T) {
	onEach(t, func(o on) {
		t, s := o.t, o.server
		m := harness.Start(t, s, harness.Options{}).Member(0)
		after := set(t, m, client.TransportOptions{}, history...) - 1
		g := startGateway(t, m.ClientURL())
		g.DropHeaders("X-Etcd-Index")
		for watch := range watches {
			t.Run(watch, func(t *testing.T) {
				kapi, _ := newKeys(t, client.Config{Endpoints: []string{g.URL()}})
				wantHistory(t, watch, kapi, after)
			})
		}
	})
}
