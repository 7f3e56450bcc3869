package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// 1,000 idle watches of one member cause at most one probe for two intervals,
// whatever the spacing of their starts.
func TestProber_ThousandIdleWatches(t *testing.T) {
	for name, spacing := range map[string]time.Duration{"at once": 0, "4 ms apart": 4 * time.Millisecond, "a second's prime apart": 997 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeTransport(t, func(*http.Request) fakeAnswer {
					return fakeAnswer{header: "X-Etcd-Index: 7", stalls: true, http1: true}
				})
				c := newClient(t, f)
				kapi := client.NewKeysAPI(c)
				ctx, cancel := context.WithCancel(t.Context())
				var all sync.WaitGroup
				watches := 1000
				if client.RaceDetector || testing.Short() {
					watches = 100 // more goroutines that wake at once end the detector itself
				}
				for range watches {
					all.Go(func() {
						if _, err := kapi.Watcher("/a", nil).Next(ctx); !same(err, context.Canceled) {
							t.Errorf("got %v", err)
						}
					})
					<-time.After(spacing)
				}
				before := statsOf(t, c).Probes
				<-time.After(5 * time.Minute)
				if n := statsOf(t, c).Probes - before; n > 5*60 {
					t.Errorf("%d probes in 5 minutes", n)
				}
				cancel()
				all.Wait()
			})
		})
	}
}

// A short deadline ends its own call only.
func TestProber_ShortDeadlineBesideALongOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer {
			return fakeAnswer{after: 3 * time.Second, body: setReply}
		})
		f.pulse = func(*http.Request) fakeAnswer { return fakeAnswer{after: 600 * time.Millisecond, body: healthy} }
		kapi := client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
		created := make(chan error, 1)
		go func() {
			_, err := kapi.Create(t.Context(), "/a", "1")
			created <- err
		}()
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := kapi.Get(ctx, "/a", nil); !same(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			cancel()
		}
		if err := <-created; err != nil {
			t.Error(err)
		}
	})
}

// On a path of 150 ms round trips a new connection and a request take 600 ms.
func TestStallDetector_LongRoundTrips(t *testing.T) {
	for name, endpoints := range map[string][]string{"one endpoint": {"http://a"}, "three endpoints": {"http://a", "http://b", "http://c"}} {
		within(t, time.Second, 600*time.Millisecond, func(t bubble) {
			f := newFakeTransport(t.T, func(*http.Request) fakeAnswer { return fakeAnswer{after: 600 * time.Millisecond, body: setReply} })
			f.pulse = func(*http.Request) fakeAnswer { return fakeAnswer{after: 600 * time.Millisecond, body: healthy} }
			if _, err := client.NewKeysAPI(newClient(t.T, f, endpoints...)).Create(t.ctx, "/a", "1"); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

// A call to the only endpoint is repeated after a broken connection and after a 5xx,
// at most twice, within about a second.
func TestFailover_OnlyEndpoint(t *testing.T) {
	get := func(ctx context.Context, kapi client.KeysAPI) error {
		_, err := kapi.Get(ctx, "/a", nil)
		return err
	}
	set := func(ctx context.Context, kapi client.KeysAPI) error {
		_, err := kapi.Set(ctx, "/a", "1", nil)
		return err
	}
	create := func(ctx context.Context, kapi client.KeysAPI) error {
		_, err := kapi.Create(ctx, "/a", "1")
		return err
	}
	reset := fakeAnswer{err: resetByPeer()}
	for _, tt := range []struct {
		name     string
		call     func(context.Context, client.KeysAPI) error
		answer   fakeAnswer
		failures int // before the endpoint answers
		requests int
		took     time.Duration
		fails    bool
	}{
		{"a read after a reset", get, reset, 1, 2, 100 * time.Millisecond, false},
		{"a read after two resets", get, reset, 2, 3, 600 * time.Millisecond, false},
		{"a read after three resets", get, reset, 3, 3, 600 * time.Millisecond, true},
		{"a set after a 502", set, fakeAnswer{status: 502, body: "<html>"}, 1, 2, 100 * time.Millisecond, false},
		{"a read whose body broke off", get, fakeAnswer{body: setReply[:10], breaks: resetByPeer()}, 1, 2, 100 * time.Millisecond, false},
		{"a create after a reset", create, reset, 1, 1, 0, true},
		{"a create after a 503", create, fakeAnswer{status: 503}, 1, 1, 0, true},
		{"a refused connection", get, fakeAnswer{notSent: true}, 1, 1, 0, true},
		{"a gateway's refusal", get, fakeAnswer{status: 403, body: "<html>"}, 1, 1, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			within(t, time.Minute, tt.took, func(t bubble) {
				failures := tt.failures
				f := newFakeTransport(t.T, func(*http.Request) fakeAnswer {
					if failures--; failures >= 0 {
						return tt.answer
					}
					return fakeAnswer{body: setReply}
				})
				err := tt.call(t.ctx, client.NewKeysAPI(newClient(t.T, f)))
				if tt.fails != errors.Is(err, client.ErrClusterUnavailable) || !tt.fails && err != nil || len(f.seen()) != tt.requests {
					t.Errorf("%d requests, %v", len(f.seen()), err)
				}
			})
		})
	}
}

// An endpoint that answers something else than etcd is left, by fresh clients and by
// the next call, and comes last until etcd answers there.
func TestFailover_GatewayPages(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 407, 408, 413, 421, 429, 431, 451, 499, 502, 503, 504} {
		synctest.Test(t, func(t *testing.T) {
			page := fakeAnswer{status: status, body: "<html><h1>No</h1></html>"}
			for range 20 {
				f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
					if req.URL.Host == "gateway" {
						return page
					}
					return fakeAnswer{body: setReply}
				})
				f.pulse = func(*http.Request) fakeAnswer { return fakeAnswer{status: 200, body: "<html>fine</html>"} }
				kapi := client.NewKeysAPI(newClient(t, f, "http://gateway", "http://etcd"))
				for range 3 {
					if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
						t.Fatalf("%d: %v", status, err)
					}
					<-time.After(2 * time.Second) // it is probed, and answers, and is not etcd all the same
				}
				asked := hosts(f)
				if n := strings.Count(strings.Join(asked, " "), "gateway"); n > 1 {
					t.Errorf("%d: asked %v", status, asked)
				}
			}
		})
	}
}

