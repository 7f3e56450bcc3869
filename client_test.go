package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// foreignAction is an HTTPAction of another package.
type foreignAction struct{ method, path, body string }

func (a foreignAction) HTTPRequest(ep url.URL) *http.Request {
	ep.Path += a.path
	req, err := http.NewRequestWithContext(context.Background(), a.method, ep.String(), strings.NewReader(a.body))
	if err != nil {
		return nil
	}
	return req
}

// hosts returns the hosts of the requests so far.
func hosts(f *fakeTransport) []string {
	var hosts []string
	for _, r := range f.seen() {
		u, err := url.Parse(r.url)
		if err != nil {
			panic(err)
		}
		hosts = append(hosts, u.Host)
	}
	return hosts
}

func TestNewRefuses(t *testing.T) {
	good := []string{"http://etcd"}
	for field, cfg := range map[string]client.Config{
		"endpoint":                {Endpoints: []string{"http://etcd", "ftp://etcd"}},
		"HeaderTimeoutPerRequest": {Endpoints: good, HeaderTimeoutPerRequest: -1},
		"MaxResponseBytes":        {Endpoints: good, MaxResponseBytes: -1},
		"SelectionMode":           {Endpoints: good, SelectionMode: 2},
		"Username":                {Endpoints: good, Username: "a:b"},
		"StallInterval":           {Endpoints: good, StallInterval: 5}, // a unit is missing
	} {
		_, err := client.New(cfg)
		wantInvalidInput(t, err, field)
	}
	if _, err := client.New(client.Config{}); !same(err, client.ErrNoEndpoints) {
		t.Errorf("without endpoints: got %v", err)
	}
}

func TestNewTakesTheDefaults(t *testing.T) {
	f := script(t, fakeAnswer{body: setReply})
	old := client.DefaultTransport
	client.DefaultTransport = f
	defer func() { client.DefaultTransport = old }()
	c := newClientOf(t, client.Config{Endpoints: []string{"http://etcd"}})
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil || len(f.seen()) != 1 {
		t.Errorf("got %v after %d requests", err, len(f.seen()))
	}
}

func TestDoGivesReplyAndBody(t *testing.T) {
	for _, status := range []int{200, 201, 304, 400, 404, 499} {
		f := script(t, fakeAnswer{status: status, header: "X-Y: z", body: "whatever"})
		resp, body, err := newClient(t, f).Do(t.Context(), foreignAction{method: http.MethodPost, path: "/v2/own?x=y", body: "form"})
		if err != nil || resp.StatusCode != status || resp.Header.Get("X-Y") != "z" || string(body) != "whatever" {
			t.Fatalf("%d: got %v, %q, %v", status, resp, body, err)
		}
		if _, err = resp.Body.Read(make([]byte, 1)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%d: the body can still be read: %v", status, err)
		}
	}
}

func TestDoRetriesAForeignActionByItsMethod(t *testing.T) {
	tests := []struct {
		method  string
		answers []fakeAnswer
		unknown bool
	}{
		{"GET", []fakeAnswer{{status: 500}, {err: errors.New("reset")}, {body: "ok"}}, false},
		{"HEAD", []fakeAnswer{{status: 503}, {body: "ok"}}, false},
		{"POST", []fakeAnswer{{status: 500}}, true},
		{"PUT", []fakeAnswer{{err: errors.New("reset")}}, true},
		{"DELETE", []fakeAnswer{{notSent: true}, {status: 502}}, true},
		{"POST", []fakeAnswer{{notSent: true}, {notSent: true}, {status: 404}}, false},
	}
	for _, tt := range tests {
		f := script(t, tt.answers...)
		_, _, err := newClient(t, f, "http://a", "http://b", "http://c").Do(t.Context(), foreignAction{method: tt.method})
		if errors.Is(err, client.ErrOutcomeUnknown) != tt.unknown || (err != nil) != tt.unknown {
			t.Errorf("%s: got %v", tt.method, err)
		}
		if n := len(f.seen()); n != len(tt.answers) {
			t.Errorf("%s: %d requests, want %d", tt.method, n, len(tt.answers))
		}
	}
}

func TestDoRefusesWhatCannotBeSent(t *testing.T) {
	c := newClient(t, script(t), "http://a", "http://b")
	if _, _, err := c.Do(t.Context(), nil); !same(err, client.ErrNoRequest) {
		t.Errorf("no action: got %v", err)
	}
	if _, _, err := c.Do(t.Context(), foreignAction{method: "NO METHOD"}); !errors.Is(err, client.ErrNoRequest) {
		t.Errorf("no request: got %v", err)
	}
	var none context.Context
	_, _, err := c.Do(none, foreignAction{method: http.MethodGet})
	wantInvalidInput(t, err, "context")
	_, err = client.NewKeysAPI(c).Get(none, "/a", nil)
	wantInvalidInput(t, err, "context")
	_, err = client.NewKeysAPI(c).Watcher("/a", nil).Next(none)
	wantInvalidInput(t, err, "context")
	wantInvalidInput(t, c.Sync(none), "context")
	wantInvalidInput(t, c.AutoSync(none, time.Second), "context")
}

