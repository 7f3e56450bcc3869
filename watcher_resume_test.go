package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// quietAt is a poll that the server took at an index, and that breaks off later.
func quietAt(index uint64, breaks error) fakeAnswer {
	return fakeAnswer{header: fmt.Sprintf("X-Etcd-Index: %d\nX-Etcd-Cluster-Id: c1", index), breaks: breaks}
}

// nextIndex returns the index of the next event.
func nextIndex(t *testing.T, w client.Watcher) uint64 {
	t.Helper()
	resp, err := w.Next(t.Context())
	if err != nil {
		t.Error(err)
		return 0
	}
	return resp.Node.ModifiedIndex
}

// wantQueries checks the queries of the requests, whoever was asked.
func wantQueries(t *testing.T, f *fakeTransport, want ...string) {
	t.Helper()
	var got []string
	for _, line := range f.lines() {
		_, query, _ := strings.Cut(line, "?")
		got = append(got, query)
	}
	if !slices.Equal(got, want) {
		t.Errorf("polled with %q, want %q", got, want)
	}
}

func TestWatchFromNowKeepsItsStart(t *testing.T) {
	// The connection breaks before the first event: whatever comes until the
	// watch is taken again is in the history, from 8 on.
	for _, broken := range []error{io.ErrUnexpectedEOF, syscall.ECONNRESET} {
		synctest.Test(t, func(t *testing.T) {
			f := script(t, quietAt(7, broken), eventAt(9))
			w := client.NewKeysAPI(newClient(t, f, "http://a", "http://b")).Watcher("/a", nil)
			if got := nextIndex(t, w); got != 9 {
				t.Errorf("got event %d", got)
			}
			wantQueries(t, f, "wait=true", "wait=true&waitIndex=8")
			if asked := hosts(f); asked[0] == asked[1] {
				t.Errorf("after a break at once, asked %v", asked)
			}
		})
	}
}

func TestWatchKeepsItsStartWhenItMoves(t *testing.T) {
	within(t, time.Minute, 6*time.Second, func(t bubble) {
		quiet := fakeAnswer{header: "X-Etcd-Index: 7", stalls: true}
		s := newScenario(t.T, quiet, stopped, eventAt(9))
		if _, err := s.keys(t.T, "a", "b").Watcher("/a", nil).Next(t.ctx); err != nil {
			t.Error(err)
		}
		wantQueries(t.T, s.fakeTransport, "wait=true", "wait=true&waitIndex=8")
	})
}

// slowly makes polls end after so long.
func slowly(after time.Duration, answers ...fakeAnswer) []fakeAnswer {
	for i := range answers {
		answers[i].bodyAfter = after
	}
	return answers
}

func TestQuietPollsMoveTheWatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A balancer closes what is idle for 6 s. By then the header has been there
		// for 5, and the member has answered a probe since.
		answers := slowly(6*time.Second, quietAt(7, io.ErrUnexpectedEOF), quietAt(500, io.ErrUnexpectedEOF), quietAt(900, syscall.ECONNRESET), quietAt(950, nil))
		f := script(t, append(answers, eventAt(2000))...)
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", nil)
		start := time.Now()
		if got := nextIndex(t, w); got != 2000 {
			t.Errorf("got event %d", got)
		}
		wantPolls(t, f, "wait=true", "wait=true&waitIndex=8", "wait=true&waitIndex=501", "wait=true&waitIndex=901", "wait=true&waitIndex=951")
		if took := time.Since(start); took != 24*time.Second {
			t.Errorf("took %s: quiet polls are made again at once", took)
		}
	})
}

func TestProxiesThatGiveUpAreNoErrors(t *testing.T) {
	for _, status := range []int{http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
		synctest.Test(t, func(t *testing.T) {
			idle := fakeAnswer{after: time.Minute, status: status, body: "<html>time-out</html>"}
			heldBack := fakeAnswer{after: time.Minute, err: io.EOF} // a proxy that kept the header to itself
			answers := []fakeAnswer{idle, heldBack, idle, eventAt(9)}
			f := newFakeTransport(t, func(*http.Request) fakeAnswer {
				if len(answers) == 0 {
					return idle // a renewal
				}
				next := answers[0]
				answers = answers[1:]
				return next
			})
			c := newClientOf(t, client.Config{Endpoints: []string{"http://etcd"}, Transport: f, StallInterval: -1})
			w := client.NewKeysAPI(c).Watcher("/a", &client.WatcherOptions{AfterIndex: 7})
			if got := nextIndex(t, w); got != 9 {
				t.Errorf("got event %d", got)
			}
		})
	}
	// At once, it is a failure.
	down := fakeAnswer{status: http.StatusGatewayTimeout}
	f := script(t, down, down, down)
	_, err := client.NewKeysAPI(newClient(t, f)).Watcher("/a", nil).Next(t.Context())
	if !errors.Is(err, client.ErrClusterUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestDroppedWatchIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t, fakeAnswer{status: http.StatusBadRequest, body: `{"errorCode":400,"message":"watcher is cleared due to etcd recovery","index":12}`}, eventAt(9))
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 7})
		if got := nextIndex(t, w); got != 9 {
			t.Errorf("got event %d", got)
		}
	})
}