func TestFailover_CreateBehindAGateway(t *testing.T) {
	for status, unknown := range map[int]bool{401: false, 403: false, 404: false, 413: false, 429: false, 408: true, 409: true, 425: true, 460: true, 499: true, 500: true, 502: true, 503: true, 504: true} {
		f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
			if req.URL.Host == "gateway" {
				return fakeAnswer{status: status, body: "<html>upstream"}
			}
			return fakeAnswer{body: setReply}
		})
		c := newClient(t, f, "http://gateway")
		if err := c.SetEndpoints([]string{"http://gateway", "http://etcd"}); err != nil { // the pin stays
			t.Fatal(err)
		}
		_, err := client.NewKeysAPI(c).Create(t.Context(), "/a", "1")
		if errors.Is(err, client.ErrOutcomeUnknown) != unknown || !unknown && err != nil || slices.Contains(hosts(f), "etcd") == unknown {
			t.Errorf("%d: %v, asked %v", status, err, hosts(f))
		}
	}
}

// A transport that is wrapped, and whose connections are limited, has none to spare
// for a probe: that says nothing of the member.
func TestProber_NoConnectionToSpare(t *testing.T) {
	slow := make(chan struct{})
	server := keysServer(t)
	transport := &http.Transport{MaxConnsPerHost: 1}
	t.Cleanup(transport.CloseIdleConnections)
	wrapped := roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/slow") {
			resp, err := transport.RoundTrip(req)
			<-slow
			return resp, err
		}
		return transport.RoundTrip(req)
	})
	var results []string
	var mu sync.Mutex
	c := newClientOf(t, client.Config{
		Endpoints: []string{server.URL}, Transport: wrapped, StallInterval: 20 * time.Millisecond,
		Trace: &client.Trace{ProbeDone: func(info client.ProbeInfo) {
			mu.Lock()
			defer mu.Unlock()
			if results = append(results, info.Result); len(results) == 2 {
				close(slow)
			}
		}},
	})
	if _, err := client.NewKeysAPI(c).CreateInOrder(t.Context(), "/slow", "1", nil); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if slices.Contains(results, "none") {
		t.Errorf("probes: %q", results)
	}
}

func TestNew_StallIntervalWithoutItsUnit(t *testing.T) {
	_, err := client.New(client.Config{Endpoints: []string{"http://a"}, StallInterval: 5})
	wantInvalidInput(t, err, "StallInterval")
}

// An attempt whose context has ended is not looked at any longer, though its
// transport has yet to return.
func TestStallDetector_TransportIgnoresContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{} })
		f.pulse = func(*http.Request) fakeAnswer { return fakeAnswer{stalls: true} }
		late := roundTripper(func(req *http.Request) (*http.Response, error) {
			if strings.HasPrefix(req.URL.Path, "/v2/keys") {
				<-time.After(time.Minute)
				return nil, req.Context().Err()
			}
			return f.RoundTrip(req)
		})
		c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: late})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := client.NewKeysAPI(c).Get(ctx, "/a", nil); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := statsOf(t, c).Probes; n > 2 {
			t.Errorf("%d probes for one call", n)
		}
	})
}