func TestAllEndpointsAreTriedOnce(t *testing.T) {
	endpoints := []string{"http://a", "http://b", "http://c", "http://d"}
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		return fakeAnswer{err: fmt.Errorf("%s is broken", req.URL.Host), notSent: req.URL.Host == "b"}
	})
	_, err := client.NewKeysAPI(newClient(t, f, endpoints...)).Get(t.Context(), "/a", nil)
	ce, ok := bare[*client.ClusterError](err)
	if !ok || len(ce.Errors) != 4 || len(ce.Attempts) != 4 || ce.OutcomeUnknown {
		t.Fatalf("got %+v", err)
	}
	tried := hosts(f)
	for i, a := range ce.Attempts {
		if a.Endpoint != "http://"+tried[i] || !same(a.Err, ce.Errors[i]) || a.Sent == (tried[i] == "b") || a.StatusCode != 0 || !strings.Contains(a.Err.Error(), tried[i]+" is broken") {
			t.Errorf("attempt %d, at %s, is %+v", i, tried[i], a)
		}
	}
	slices.Sort(tried)
	if !slices.Equal(tried, []string{"a", "b", "c", "d"}) {
		t.Errorf("tried %v", tried)
	}
}

func TestThePinMovesToWhoeverAnswers(t *testing.T) {
	var mu sync.Mutex
	down := map[string]bool{}
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		mu.Lock()
		defer mu.Unlock()
		if down[req.URL.Host] {
			return fakeAnswer{status: http.StatusInternalServerError}
		}
		return fakeAnswer{body: setReply}
	})
	kapi := client.NewKeysAPI(newClient(t, f, "http://a", "http://b", "http://c"))
	get := func() (tried []string) {
		before := len(f.seen())
		if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
			t.Error(err)
		}
		return hosts(f)[before:]
	}
	first := get()
	if again := get(); !slices.Equal(first, again) || len(first) != 1 {
		t.Fatalf("went to %v, then to %v", first, again)
	}
	mu.Lock()
	down[first[0]] = true
	mu.Unlock()
	second := get()
	if len(second) != 2 || second[0] != first[0] {
		t.Fatalf("%s is down: went to %v", first, second)
	}
	if third := get(); !slices.Equal(third, second[1:]) {
		t.Errorf("%s answered last: went to %v", second[1:], third)
	}
}

// The next call need not begin where the last write got lost.
func TestThePinMovesWhenAWriteStops(t *testing.T) {
	f := script(t, fakeAnswer{err: io.ErrUnexpectedEOF}, fakeAnswer{body: setReply}, fakeAnswer{body: setReply})
	kapi := client.NewKeysAPI(newClient(t, f, "http://a", "http://b"))
	if _, err := kapi.Create(t.Context(), "/a", "1"); !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Fatalf("got %v", err)
	}
	for range 2 {
		if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
			t.Error(err)
		}
	}
	if h := hosts(f); h[0] == h[1] || h[1] != h[2] {
		t.Errorf("went to %v", h)
	}
}

func TestStrictWrites(t *testing.T) {
	f := script(t, fakeAnswer{notSent: true}, fakeAnswer{status: 500})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b", "http://c"}, Transport: f, StrictWrites: true})
	_, err := client.NewKeysAPI(c).Set(t.Context(), "/a", "1", nil)
	ce, ok := bare[*client.ClusterError](err)
	if !ok || !ce.OutcomeUnknown || len(ce.Errors) != 2 {
		t.Errorf("got %v", err)
	}
	f = script(t, fakeAnswer{err: io.EOF}, fakeAnswer{err: io.EOF})
	_, err = client.NewKeysAPI(newClient(t, f, "http://a", "http://b")).Set(t.Context(), "/a", "1", nil)
	if ce, ok = bare[*client.ClusterError](err); !ok || !ce.OutcomeUnknown || len(ce.Errors) != 2 {
		t.Errorf("unless it is set, all are tried: got %v", err)
	}
}

func TestMaxResponseBytes(t *testing.T) {
	f := script(t, fakeAnswer{body: strings.Repeat(" ", 100), endless: true})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: f, MaxResponseBytes: 1000})
	_, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil)
	re, ok := bare[*client.ReplyError](err)
	if !ok || !errors.Is(err, client.ErrResponseTooLarge) || re.Endpoint != "http://"+hosts(f)[0] {
		t.Errorf("got %v", err)
	}
}

func TestHeaderTimeoutPerRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{silent: true} })
		c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: f, HeaderTimeoutPerRequest: 3 * time.Second})
		start := time.Now()
		_, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil)
		ce, ok := bare[*client.ClusterError](err)
		if !ok || len(ce.Errors) != 2 || !same(ce.Errors[0], client.ErrHeaderTimeout) || !same(ce.Errors[1], client.ErrHeaderTimeout) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(start); took != 6*time.Second {
			t.Errorf("two attempts took %v", took)
		}

		// The caller's deadline explains itself.
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		start = time.Now()
		if _, err = client.NewKeysAPI(c).Get(ctx, "/a", nil); !same(err, context.DeadlineExceeded) || time.Since(start) != 4*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}

		// Nor does it bound a watch, whose header may take for ever.
		ctx, cancel = context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start = time.Now()
		if _, err = client.NewKeysAPI(c).Watcher("/a", nil).Next(ctx); !same(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("a watch: got %v after %v", err, time.Since(start))
		}
	})
}

// It is about headers: a body may take longer.
func TestHeaderTimeoutLeavesTheBodyAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := script(t, fakeAnswer{body: setReply, stalls: true})
		c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: f, HeaderTimeoutPerRequest: time.Second, StallInterval: -1})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := client.NewKeysAPI(c).Get(ctx, "/a", nil); !same(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func TestGetVersion(t *testing.T) {
	f := script(t, fakeAnswer{status: 503}, fakeAnswer{body: `{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}`})
	v, err := newClient(t, f, "http://a/base", "http://b/base").GetVersion(t.Context())
	if err != nil || v.Server != "3.4.23" || v.Cluster != "3.4.0" {
		t.Errorf("got %+v, %v", v, err)
	}
	if line := f.lines()[1]; !strings.HasSuffix(line, "/base/version") || !strings.HasPrefix(line, "GET http://") {
		t.Errorf("sent %s", line)
	}
}
