package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

func eventAt(index int) fakeAnswer {
	return fakeAnswer{
		header: "X-Etcd-Index: 3",
		body:   fmt.Sprintf(`{"action":"set","node":{"key":"/a","value":"1","modifiedIndex":%d,"createdIndex":1}}`, index),
	}
}

// wantPolls checks the queries of the requests so far.
func wantPolls(t *testing.T, f *fakeTransport, want ...string) {
	t.Helper()
	var got []string
	for _, line := range f.lines() {
		query, ok := strings.CutPrefix(line, "GET http://etcd/base/v2/keys/a?")
		if !ok {
			t.Errorf("sent %s", line)
		}
		got = append(got, query)
	}
	if !slices.Equal(got, want) {
		t.Errorf("polled with %q, want %q", got, want)
	}
}

func TestWatcherFollowsTheIndex(t *testing.T) {
	f := script(t, eventAt(8), eventAt(12), eventAt(13))
	w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 6, Recursive: true})
	if len(f.seen()) != 0 {
		t.Error("Watcher sends something")
	}
	for _, want := range []uint64{8, 12, 13} {
		resp, err := w.Next(t.Context())
		if err != nil || resp.Node.ModifiedIndex != want || resp.Index != 3 || resp.Action != "set" {
			t.Errorf("got %+v, %v, want the event at %d", resp, err, want)
		}
	}
	wantPolls(t, f, "recursive=true&wait=true&waitIndex=7", "recursive=true&wait=true&waitIndex=9", "recursive=true&wait=true&waitIndex=13")
}

func TestWatcherWithoutOptionsWatchesFromNowOn(t *testing.T) {
	f := script(t, eventAt(8), eventAt(9))
	w := client.NewKeysAPI(newClient(t, f)).Watcher("a/", nil)
	for range 2 {
		if _, err := w.Next(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wantPolls(t, f, "wait=true", "wait=true&waitIndex=9")
}

// What comes between two polls counts too: the first says when the watch began.
func TestWatcherRemembersWhenItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t, fakeAnswer{}, fakeAnswer{header: "X-Etcd-Index: 41"},
			fakeAnswer{header: "X-Etcd-Index: 88"}, // too soon to tell: an event may not have got through
			fakeAnswer{header: "X-Etcd-Index: 99", bodyAfter: 6 * time.Second}, eventAt(155))
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", nil)
		if resp, err := w.Next(t.Context()); err != nil || resp.Node.ModifiedIndex != 155 {
			t.Errorf("got %+v, %v", resp, err)
		}
		// The first does not say; the second does; up to 99 the fourth has looked.
		wantPolls(t, f, "wait=true", "wait=true", "wait=true&waitIndex=42", "wait=true&waitIndex=42", "wait=true&waitIndex=100")
	})
}

// pollTimes watches for so long in virtual time and gives when polls were made,
// in seconds. Each lasts as long as the function says, and has no event.
func pollTimes(t *testing.T, runFor time.Duration, lasts func(poll int) time.Duration) []float64 {
	t.Helper()
	var times []float64
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := newFakeTransport(t, func(*http.Request) fakeAnswer {
			times = append(times, time.Since(start).Seconds())
			return fakeAnswer{header: "X-Etcd-Index: 7", bodyAfter: lasts(len(times))}
		})
		ctx, cancel := context.WithTimeout(t.Context(), runFor)
		defer cancel()
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", nil)
		if _, err := w.Next(ctx); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	return times
}

func TestWatcherNeverSpins(t *testing.T) {
	atOnce := func(int) time.Duration { return 0 }
	want := []float64{0, 0.05, 0.15, 0.35, 0.75, 1.55, 3.15, 6.35, 11.35, 16.35}
	if got := pollTimes(t, 20*time.Second, atOnce); !slices.Equal(got, want) {
		t.Errorf("polled after %v seconds, want %v", got, want)
	}
}

func TestWatcherRearmsAQuietPollAtOnce(t *testing.T) {
	aMinute := func(int) time.Duration { return time.Minute }
	if got, want := pollTimes(t, 150*time.Second, aMinute), []float64{0, 60, 120}; !slices.Equal(got, want) {
		t.Errorf("polled after %v seconds, want %v", got, want)
	}
	// A poll that lasted makes up for those that did not.
	mixed := func(poll int) time.Duration {
		if poll == 4 {
			return time.Second
		}
		return 0
	}
	if got, want := pollTimes(t, 2*time.Second, mixed), []float64{0, 0.05, 0.15, 0.35, 1.35, 1.4, 1.5, 1.7}; !slices.Equal(got, want) {
		t.Errorf("polled after %v seconds, want %v", got, want)
	}
}

