package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// eventLine is an event as servers write it into a stream.
func eventLine(action, key string, index uint64) string {
	return fmt.Sprintf(`{"action":%q,"node":{"key":%q,"value":"%d","modifiedIndex":%d,"createdIndex":%d}}`+"\n", action, key, index, index, index)
}

// streamAt is a stream that the server took at an index, with these events of
// /a, and that then stays quiet.
func streamAt(index uint64, events ...uint64) fakeAnswer {
	a := fakeAnswer{header: fmt.Sprintf("X-Etcd-Index: %d\nX-Etcd-Cluster-Id: c1", index), stalls: true}
	for _, e := range events {
		a.body += eventLine("set", "/a", e)
	}
	return a
}

// follow returns what the loop sees, as "kind index" and the error that ends it,
// until it has seen n events.
func follow(ctx context.Context, kapi client.KeysAPI, n int, opts *client.EventsOptions) (seen []string, last error) {
	for event, err := range client.Events(ctx, kapi, "/a", opts) {
		if err != nil {
			return seen, err
		}
		seen = append(seen, fmt.Sprintf("%s %d", event.Kind, event.Index))
		if len(seen) == n {
			break
		}
	}
	return seen, nil
}

func wantSeen(t *testing.T, got []string, err error, want ...string) {
	t.Helper()
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("saw %q, %v, want %q", got, err, want)
	}
}

func TestEventsStreamAtTheHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t, streamAt(7, 8, 9, 12))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 3, nil)
		wantSeen(t, got, err, "set 8", "set 9", "set 12")
		wantPolls(t, f, "stream=true&wait=true")
	})
}

func TestEventsCatchUpOneByOne(t *testing.T) {
	// Of the history a stream gives one event, and jumps: the rest comes by polls,
	// until one is at the head.
	synctest.Test(t, func(t *testing.T) {
		at := func(index, event uint64) fakeAnswer {
			return fakeAnswer{header: fmt.Sprintf("X-Etcd-Index: %d", index), body: eventLine("set", "/a", event)}
		}
		f := script(t, streamAt(30, 12, 31), at(31, 20), at(32, 31), at(33, 33), streamAt(34, 34), streamAt(34, 35, 36))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 7, &client.EventsOptions{AfterIndex: 10})
		wantSeen(t, got, err, "set 12", "set 20", "set 31", "set 33", "set 34", "set 35", "set 36")
		wantPolls(t, f, "stream=true&wait=true&waitIndex=11", "wait=true&waitIndex=13", "wait=true&waitIndex=21",
			"wait=true&waitIndex=32", "stream=true&wait=true&waitIndex=34", "stream=true&wait=true&waitIndex=35")
	})
}

func TestEventsResumeABrokenStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := streamAt(7, 8)
		broken.stalls, broken.breaks = false, io.ErrUnexpectedEOF
		broken.body += eventLine("set", "/a", 9)[:20] // the rest never comes
		dropped := streamAt(8, 9)
		dropped.stalls = false // as a server does with those who don't keep up
		f := script(t, broken, dropped, streamAt(9, 10))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 3, &client.EventsOptions{Recursive: true})
		wantSeen(t, got, err, "set 8", "set 9", "set 10")
	})
}

func TestEventsFromASnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree := fakeAnswer{header: "X-Etcd-Index: 20", body: `{"action":"get","node":{"key":"/a","dir":true,"nodes":[{"key":"/a/b","value":"1","modifiedIndex":5}]}}`}
		f := script(t, tree, streamAt(20, 21))
		opts := &client.EventsOptions{Recursive: true, Snapshot: true}
		n := 0
		for event, err := range client.Events(t.Context(), client.NewKeysAPI(newClient(t, f)), "/a", opts) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 2 {
				break
			}
			if event.Kind != client.EventResync || event.Index != 20 || event.Node.Nodes[0].Key != "/a/b" {
				t.Errorf("began with %+v", event)
			}
		}
		wantPolls(t, f, "quorum=true&recursive=true", "recursive=true&stream=true&wait=true&waitIndex=21")
	})
}

func TestEventsResyncWhenHistoryIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cleared := fakeAnswer{status: http.StatusBadRequest, body: `{"errorCode":401,"message":"cleared","cause":"[100/9]","index":1099}`}
		dir := fakeAnswer{header: "X-Etcd-Index: 1100", body: `{"action":"get","node":{"key":"/a","dir":true,"modifiedIndex":3}}`}
		missing := fakeAnswer{status: http.StatusNotFound, body: `{"errorCode":100,"message":"Key not found","cause":"/a","index":2200}`}
		dropped := streamAt(1100, 1101)
		dropped.stalls = false
		f := script(t, cleared, dir, dir, dropped, cleared, missing, missing, streamAt(2200, 2201))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 4, &client.EventsOptions{Recursive: true, AfterIndex: 8})
		wantSeen(t, got, err, "resync 1100", "set 1101", "resync 2200", "set 2201")
	})
}

func TestEventsGoOnOverAProvenGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cleared := fakeAnswer{status: http.StatusBadRequest, body: `{"errorCode":401,"message":"cleared","cause":"[100/9]","index":1099}`}
		still := fakeAnswer{header: "X-Etcd-Index: 1100", body: `{"action":"get","node":{"key":"/a","value":"1","modifiedIndex":3,"createdIndex":3}}`}
		f := script(t, cleared, still, streamAt(1100, 1101))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 1, &client.EventsOptions{AfterIndex: 8})
		wantSeen(t, got, err, "set 1101")
	})
}

func TestEventsRetryFailingClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var retried []error
		opts := &client.EventsOptions{Retry: func(err error) { retried = append(retried, err) }}
		down := fakeAnswer{notSent: true}
		f := script(t, down, down, down, down, streamAt(7, 8))
		start := time.Now()
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 1, opts)
		wantSeen(t, got, err, "set 8")
		if took := time.Since(start); took != 750*time.Millisecond {
			t.Errorf("took %s, want 50+100+200+400 ms", took)
		}
		if len(retried) != 4 || !errors.Is(retried[0], client.ErrClusterUnavailable) {
			t.Errorf("retried %v", retried)
		}
	})
}

func TestEventsEndWithAFinalError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unauthorized := fakeAnswer{status: http.StatusUnauthorized, body: `{"errorCode":110,"message":"The request requires user authentication","cause":"","index":0}`}
		for _, opts := range []*client.EventsOptions{nil, {Snapshot: true}} {
			f := script(t, unauthorized)
			if _, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 1, opts); !client.IsUnauthorized(err) {
				t.Errorf("got %v", err)
			}
		}
		f := script(t, fakeAnswer{status: http.StatusNotFound, body: "404 page not found"})
		if _, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 1, nil); !errors.Is(err, client.ErrV2NotEnabled) {
			t.Errorf("got %v", err)
		}

		other := streamAt(3, 4)
		other.header = strings.Replace(other.header, "c1", "c2", 1)
		first := streamAt(7, 8)
		first.stalls = false
		f = script(t, first, other)
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 9, nil)
		if re, ok := bare[*client.ReplyError](err); !ok || !errors.Is(err, client.ErrClusterIDChanged) || re.Endpoint != "http://etcd/base" {
			t.Errorf("got %v after %v", err, got)
		}
	})
}

func TestEventsRefuseBadInput(t *testing.T) {
	kapi := client.NewKeysAPI(newClient(t, script(t)))
	_, err := follow(t.Context(), kapi, 1, &client.EventsOptions{Snapshot: true, AfterIndex: 1})
	wantInvalidInput(t, err, "AfterIndex")
	_, err = follow(t.Context(), kapi, 1, &client.EventsOptions{Buffer: -1})
	wantInvalidInput(t, err, "Buffer")
	_, err = follow(nil, kapi, 1, nil) //nolint:staticcheck // a nil context is what is tested
	wantInvalidInput(t, err, "context")
	for _, err = range client.Events(t.Context(), kapi, "/a/../b", nil) {
		wantInvalidInput(t, err, "key")
	}
}

func TestEventsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		f := script(t, streamAt(7, 8))
		start := time.Now()
		got, err := follow(ctx, client.NewKeysAPI(newClient(t, f)), 2, nil)
		if !same(err, context.DeadlineExceeded) || len(got) != 1 || time.Since(start) != time.Minute {
			t.Errorf("got %v, %v after %s", got, err, time.Since(start))
		}
		if _, err := follow(ctx, client.NewKeysAPI(newClient(t, script(t))), 1, nil); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v of a context that has ended", err)
		}
	})
}

// Each loop is a watch of its own, and leaving it ends its request: the fake
// transport and the bubble check that nothing is left.
func TestEventsAreForManyLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return streamAt(7, 8, 9, 10) })
		events := client.Events(t.Context(), client.NewKeysAPI(newClient(t, f)), "/a", &client.EventsOptions{Buffer: 1})
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for event, err := range events {
					if err != nil || event.Index != 8 {
						t.Errorf("began with %+v, %v", event, err)
					}
					break
				}
			})
		}
		all.Wait()
		if n := len(f.seen()); n != 3 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestEventsLeaveHiddenNodesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Servers report them to those who catch up.
		hidden := fakeAnswer{header: "X-Etcd-Index: 30", body: eventLine("set", "/a/_h/x", 12) + eventLine("set", "/a/b", 31)}
		f := script(t, hidden, fakeAnswer{header: "X-Etcd-Index: 31", body: eventLine("set", "/a/b_c", 20)}, streamAt(31))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 1, &client.EventsOptions{AfterIndex: 10, Recursive: true})
		wantSeen(t, got, err, "set 20")
		// The hidden one was all of the history that the stream had to give.
		if line := f.lines()[1]; !strings.HasSuffix(line, "?recursive=true&wait=true&waitIndex=13") {
			t.Errorf("second request %s", line)
		}
	})
}

func TestEventsMoveFromAStoppedMember(t *testing.T) {
	within(t, time.Minute, 6*time.Second, func(t bubble) {
		s := newScenario(t.T, streamAt(7), stopped, streamAt(9, 8))
		for event, err := range client.Events(t.ctx, s.keys(t.T, "a", "b"), "/a", nil) {
			if err != nil || event.Index != 8 {
				t.Errorf("got %+v, %v", event, err)
			}
			break
		}
	})
}

func TestEventsOnAnyKeysAPI(t *testing.T) {
	cleared := client.Error{Code: client.ErrorCodeEventIndexCleared, Index: 50}
	kapi := &scriptedKeys{nodes: []any{
		&client.Response{Action: "set", Node: &client.Node{Key: "/a", ModifiedIndex: 5}},
		&client.Response{Action: "expire", Node: &client.Node{Key: "/a", ModifiedIndex: 6}},
		cleared,
		&client.Response{Action: "get", Node: &client.Node{Key: "/a", Value: "x"}, Index: 60},
		&client.Response{Action: "delete", Node: &client.Node{Key: "/a", ModifiedIndex: 61}},
	}}
	got, err := follow(t.Context(), kapi, 4, nil)
	wantSeen(t, got, err, "set 5", "expire 6", "resync 60", "delete 61")
	if !slices.Equal(kapi.watched, []uint64{0, 60}) {
		t.Errorf("watched after %v", kapi.watched)
	}
}

// scriptedKeys is a KeysAPI that is not the client's own.
type scriptedKeys struct {
	client.KeysAPI
	nodes   []any
	watched []uint64
}

func (k *scriptedKeys) next() (*client.Response, error) {
	if len(k.nodes) == 0 {
		return nil, context.Canceled
	}
	next := k.nodes[0]
	k.nodes = k.nodes[1:]
	if err, ok := next.(error); ok {
		return nil, err
	}
	return next.(*client.Response), nil
}

// Get implements client.KeysAPI.
func (k *scriptedKeys) Get(context.Context, string, *client.GetOptions) (*client.Response, error) {
	return k.next()
}

