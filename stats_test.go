package client_test

import (
	"context"
	"encoding/json"
	"errors"
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

func statsOf(t *testing.T, c client.Client) client.Stats {
	t.Helper()
	s, ok := client.StatsOf(c)
	if !ok {
		t.Fatal("there are no stats")
	}
	return s
}

// wantSums checks that every attempt has come to something, and is some
// endpoint's.
func wantSums(t *testing.T, s client.Stats) {
	t.Helper()
	if s.Attempts != s.Answered+s.Failed+s.IdlePolls+s.Cancelled || s.Requests != s.Attempts+s.Redirects {
		t.Errorf("the sums are wrong: %+v", s)
	}
	var of client.Stats
	for _, e := range s.Endpoints {
		if e.Attempts != e.Answered+e.Failed+e.IdlePolls+e.Cancelled {
			t.Errorf("the sums are wrong: %+v", e)
		}
		of.Attempts += e.Attempts
		of.Answered += e.Answered
		of.Failed += e.Failed
		of.IdlePolls += e.IdlePolls
		of.Cancelled += e.Cancelled
		of.Probes += e.Probes
		of.ProbesFailed += e.ProbesFailed
	}
	if of.Attempts != s.Attempts || of.Answered != s.Answered || of.Failed != s.Failed || of.IdlePolls != s.IdlePolls ||
		of.Cancelled != s.Cancelled || of.Probes != s.Probes || of.ProbesFailed != s.ProbesFailed {
		t.Errorf("the endpoints don't make up the whole: %+v", s)
	}
}

// wantJSON checks what a program publishes.
func wantJSON(t *testing.T, v any, want string) {
	t.Helper()
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	want = strings.NewReplacer("\n", "", "\t", "").Replace(want)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t,
			fakeAnswer{body: setReply},
			fakeAnswer{status: 307, header: "Location: /elsewhere"}, fakeAnswer{status: 404, body: `{"errorCode":100}`},
			fakeAnswer{err: io.EOF},
			fakeAnswer{status: 503},
			fakeAnswer{header: "X-Etcd-Index: 3", breaks: io.ErrUnexpectedEOF}, eventAt(4),
			stopped,
			fakeAnswer{body: membersReply("http://etcd")},
			fakeAnswer{notSent: true}, streamAt(7, 8),
		)
		f.pulse = func(*http.Request) fakeAnswer { return stopped }
		// With the default interval, the probe and Sync, which waits for it for 2 s,
		// would end at the same time.
		c := newClientOf(t, client.Config{
			Endpoints: []string{"http://root:secret@etcd"}, Transport: f, StallInterval: time.Second,
		})
		kapi := client.NewKeysAPI(c)
		wantJSON(t, statsOf(t, c), `{"calls":0,"callsFailed":0,"unknownOutcomes":0,"requests":0,"redirects":0,"attempts":0,"answered":0,
			"failed":0,"idlePolls":0,"cancelled":0,"failovers":0,"retries":0,"watchRestarts":0,"probes":0,"probesFailed":0,"syncs":0,"syncsFailed":0,
			"endpoints":[{"endpoint":"http://etcd","pinned":true,"unhealthy":false,"attempts":0,"answered":0,"failed":0,"idlePolls":0,"cancelled":0,
			"becameUnhealthy":0,"probes":0,"probesFailed":0}]}`)

		get := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := kapi.Get(ctx, "/a", nil)
			return err
		}
		if err := get(); err != nil {
			t.Error(err)
		}
		if err := get(); !client.IsKeyNotFound(err) {
			t.Error(err)
		}
		if _, err := kapi.Create(t.Context(), "/a", "1"); !errors.Is(err, client.ErrOutcomeUnknown) {
			t.Error(err)
		}
		if err := get(); !errors.Is(err, client.ErrClusterUnavailable) {
			t.Error(err)
		}
		if _, err := kapi.Watcher("/a", nil).Next(t.Context()); err != nil {
			t.Error(err)
		}
		if err := get(); !same(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := c.Sync(t.Context()); !same(err, client.ErrNoEndpoints) {
			t.Error(err)
		}
		if _, err := follow(t.Context(), kapi, 1, nil); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		s := statsOf(t, c)
		wantSums(t, s)
		wantJSON(t, s, `{"calls":10,"callsFailed":3,"unknownOutcomes":1,"requests":11,"redirects":1,"attempts":10,"answered":4,
			"failed":3,"idlePolls":1,"cancelled":2,"failovers":0,"retries":1,"watchRestarts":1,"probes":1,"probesFailed":1,"syncs":1,"syncsFailed":1,
			"endpoints":[{"endpoint":"http://etcd","pinned":true,"unhealthy":true,"attempts":10,"answered":4,"failed":3,"idlePolls":1,"cancelled":2,
			"becameUnhealthy":2,"probes":1,"probesFailed":1,"lastFailure":"2000-01-01T00:00:01.1Z"}]}`)
	})
}

func TestStatsOfFailovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScenario(t, fakeAnswer{status: 503}, fakeAnswer{body: healthy}, fakeAnswer{body: setReply})
		c := newClient(t, s, "http://a", "http://b")
		for range 3 {
			if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
				t.Error(err)
			}
		}
		got := statsOf(t, c)
		wantSums(t, got)
		if got.Calls != 3 || got.Attempts != 4 || got.Failed != 1 || got.Failovers != 1 || got.CallsFailed != 0 {
			t.Errorf("got %+v", got)
		}
		for _, e := range got.Endpoints {
			isVictim := e.Endpoint == "http://"+hosts(s.fakeTransport)[0]
			if e.Unhealthy != isVictim || e.Pinned == isVictim || isVictim != (e.BecameUnhealthy == 1) {
				t.Errorf("got %+v", e)
			}
		}
	})
}

func TestStatsFollowTheEndpoints(t *testing.T) {
	var list memberList
	list.set("http://b")
	c := newClient(t, newFakeTransport(t, list.answer), "http://a")
	kapi := client.NewKeysAPI(c)
	attempts := func() (all []uint64) {
		for _, e := range statsOf(t, c).Endpoints {
			all = append(all, e.Attempts)
		}
		return all
	}
	get := func() {
		t.Helper()
		if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
			t.Fatal(err)
		}
	}
	get()
	if err := c.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	get()
	if got, want := attempts(), []uint64{0, 3}; !slices.Equal(got, want) {
		t.Errorf("after Sync %d, want %d", got, want)
	}
	for _, step := range []struct {
		endpoint string
		want     uint64
	}{{"http://A:80", 3}, {"http://c", 0}, {"http://a", 0}} {
		if err := c.SetEndpoints([]string{step.endpoint}); err != nil {
			t.Fatal(err)
		}
		if got := attempts(); !slices.Equal(got, []uint64{step.want}) {
			t.Errorf("of %s %d, want %d", step.endpoint, got, step.want)
		}
	}
	if s := statsOf(t, c); s.Attempts != 3 {
		t.Errorf("%d attempts in all, want 3", s.Attempts)
	}
}

type measuringClient struct{ *countingClient }

// handedClient wraps a Client without embedding it.
type handedClient struct {
	client.KeysAPI
	next client.Client
}

func (h handedClient) Unwrap() client.Client                                { return h.next }
func (h handedClient) Sync(context.Context) error                           { return nil }
func (h handedClient) AutoSync(context.Context, time.Duration) error        { return nil }
func (h handedClient) Endpoints() []string                                  { return nil }
func (h handedClient) SetEndpoints([]string) error                          { return nil }
func (h handedClient) GetVersion(context.Context) (*client.Versions, error) { return nil, nil }
func (h handedClient) Do(context.Context, client.HTTPAction) (*http.Response, []byte, error) {
	return nil, nil, nil
}

// standaloneClient is a Client of a program's own.
type standaloneClient struct{ handedClient }

func TestStatsOfWrappedClients(t *testing.T) {
	c := newClient(t, script(t, fakeAnswer{body: setReply}))
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Fatal(err)
	}
	counting := &countingClient{Client: c}
	for _, wrapped := range []client.Client{
		c, counting,
		headerClient{c},
		&headerClient{counting},
		measuringClient{counting},
		&measuringClient{counting},
		handedClient{next: c},
		&handedClient{next: headerClient{c}},
		struct{ client.Client }{handedClient{next: c}},
		struct{ handedClient }{handedClient{next: c}},
	} {
		if s, ok := client.StatsOf(wrapped); !ok || s.Attempts != 1 {
			t.Errorf("of %T: got %+v, %t", wrapped, s, ok)
		}
	}
	circle := &countingClient{}
	circle.Client = circle
	for _, other := range []client.Client{
		nil, circle, &countingClient{}, (*countingClient)(nil), headerClient{}, measuringClient{}, handedClient{}, standaloneClient{},
	} {
		if s, ok := client.StatsOf(other); ok || s.Attempts != 0 {
			t.Errorf("of %T: got %+v, %t", other, s, ok)
		}
	}
}

// Whoever looks while calls go on sees no more results than attempts.
func TestStatsWhileCallsGoOn(t *testing.T) {
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		switch {
		case req.URL.Host == "a":
			return fakeAnswer{notSent: true}
		case strings.HasSuffix(req.URL.Path, "/gone"):
			return fakeAnswer{status: 503}
		default:
			return fakeAnswer{body: setReply}
		}
	})
	f.pulse = func(req *http.Request) fakeAnswer { return fakeAnswer{notSent: req.URL.Host == "a", body: healthy} }
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: f, StallInterval: -1})
	kapi := client.NewKeysAPI(c)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for j := range 200 {
				key := "/here"
				if (i+j)%5 == 0 {
					key = "/gone"
				}
				_, err := kapi.Get(t.Context(), key, nil)
				if (key == "/gone") != errors.Is(err, client.ErrClusterUnavailable) {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			s := statsOf(t, c)
			if s.Attempts < s.Answered+s.Failed || s.Calls < s.CallsFailed {
				t.Errorf("got %+v", s)
			}
			for _, e := range s.Endpoints {
				if e.Attempts < e.Answered+e.Failed {
					t.Errorf("got %+v", e)
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	callers.Wait()
	close(done)
	watching.Wait()
	s := statsOf(t, c)
	wantSums(t, s)
	if s.Calls != 1600 || s.CallsFailed != 320 || s.Answered != 1280 || s.Attempts != s.Calls+s.Failovers {
		t.Errorf("got %+v", s)
	}
}
