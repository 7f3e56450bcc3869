package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

func TestDifferenceGatewayPagesAreNoAnswers(t *testing.T) {
	for name, page := range map[string]fakeAnswer{
		"a gateway's page":            {status: http.StatusForbidden, body: "<html>no"},
		"a gateway's JSON":            {status: http.StatusTooManyRequests, body: `{"message":"Too Many Requests"}`},
		"a member without the v2 API": {status: http.StatusNotFound, body: "404 page not found\n"},
	} {
		t.Run(name, func(t *testing.T) {
			f := script(t, page, fakeAnswer{body: setReply}, fakeAnswer{body: setReply})
			kapi := client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
			for range 2 {
				if _, err := kapi.Create(t.Context(), "/a", "1"); err != nil {
					t.Fatal(err)
				}
			}
			if asked := hosts(f); asked[0] == asked[1] || asked[1] != asked[2] {
				t.Errorf("asked %q, want the first once and the second twice", asked)
			}
		})
	}

	// Where all say so, each reply is in the error.
	notEnabled := fakeAnswer{status: http.StatusNotFound, body: "404 page not found\n"}
	f := script(t, notEnabled, notEnabled)
	_, err := client.NewKeysAPI(newClient(t, f, "http://a", "http://b")).Create(t.Context(), "/a", "1")
	var page *client.ReplyError
	if _, ok := bare[*client.ClusterError](err); !ok || !errors.As(err, &page) || page.StatusCode != http.StatusNotFound ||
		!errors.Is(err, client.ErrV2NotEnabled) || errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}

	// What a gateway means by 408 is not known.
	f = script(t, fakeAnswer{status: http.StatusRequestTimeout, body: "upstream timeout"})
	_, err = client.NewKeysAPI(newClient(t, f, "http://a", "http://b")).Create(t.Context(), "/a", "1")
	if !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("got %v, want ErrOutcomeUnknown", err)
	}
}

func TestDifferenceOneEndpointIsTriedAgain(t *testing.T) {
	broken, failing := fakeAnswer{err: io.ErrUnexpectedEOF}, fakeAnswer{status: http.StatusServiceUnavailable}
	within(t, time.Minute, 600*time.Millisecond, func(t bubble) {
		f := script(t.T, broken, failing, fakeAnswer{body: setReply})
		if _, err := client.NewKeysAPI(newClient(t.T, f)).Set(t.ctx, "/a", "1", nil); err != nil {
			t.Error(err)
		}
	})
	within(t, time.Minute, 600*time.Millisecond, func(t bubble) { // at most twice
		f := script(t.T, broken, broken, broken)
		_, err := client.NewKeysAPI(newClient(t.T, f)).Get(t.ctx, "/a", nil)
		if e, ok := bare[*client.ClusterError](err); !ok || len(e.Attempts) != 3 {
			t.Errorf("got %v", err)
		}
	})
	within(t, time.Minute, 0, func(t bubble) { // a refused connection is reported at once
		f := script(t.T, fakeAnswer{notSent: true})
		if _, err := client.NewKeysAPI(newClient(t.T, f)).Get(t.ctx, "/a", nil); !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("got %v", err)
		}
	})
	within(t, time.Minute, 0, func(t bubble) { // nor is a write repeated that may have been applied
		f := script(t.T, broken)
		if _, err := client.NewKeysAPI(newClient(t.T, f)).Create(t.ctx, "/a", "1"); !errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("got %v", err)
		}
	})
}

// TestDifferenceIdlePollsAreRenewed has a connection that swallows everything once a
// server has taken the watch, while probes on new ones are answered.
func TestDifferenceIdlePollsAreRenewed(t *testing.T) {
	for name, renewed := range map[string]bool{"HTTP/1.1": true, "HTTP/2": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var mu sync.Mutex // guards times
				var times []time.Duration
				f := newFakeTransport(t, func(*http.Request) fakeAnswer {
					mu.Lock()
					defer mu.Unlock()
					times = append(times, time.Since(start))
					a := fakeAnswer{header: "X-Etcd-Index: 7\nX-Etcd-Cluster-Id: c1", http1: renewed, stalls: true}
					if len(times) > 1 {
						a.body, a.stalls = eventLine("set", "/a", 8), false
					}
					return a
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				event, err := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 7}).Next(ctx)
				if !renewed {
					if !same(err, context.DeadlineExceeded) || len(times) != 1 {
						t.Errorf("got %v after %d polls, want one", err, len(times))
					}
					return
				}
				if err != nil || event.Node.ModifiedIndex != 8 || len(times) != 2 {
					t.Fatalf("got %v, %v after %d polls", event, err, len(times))
				}
				if times[1] < 25*time.Second || times[1] > 35*time.Second {
					t.Errorf("renewed after %s", times[1])
				}
				for _, line := range f.lines() {
					if !strings.HasSuffix(line, "?wait=true&waitIndex=8") {
						t.Errorf("asked %q", line)
					}
				}
			})
		})
	}
}
