package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// A watch may only pass over a part of the history that is shown to hold nothing
// for it. The next request after each of these must begin where the one before did.
func TestWatcher_StartIndexStays(t *testing.T) {
	header := "X-Etcd-Index: 100\nX-Etcd-Cluster-Id: c1"
	half := `{"action":"set","node":{"key":"/a","value":"60","modi`
	for name, answer := range map[string]fakeAnswer{
		"half of an event, 1.1 s after the request was made":    {header: header, body: half, bodyAfter: 1100 * time.Millisecond, breaks: io.ErrUnexpectedEOF},
		"half of an event, after a minute":                      {header: header, body: half, bodyAfter: time.Minute, breaks: io.ErrUnexpectedEOF},
		"one byte of an event, and a reset":                     {header: header, body: "{", bodyAfter: 7 * time.Second, breaks: errors.New("reset")},
		"no byte, 1.1 s after the header":                       {header: header, bodyAfter: 1100 * time.Millisecond, breaks: io.ErrUnexpectedEOF},
		"no byte, 4.9 s after the header":                       {header: header, bodyAfter: 4900 * time.Millisecond, breaks: io.ErrUnexpectedEOF},
		"a late header, and an end right behind it":             {header: header, after: 7 * time.Second, breaks: io.ErrUnexpectedEOF},
		"a late header, and an orderly end right behind it":     {header: header, after: 7 * time.Second},
		"an empty body at once":                                 {header: header},
		"an empty body after 1.1 s":                             {header: header, bodyAfter: 1100 * time.Millisecond},
		"an empty body after 4.9 s":                             {header: header, bodyAfter: 4900 * time.Millisecond},
		"no header, cut after 7 s":                              {after: 7 * time.Second, err: io.EOF},
		"a gateway's 504 after 7 s":                             {after: 7 * time.Second, status: http.StatusGatewayTimeout, header: "X-Etcd-Index: 100"},
		"a watch that the server has dropped":                   {after: 7 * time.Second, status: http.StatusBadRequest, header: header, body: `{"errorCode":400,"message":"watcher is cleared due to etcd recovery","index":100}`},
		"a header of another request's reply, and no etcd else": {header: header, bodyAfter: time.Hour, breaks: io.ErrUnexpectedEOF},
	} {
		for probes, pulse := range map[string]fakeAnswer{
			"":                     {status: http.StatusNotFound, body: "<html>not here"},
			", the member answers": {body: healthy},
		} {
			if answer.bodyAfter == time.Hour && pulse.body == healthy {
				continue // that is the proof
			}
			t.Run(name+probes, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := script(t, answer, eventAt(60))
					f.pulse = func(*http.Request) fakeAnswer { return pulse }
					w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 49})
					event, err := w.Next(t.Context())
					if err != nil || event.Node.ModifiedIndex != 60 {
						t.Errorf("got %v, %v", event, err)
					}
					wantPolls(t, f, "wait=true&waitIndex=50", "wait=true&waitIndex=50")
				})
			})
		}
	}
}

// The header has been there for 5 s without a byte of a body, and the same member has
// answered another request since: the history holds nothing.
func TestWatcher_StartIndexMovesOverAnEmptyHistory(t *testing.T) {
	for name, pulse := range map[string]fakeAnswer{
		"the member answers":              {body: healthy},
		"the member answers that late":    {body: healthy, after: time.Second},
		"the member is without a quorum":  {status: http.StatusServiceUnavailable, body: `{"health":"false"}`},
		"its answer is not etcd's":        {body: "<html>fine"},
		"its answer comes from a gateway": {status: http.StatusBadGateway, body: "<html>no"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				idle := fakeAnswer{header: "X-Etcd-Index: 100", bodyAfter: time.Minute, breaks: io.ErrUnexpectedEOF}
				f := script(t, idle, eventAt(160))
				f.pulse = func(*http.Request) fakeAnswer { return pulse }
				w := client.NewKeysAPI(newClient(t, f)).Watcher("/a", &client.WatcherOptions{AfterIndex: 49})
				if event, err := w.Next(t.Context()); err != nil || event.Node.ModifiedIndex != 160 {
					t.Errorf("got %v, %v", event, err)
				}
				second := "wait=true&waitIndex=101"
				if pulse.body != healthy && pulse.status != http.StatusServiceUnavailable {
					second = "wait=true&waitIndex=50"
				}
				wantPolls(t, f, "wait=true&waitIndex=50", second)
			})
		})
	}
}