// Watcher implements client.KeysAPI.
func (k *scriptedKeys) Watcher(_ string, opts *client.WatcherOptions) client.Watcher {
	k.watched = append(k.watched, opts.AfterIndex)
	return k
}

// Next implements client.Watcher.
func (k *scriptedKeys) Next(context.Context) (*client.Response, error) { return k.next() }

func TestEventKinds(t *testing.T) {
	for kind, want := range map[client.EventKind]string{
		client.EventSet: "write", client.EventCreate: "write", client.EventUpdate: "write", client.EventCompareAndSwap: "write",
		client.EventDelete: "delete", client.EventCompareAndDelete: "delete", client.EventExpire: "delete",
		client.EventResync: "",
	} {
		e := &client.Event{Kind: kind}
		if e.IsWrite() != (want == "write") || e.IsDelete() != (want == "delete") {
			t.Errorf("%s: write %v, delete %v", kind, e.IsWrite(), e.IsDelete())
		}
	}
}

func TestEventsWaitForAKeyBelowAFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inTheWay := fakeAnswer{status: http.StatusBadRequest, body: `{"errorCode":104,"message":"Not a directory","cause":"/a","index":20}`}
		f := script(t, inTheWay, streamAt(20, 21))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 2, &client.EventsOptions{Snapshot: true})
		wantSeen(t, got, err, "resync 20", "set 21")
	})
}

func TestEventsRefuseASnapshotWithoutIndex(t *testing.T) {
	f := script(t, fakeAnswer{body: `{"action":"get","node":{"key":"/a","value":"1","modifiedIndex":3}}`})
	_, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 1, &client.EventsOptions{Snapshot: true})
	if re, ok := bare[*client.ReplyError](err); !ok || !strings.Contains(re.Message, "X-Etcd-Index") {
		t.Errorf("got %v", err)
	}
}

func TestEventsReadAheadEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f := script(t, streamAt(7, 8, 9, 10))
		n := 0
		var last error
		for _, err := range client.Events(ctx, client.NewKeysAPI(newClient(t, f)), "/a", nil) {
			if last = err; err == nil {
				n++
				synctest.Wait() // all of them have been read
				cancel()
			}
		}
		if n != 1 || !same(last, context.Canceled) {
			t.Errorf("saw %d events and %v after the context ended", n, last)
		}
	})
}

func TestEventsMakeAStreamAgainThatMayHaveBeenDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// What a server has dropped stays open and silent.
		indexes := func(from, to uint64) (list []uint64) {
			for i := from; i <= to; i++ {
				list = append(list, i)
			}
			return list
		}
		f := script(t, streamAt(7, indexes(8, 107)...), streamAt(150, 108), fakeAnswer{header: "X-Etcd-Index: 150", body: eventLine("set", "/a", 150)}, streamAt(150, 151))
		start := time.Now()
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 103, nil)
		if err != nil || len(got) != 103 || got[102] != "set 151" {
			t.Errorf("saw %q, %v", got, err)
		}
		if took := time.Since(start); took != 2*time.Millisecond { // they came all at once
			t.Errorf("took %s", took)
		}
		wantPolls(t, f, "stream=true&wait=true", "stream=true&wait=true&waitIndex=108", "wait=true&waitIndex=109", "stream=true&wait=true&waitIndex=151")
	})
}

func TestEventsThroughAProxyThatHoldsRepliesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
			switch {
			case req.FormValue("stream") == "true":
				return fakeAnswer{after: time.Minute, status: http.StatusGatewayTimeout}
			case req.FormValue("waitIndex") == "9":
				return fakeAnswer{after: time.Minute, status: http.StatusGatewayTimeout}
			default:
				return fakeAnswer{header: "X-Etcd-Index: 7", body: eventLine("set", "/a", 8)}
			}
		})
		start := time.Now()
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 1, &client.EventsOptions{AfterIndex: 7})
		wantSeen(t, got, err, "set 8")
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("took %s", took)
		}
	})
}
