package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// fakeNetwork is a store behind connections of which those that exist at a time
// begin to swallow everything.
type fakeNetwork struct {
	mu        sync.Mutex // guards the fields below
	index     uint64
	history   int           // how many events the store remembers
	events    []uint64      // of /a
	changed   chan struct{} // closed and replaced at each event
	swallowed chan struct{} // closed when the connections of now are swallowed
}

func newFakeNetwork() *fakeNetwork {
	return &fakeNetwork{index: 10, history: 1000, changed: make(chan struct{}), swallowed: make(chan struct{})}
}

// write writes n nodes elsewhere, and then /a.
func (n *fakeNetwork) write(elsewhere int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.index += uint64(elsewhere) + 1
	n.events = append(n.events, n.index)
	close(n.changed)
	n.changed = make(chan struct{})
}

// busy writes n nodes elsewhere.
func (n *fakeNetwork) busy(elsewhere int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.index += uint64(elsewhere)
}

func (n *fakeNetwork) swallow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.swallowed)
	n.swallowed = make(chan struct{})
}

// fakeConn is the body of a watch on one connection.
type fakeConn struct {
	network   *fakeNetwork
	ctx       context.Context
	next      uint64
	stream    bool
	swallowed chan struct{}
	rest      []byte
	ended     bool
}

func (n *fakeNetwork) RoundTrip(req *http.Request) (*http.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	resp := &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, Header: http.Header{"X-Etcd-Index": {fmt.Sprint(n.index)}, "X-Etcd-Cluster-Id": {"c1"}}, Request: req}
	body := &fakeConn{network: n, ctx: req.Context(), swallowed: n.swallowed, next: n.index + 1, stream: req.FormValue("stream") == "true"}
	resp.Body = body
	switch {
	case isProbe(req.Header):
		body.rest, body.ended = []byte(healthy), true
		return resp, nil
	case req.FormValue("wait") != "true": // a quorum read
		body.rest, body.ended = fmt.Appendf(nil, `{"action":"get","node":{"key":"/a","dir":true,"modifiedIndex":3}}`), true
		return resp, nil
	}
	if wanted := req.FormValue("waitIndex"); wanted != "" {
		fmt.Sscan(wanted, &body.next)
	}
	if body.next+uint64(n.history) <= n.index {
		resp.StatusCode = 400
		body.rest, body.ended = fmt.Appendf(nil, `{"errorCode":401,"message":"The event in requested index is outdated and cleared","cause":"","index":%d}`, n.index), true
	}
	return resp, nil
}

func (c *fakeConn) Read(p []byte) (int, error) {
	for {
		if len(c.rest) > 0 {
			size := copy(p, c.rest)
			c.rest = c.rest[size:]
			return size, nil
		}
		if c.ended {
			return 0, io.EOF
		}
		c.network.mu.Lock()
		changed := c.network.changed
		for _, index := range c.network.events {
			if index >= c.next && c.rest == nil {
				c.rest = []byte(eventLine("set", "/a", index))
				c.next = index + 1
				c.ended = !c.stream
			}
		}
		c.network.mu.Unlock()
		select {
		case <-c.swallowed: // whatever there is
			<-c.ctx.Done()
			return 0, context.Cause(c.ctx)
		default:
		}
		if len(c.rest) > 0 {
			continue
		}
		c.rest = nil
		select {
		case <-c.swallowed:
			<-c.ctx.Done()
			return 0, context.Cause(c.ctx)
		case <-c.ctx.Done():
			return 0, context.Cause(c.ctx)
		case <-changed:
		}
	}
}

func (c *fakeConn) Close() error { return nil }

// A watch on a connection that swallows everything goes on within about a minute, and
// misses nothing.
func TestRenewal_SwallowedConnection(t *testing.T) {
	for name, opts := range map[string]*client.EventsOptions{"a key": {AfterIndex: 9}, "a directory": {AfterIndex: 9, Recursive: true}, "from now": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newFakeNetwork()
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				var got []uint64
				seen := make(chan uint64, 100)
				go func() {
					defer close(seen)
					for event, err := range client.Events(ctx, client.NewKeysAPI(newClient(t, network)), "/a", opts) {
						if err != nil {
							return
						}
						seen <- event.Index
					}
				}()
				synctest.Wait()
				network.write(0)
				got = append(got, <-seen)
				for range 3 {
					synctest.Wait()
					network.swallow()
					<-time.After(time.Second)
					network.write(3)
					network.write(3)
					start := time.Now()
					got = append(got, <-seen, <-seen)
					if took := time.Since(start); took > time.Minute {
						t.Errorf("took %s", took)
					}
				}
				cancel()
				for range seen {
					t.Error("an event too many")
				}
				if want := fmt.Sprint([]uint64{11, 15, 19, 23, 27, 31, 35}); fmt.Sprint(got) != want {
					t.Errorf("saw %v, want %s", got, want)
				}
			})
		})
	}
}

// An idle watch is renewed for as long as it lasts, and brings what happens.
func TestRenewal_IdleWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newFakeNetwork()
		w := client.NewKeysAPI(newClient(t, network)).Watcher("/a", &client.WatcherOptions{AfterIndex: 10})
		time.AfterFunc(time.Hour+time.Second, func() { network.write(0) })
		start := time.Now()
		event, err := w.Next(t.Context())
		if err != nil || event.Node.ModifiedIndex != 11 || time.Since(start) != time.Hour+time.Second {
			t.Errorf("got %v, %v after %s", event, err, time.Since(start))
		}
	})
}

// In a busy store the history does not reach back to where an idle watch began. As
// long as its connection is alive, nothing is lost, and there is no error.
func TestRenewal_BusyStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newFakeNetwork()
		w := client.NewKeysAPI(newClient(t, network)).Watcher("/a", &client.WatcherOptions{AfterIndex: 10, Recursive: true})
		go func() {
			for range 600 {
				<-time.After(time.Second)
				network.busy(200)
			}
			network.write(0)
		}()
		event, err := w.Next(t.Context())
		if err != nil || event.Node.ModifiedIndex != 120011 {
			t.Errorf("got %v, %v", event, err)
		}
	})
}

// Where that connection has swallowed an event, the watch ends with an error when
// another shows that there was one.
func TestRenewal_BusyStoreAndSwallowedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newFakeNetwork()
		w := client.NewKeysAPI(newClient(t, network)).Watcher("/a", &client.WatcherOptions{AfterIndex: 10, Recursive: true})
		go func() {
			<-time.After(10 * time.Second)
			network.swallow()
			for range 600 {
				<-time.After(time.Second)
				network.busy(100)
				network.write(0)
			}
		}()
		start := time.Now()
		event, err := w.Next(t.Context())
		var cleared client.Error
		if !client.IsEventIndexCleared(err) || !errors.As(err, &cleared) || time.Since(start) > 90*time.Second {
			t.Fatalf("got %v, %v after %s", event, err, time.Since(start))
		}
		if event, err = w.Next(t.Context()); err != nil || event.Node.ModifiedIndex <= cleared.Index {
			t.Errorf("got %v, %v", event, err)
		}
		<-time.After(20 * time.Minute)
	})
}

// A server that takes no watches, and answers probes, is left.
func TestRenewal_NoHeader(t *testing.T) {
	within(t, time.Minute, 8*time.Second, func(t bubble) {
		s := newScenario(t.T, stopped, fakeAnswer{body: healthy}, eventAt(9))
		if _, err := s.keys(t.T, "a", "b").Watcher("/a", &client.WatcherOptions{AfterIndex: 7}).Next(t.ctx); err != nil {
			t.Error(err)
		}
	})
}