// A redirect has led the watch to another server: what the endpoint answers meanwhile
// shows nothing of that one.
func TestWatcher_StartIndexStaysBehindARedirect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polls []string
		f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
			switch {
			case req.FormValue("wait") == "":
				return fakeAnswer{header: "X-Etcd-Index: 100", body: setReply}
			case req.URL.Host == "a":
				return fakeAnswer{status: http.StatusTemporaryRedirect, header: "Location: http://b" + req.URL.RequestURI()}
			}
			if polls = append(polls, req.FormValue("waitIndex")); len(polls) == 1 {
				return fakeAnswer{header: "X-Etcd-Index: 100", bodyAfter: 15 * time.Second, breaks: io.ErrUnexpectedEOF}
			}
			return eventAt(60)
		})
		kapi := client.NewKeysAPI(newClient(t, f, "http://a"))
		time.AfterFunc(10*time.Second, func() {
			if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
				t.Error(err)
			}
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		event, err := kapi.Watcher("/a", &client.WatcherOptions{AfterIndex: 49}).Next(ctx)
		if err != nil || event.Node.ModifiedIndex != 60 || !slices.Equal(polls, []string{"50", "50"}) {
			t.Errorf("got %v, %v; polled from %q", event, err, polls)
		}
	})
}

// Without an index in the header, nobody knows which events of a stream are of the
// history, of which a stream brings one and then jumps.
func TestEvents_NoIndexInTheHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history := []uint64{60, 70, 80}
		f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
			var after uint64
			fmt.Sscan(req.FormValue("waitIndex"), &after)
			for _, index := range history {
				if index >= after {
					return fakeAnswer{body: eventLine("set", "/a", index), stalls: req.FormValue("stream") == "true"}
				}
			}
			return fakeAnswer{stalls: true}
		})
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 3, &client.EventsOptions{AfterIndex: 49})
		wantSeen(t, got, err, "set 60", "set 70", "set 80")
	})
}

// One late header does not end streaming for the life of the watch.
func TestEvents_StreamsAgainAfterALateHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := streamAt(7)
		late.after = 2500 * time.Millisecond
		single := fakeAnswer{header: "X-Etcd-Index: 7", bodyAfter: 2 * time.Minute, body: eventLine("set", "/a", 8)}
		f := script(t, late, single, streamAt(8, 9, 10))
		got, err := follow(t.Context(), client.NewKeysAPI(newClient(t, f)), 3, &client.EventsOptions{AfterIndex: 7})
		wantSeen(t, got, err, "set 8", "set 9", "set 10")
		wantPolls(t, f, "stream=true&wait=true&waitIndex=8", "wait=true&waitIndex=8", "stream=true&wait=true&waitIndex=9")
	})
}

// fakeStore answers watches of /a from a history that grows by an event a second.
type fakeStore struct{ began time.Time }

func newFakeStore() *fakeStore { return &fakeStore{time.Now()} }

func (s *fakeStore) index() uint64 { return 10 + uint64(time.Since(s.began)/time.Second) }

func (s *fakeStore) answer(req *http.Request) fakeAnswer {
	index := s.index()
	a := fakeAnswer{header: fmt.Sprintf("X-Etcd-Index: %d\nX-Etcd-Cluster-Id: c1", index)}
	next := index + 1
	if wanted := req.FormValue("waitIndex"); wanted != "" {
		fmt.Sscan(wanted, &next)
	}
	if next > index {
		a.bodyAfter = time.Until(s.began.Add(time.Duration(next-10) * time.Second))
	}
	a.body = eventLine("set", "/a", next)
	if req.FormValue("stream") == "true" && next > index {
		a.body += eventLine("set", "/a", next+1) // a little early, and then it ends
	}
	return a
}

// impatientClient returns each call less time than its caller does.
type impatientClient struct {
	client.Client
	timeout time.Duration
}

func (c impatientClient) Do(ctx context.Context, act client.HTTPAction) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return c.Client.Do(ctx, act)
}

// forgetfulClient fails after each second call has succeeded.
type forgetfulClient struct {
	client.Client
	calls int
}