func TestLostHistoryThatProvesHarmlessIsNoError(t *testing.T) {
	cleared := fakeAnswer{status: http.StatusBadRequest, body: `{"errorCode":401,"message":"cleared","cause":"[100/9]","index":1099}`}
	node := func(format string, args ...any) fakeAnswer {
		return fakeAnswer{header: "X-Etcd-Index: 1100", body: `{"action":"get","node":` + fmt.Sprintf(format, args...) + `}`}
	}
	tests := []struct {
		why       string
		recursive bool
		now       fakeAnswer
		proven    bool
	}{
		{why: "a key as it was", now: node(`{"key":"/a","value":"1","modifiedIndex":8,"createdIndex":3}`), proven: true},
		{why: "a file as it was, watched recursively", recursive: true, now: node(`{"key":"/a","value":"1","modifiedIndex":8,"createdIndex":3}`), proven: true},
		{why: "a directory as it was", now: node(`{"key":"/a","dir":true,"modifiedIndex":3,"createdIndex":3}`), proven: true},
		{why: "what is gone from a directory left no trace", recursive: true, now: node(`{"key":"/a","dir":true,"modifiedIndex":3,"createdIndex":3}`)},
		{why: "a key that was written", now: node(`{"key":"/a","value":"1","modifiedIndex":9,"createdIndex":3}`)},
		{why: "a key that is gone", now: fakeAnswer{status: http.StatusNotFound, body: `{"errorCode":100,"index":1100}`}},
		{why: "nobody can tell", now: fakeAnswer{notSent: true}},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := script(t, cleared, tt.now, eventAt(1105))
				w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 8, Recursive: tt.recursive})
				want := "wait=true&waitIndex=1101"
				if !tt.proven {
					want = "wait=true&waitIndex=1100"
					if _, err := w.Next(t.Context()); !client.IsEventIndexCleared(err) {
						t.Errorf("got %v", err)
					}
				}
				if got := nextIndex(t, w); got != 1105 {
					t.Errorf("got event %d", got)
				}
				if tt.recursive {
					want = "recursive=true&" + want
				}
				if lines := f.lines(); lines[2] != "GET http://etcd/base/v2/keys/a?"+want {
					t.Errorf("went on with %s, want %s", lines[2], want)
				}
			})
		})
	}
}

func TestAnotherClustersEventsAreRefused(t *testing.T) {
	other := fakeAnswer{header: "X-Etcd-Index: 3\nX-Etcd-Cluster-Id: c2", stalls: true}
	synctest.Test(t, func(t *testing.T) {
		f := script(t, quietAt(7, io.ErrUnexpectedEOF), other, other)
		w := client.NewKeysAPI(newClient(t, f, "http://a", "http://b")).Watcher("/a", nil)
		for range 2 { // it does not go away
			_, err := w.Next(t.Context())
			if re, ok := bare[*client.ReplyError](err); !ok || !errors.Is(err, client.ErrClusterIDChanged) || re.Message != "cluster ID was c1 and is c2" {
				t.Errorf("got %v", err)
			}
		}
	})
}

func TestEventsThatWereDeliveredAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t, eventAt(8), eventAt(8), eventAt(7), eventAt(9))
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 7})
		if got := []uint64{nextIndex(t, w), nextIndex(t, w)}; !slices.Equal(got, []uint64{8, 9}) {
			t.Errorf("got events %v", got)
		}
	})
}

func TestHiddenNodesAreNoEventsOfTheirAncestors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		event := func(key string, index int) fakeAnswer {
			return fakeAnswer{body: fmt.Sprintf(`{"action":"set","node":{"key":%q,"modifiedIndex":%d}}`, key, index)}
		}
		f := script(t, event("/_x/a/_b", 8), event("/_x/a/c/_d/e", 9), event("/_x", 10), event("/_x/a/b_", 11))
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/_x/a", &client.WatcherOptions{AfterIndex: 7, Recursive: true})
		if got := []uint64{nextIndex(t, w), nextIndex(t, w)}; !slices.Equal(got, []uint64{10, 11}) {
			t.Errorf("got events %v", got)
		}
	})
}

func TestHiddenNodesInTheHistoryCostNoPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answers []fakeAnswer
		for i := range 100 {
			answers = append(answers, fakeAnswer{body: fmt.Sprintf(`{"action":"set","node":{"key":"/a/_b","modifiedIndex":%d}}`, 8+i)})
		}
		f := script(t, append(answers, eventAt(108))...)
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 7, Recursive: true})
		start := time.Now()
		if got := nextIndex(t, w); got != 108 {
			t.Errorf("got event %d", got)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("it paused for %v in all", took)
		}
	})
}

func TestHiddenNodesThatAServerTellsOfAreEventsForWhoWantsThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		event := func(key string, index int) fakeAnswer {
			return fakeAnswer{body: fmt.Sprintf(`{"action":"set","node":{"key":%q,"modifiedIndex":%d}}`, key, index)}
		}
		f := script(t, event("/a/_b", 8), event("/ab/_c", 9), event("/a/c/_d/e", 10))
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 7, Recursive: true, Hidden: true})
		if got := []uint64{nextIndex(t, w), nextIndex(t, w)}; !slices.Equal(got, []uint64{8, 10}) {
			t.Errorf("got events %v", got)
		}
	})
}

func TestWatchEndsWithTheContextWhileItAsksWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cleared := fakeAnswer{status: http.StatusBadRequest, body: `{"errorCode":401,"index":1099}`}
		f := script(t, cleared, stopped)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 8}).Next(ctx)
		if !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestHistoryOfAnotherKeyIsNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Servers look for prefixes of the text: /a for /ab.
		event := func(action, key string, index int) fakeAnswer {
			return fakeAnswer{body: fmt.Sprintf(`{"action":%q,"node":{"key":%q,"modifiedIndex":%d}}`, action, key, index)}
		}
		f := script(t, event("delete", "/a", 8), event("delete", "/ab/c", 9), event("delete", "/ab", 10))
		w := client.NewKeysAPI(newClient(t, f)).Watcher("/ab/c", &client.WatcherOptions{AfterIndex: 7})
		if got := []uint64{nextIndex(t, w), nextIndex(t, w)}; !slices.Equal(got, []uint64{9, 10}) {
			t.Errorf("got events %v", got)
		}
	})
}