func TestWatcherGoesOnAfterAnError(t *testing.T) {
	cleared := fakeAnswer{status: 400, body: `{"errorCode":401,"message":"The event in requested index is outdated and cleared","cause":"the requested history has been cleared [100/9]","index":1099}`}
	missing := fakeAnswer{status: 404, body: `{"errorCode":100,"message":"Key not found","cause":"/a","index":1100}`}
	down := fakeAnswer{status: 503} // three times, for the only endpoint is tried again
	f := script(t, eventAt(8), cleared, missing, down, down, down, fakeAnswer{body: "<html>"}, fakeAnswer{body: `{"action":"set"}`}, eventAt(1105))
	w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 7})
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := w.Next(t.Context())
	if e, ok := bare[client.Error](err); !ok || !client.IsEventIndexCleared(err) || e.Index != 1099 {
		t.Errorf("got %v", err)
	}
	for range 3 {
		if _, err = w.Next(t.Context()); !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if resp, err := w.Next(t.Context()); err != nil || resp.Node.ModifiedIndex != 1105 {
		t.Errorf("got %+v, %v", resp, err)
	}
	// What was lost is lost: it goes on from where the error said.
	wantPolls(t, f, "wait=true&waitIndex=8", "wait=true&waitIndex=9", "quorum=true",
		"wait=true&waitIndex=1100", "wait=true&waitIndex=1100", "wait=true&waitIndex=1100", "wait=true&waitIndex=1100",
		"wait=true&waitIndex=1100", "wait=true&waitIndex=1100")
}

func TestWatcherMovesToAnotherEndpoint(t *testing.T) {
	f := script(t, fakeAnswer{err: errors.New("reset")}, fakeAnswer{status: 504}, eventAt(8))
	w := client.NewKeysAPI(newClient(t, f, "http://a", "http://b", "http://c")).Watcher("/a", nil)
	if resp, err := w.Next(t.Context()); err != nil || resp.Node.ModifiedIndex != 8 {
		t.Errorf("got %+v, %v", resp, err)
	}
}

func TestWatcherOfABadKey(t *testing.T) {
	kapi := client.NewKeysAPI(newClient(t, script(t)))
	for range 2 {
		_, err := kapi.Watcher("/a/../b", nil).Next(t.Context())
		wantInvalidInput(t, err, "key")
	}
}

func TestWatcherEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t, fakeAnswer{header: "X-Etcd-Index: 7", stalls: true}, fakeAnswer{}, eventAt(8))
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", nil)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, cancel)
		if _, err := w.Next(ctx); !same(err, context.Canceled) {
			t.Errorf("during a poll: got %v", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := w.Next(ctx); !same(err, context.Canceled) {
			t.Errorf("between two polls: got %v", err)
		}
		if resp, err := w.Next(t.Context()); err != nil || resp.Node.ModifiedIndex != 8 {
			t.Errorf("after that: got %+v, %v", resp, err)
		}
	})
}

// A poll that ends without a header of etcd's says nothing: a proxy may hold headers
// back, or the member may be dead behind a balancer that does not wait any longer. The
// next one goes to another endpoint, unless etcd has answered something at this one
// meanwhile.
func TestWatcher_PollEndsWithoutHeader(t *testing.T) {
	ends := map[string]fakeAnswer{
		"closed":           {after: 1900 * time.Millisecond, err: io.EOF},
		"gateway time-out": {after: 1900 * time.Millisecond, status: http.StatusGatewayTimeout},
	}
	for name, end := range ends {
		for _, isAlive := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, alive %v", name, isAlive), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					asked := pollEnds(t, end, isAlive)
					if stayed := asked[0] == asked[len(asked)-1]; stayed != isAlive {
						t.Errorf("asked %q", asked)
					}
				})
			})
		}
	}
}

// pollEnds has the first poll of a watch end so, with an event in the second, and
// returns the hosts that were asked. An endpoint that is alive answers a read meanwhile.
func pollEnds(t *testing.T, end fakeAnswer, isAlive bool) []string {
	t.Helper()
	polls := 0
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		switch {
		case !req.URL.Query().Has("wait"):
			return fakeAnswer{header: "X-Etcd-Index: 7", body: setReply}
		case polls == 0:
			polls++
			return end
		}
		return eventAt(8)
	})
	f.pulse = func(*http.Request) fakeAnswer {
		if !isAlive {
			return fakeAnswer{status: http.StatusGatewayTimeout}
		}
		return fakeAnswer{body: healthy}
	}
	c := newClientOf(t, client.Config{
		Endpoints: []string{"http://a", "http://b"}, Transport: f,
		Trace: &client.Trace{EndpointUnhealthy: func(info client.HealthInfo) {
			t.Errorf("%s is unhealthy: %v", info.Endpoint, info.Err)
		}},
	})
	kapi := client.NewKeysAPI(c)
	if isAlive {
		time.AfterFunc(time.Second, func() {
			if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := kapi.Watcher("/a", &client.WatcherOptions{AfterIndex: 1}).Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	return hosts(f)
}