func (c *forgetfulClient) Do(ctx context.Context, act client.HTTPAction) (*http.Response, []byte, error) {
	resp, body, err := c.Client.Do(ctx, act)
	if c.calls++; c.calls%2 == 0 {
		return nil, nil, errors.New("forgotten")
	}
	return resp, body, err
}

// retryingClient makes each call twice, and returns what the second came to.
type retryingClient struct{ client.Client }

func (c retryingClient) Do(ctx context.Context, act client.HTTPAction) (*http.Response, []byte, error) {
	first, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	_, _, _ = c.Client.Do(first, act)
	return c.Client.Do(ctx, act)
}

// hedgingClient makes each call twice at the same time, and returns what comes first.
type hedgingClient struct{ client.Client }

func (c hedgingClient) Do(ctx context.Context, act client.HTTPAction) (*http.Response, []byte, error) {
	type answer struct {
		resp *http.Response
		body []byte
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, 2)
	for range 2 {
		go func() {
			resp, body, err := c.Client.Do(ctx, act)
			answers <- answer{resp, body, err}
		}()
	}
	first := <-answers
	return first.resp, first.body, first.err
}

// ownRequestClient makes its requests itself.
type ownRequestClient struct {
	client.Client
	transport http.RoundTripper
}

func (c ownRequestClient) Do(ctx context.Context, act client.HTTPAction) (*http.Response, []byte, error) {
	req := act.HTTPRequest(url.URL{Scheme: "http", Host: "etcd"}).WithContext(ctx)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// impatientKeys returns each Next less time than its caller does.
type impatientKeys struct{ client.KeysAPI }

type impatientWatcher struct{ client.Watcher }

func (k impatientKeys) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	return impatientWatcher{k.KeysAPI.Watcher(key, opts)}
}

func (w impatientWatcher) Next(ctx context.Context) (*client.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	return w.Watcher.Next(ctx)
}

func TestEvents_WrappedClients(t *testing.T) {
	const n = 8
	for name, wrap := range map[string]func(client.Client, http.RoundTripper) client.KeysAPI{
		"none": func(c client.Client, _ http.RoundTripper) client.KeysAPI { return client.NewKeysAPI(c) },
		"time-outs": func(c client.Client, _ http.RoundTripper) client.KeysAPI {
			return client.NewKeysAPI(impatientClient{c, 700 * time.Millisecond})
		},
		"errors": func(c client.Client, _ http.RoundTripper) client.KeysAPI {
			return client.NewKeysAPI(&forgetfulClient{Client: c})
		},
		"retries":     func(c client.Client, _ http.RoundTripper) client.KeysAPI { return client.NewKeysAPI(retryingClient{c}) },
		"hedging":     func(c client.Client, _ http.RoundTripper) client.KeysAPI { return client.NewKeysAPI(hedgingClient{c}) },
		"own actions": func(c client.Client, _ http.RoundTripper) client.KeysAPI { return client.NewKeysAPI(headerClient{c}) },
		"own requests": func(c client.Client, rt http.RoundTripper) client.KeysAPI {
			return client.NewKeysAPI(ownRequestClient{c, rt})
		},
		"time-outs of a KeysAPI": func(c client.Client, _ http.RoundTripper) client.KeysAPI {
			return impatientKeys{client.NewKeysAPI(c)}
		},
	} {
		for start, opts := range map[string]*client.EventsOptions{"from now": nil, "from an index": {AfterIndex: 5}} {
			t.Run(name+" "+start, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFakeTransport(t, newFakeStore().answer)
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					got, err := follow(ctx, wrap(newClient(t, f, "http://etcd"), f), n, opts)
					synctest.Wait()
					if err != nil || len(got) != n {
						t.Fatalf("saw %q, %v", got, err)
					}
					var first, last uint64
					for i, line := range got {
						var index uint64
						fmt.Sscanf(line, "set %d", &index)
						if i == 0 {
							first = index
						} else if index != last+1 {
							t.Errorf("saw %q", got)
							break
						}
						last = index
					}
					if want := map[string]uint64{"from now": 11, "from an index": 6}[start]; first != want {
						t.Errorf("saw %q, want to begin with %d", got, want)
					}
				})
			})
		}
	}
}
