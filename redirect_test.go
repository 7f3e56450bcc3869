package client_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

// redirecting answers by the URL: with a redirect to where the map says, with a
// node where it says nothing.
func redirecting(t *testing.T, status int, to map[string]string) *fakeTransport {
	t.Helper()
	return newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if location, ok := to[req.URL.String()]; ok {
			return fakeAnswer{status: status, header: "Location: " + location, body: "<a href=elsewhere>"}
		}
		return fakeAnswer{body: setReply}
	})
}

// requestsWithUsers returns the requests so far as "METHOD url user:password".
func requestsWithUsers(t *testing.T, f *fakeTransport) []string {
	t.Helper()
	var lines []string
	for _, r := range f.seen() {
		lines = append(lines, strings.TrimSpace(r.method+" "+r.url+" "+userOf(t, r)))
	}
	return lines
}

// aAndB is a client of a and b, each with credentials of its own, that begins
// with a.
func aAndB(t *testing.T, f *fakeTransport, scheme string) client.Client {
	t.Helper()
	c := newClient(t, f, scheme+"://alice:a@a")
	if err := c.SetEndpoints([]string{scheme + "://a", scheme + "://bob:b@b/base"}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRedirectsTakeCredentialsToTheirEndpointOnly(t *testing.T) {
	const start = "http://a/v2/keys/a"
	tests := []struct {
		why  string
		to   map[string]string
		want []string
	}{
		{
			"another path of the endpoint",
			map[string]string{start: "/v2/keys/b?x=y"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://a/v2/keys/b?x=y alice:a"},
		},
		{
			"relative to the request",
			map[string]string{start: "b"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://a/v2/keys/b alice:a"},
		},
		{
			"without a scheme",
			map[string]string{start: "//b/v2/keys/a"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://b/v2/keys/a bob:b"},
		},
		{
			"another endpoint has its own",
			map[string]string{start: "http://B:80/v2/keys/a"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://B:80/v2/keys/a bob:b"},
		},
		{
			"a foreign host has none",
			map[string]string{start: "http://foreign/v2/keys/a"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://foreign/v2/keys/a"},
		},
		{
			"another port is another host",
			map[string]string{start: "http://a:81/v2/keys/a"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://a:81/v2/keys/a"},
		},
		{
			"a foreign host can't call them back",
			map[string]string{start: "http://foreign/x", "http://foreign/x": "http://b/v2/keys/a"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://foreign/x", "GET http://b/v2/keys/a"},
		},
		{
			"nor can a Location bring its own",
			map[string]string{start: "http://eve:e@b/v2/keys/a"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://b/v2/keys/a bob:b"},
		},
		{
			"to a foreign host with its own",
			map[string]string{start: "http://eve:e@foreign/v2/keys/a"},
			[]string{"GET http://a/v2/keys/a alice:a", "GET http://foreign/v2/keys/a"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			f := redirecting(t, http.StatusTemporaryRedirect, tt.to)
			if _, err := client.NewKeysAPI(aAndB(t, f, "http")).Get(t.Context(), "/a", nil); err != nil {
				t.Error(err)
			}
			if got := requestsWithUsers(t, f); !slices.Equal(got, tt.want) {
				t.Errorf("sent %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRedirectsNeverTakeCredentialsFromHTTPSToHTTP(t *testing.T) {
	f := redirecting(t, http.StatusFound, map[string]string{"https://a/v2/keys/a": "http://plain/v2/keys/a"})
	c := newClientOf(t, client.Config{Endpoints: []string{"https://a"}, Transport: f, Username: "alice", Password: "a"})
	if err := c.SetEndpoints([]string{"https://a", "http://plain"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Error(err)
	}
	if got, want := requestsWithUsers(t, f), []string{"GET https://a/v2/keys/a alice:a", "GET http://plain/v2/keys/a"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestRedirectsTakeWritesToEndpointsOnly(t *testing.T) {
	tests := []struct {
		location string
		want     []string // after the request to a; a refusal goes on with b
		refused  bool
	}{
		{"http://b/v2/keys/a", []string{"PUT http://b/v2/keys/a value=1"}, false},
		{"/elsewhere", []string{"PUT http://a/elsewhere value=1"}, false},
		{"http://foreign/v2/keys/a", nil, true},
		{"ftp://b/v2/keys/a", nil, true},
		{"javascript:alert(1)", nil, true},
		{"http:///v2/keys/a", nil, true},
		{"http://b:x/", nil, true},
		{"%zz", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.location, func(t *testing.T) {
			f := redirecting(t, http.StatusPermanentRedirect, map[string]string{"http://a/v2/keys/a": tt.location, "http://b/base/v2/keys/a": "http://foreign/x"})
			_, err := client.NewKeysAPI(aAndB(t, f, "http")).Set(t.Context(), "/a", "1", nil)
			want := append([]string{"PUT http://a/v2/keys/a value=1"}, tt.want...)
			if tt.refused {
				want = append(want, "PUT http://b/base/v2/keys/a value=1")
			}
			if got := f.lines(); !slices.Equal(got, want) {
				t.Errorf("sent %q, want %q", got, want)
			}
			ce, isClusterError := bare[*client.ClusterError](err)
			if isClusterError != tt.refused || tt.refused && (!errors.Is(err, client.ErrRedirectRefused) || ce.OutcomeUnknown) {
				t.Errorf("got %v", err)
			}
		})
	}

	f := redirecting(t, http.StatusTemporaryRedirect, map[string]string{"https://a/v2/keys/a": "http://a/v2/keys/a"})
	_, err := client.NewKeysAPI(newClient(t, f, "https://a")).Set(t.Context(), "/a", "1", nil)
	if !errors.Is(err, client.ErrRedirectRefused) || len(f.seen()) != 1 {
		t.Errorf("from https to http: got %v after %v", err, f.lines())
	}
}

// A write that went to a foreign host is not applied: each endpoint may be asked.
func TestRefusedRedirectOfAConditionalWriteGoesOn(t *testing.T) {
	f := redirecting(t, http.StatusTemporaryRedirect, map[string]string{"http://a/v2/keys/a?prevExist=false": "http://foreign/v2/keys/a"})
	if _, err := client.NewKeysAPI(aAndB(t, f, "http")).Create(t.Context(), "/a", "1"); err != nil || len(f.seen()) != 2 {
		t.Errorf("got %v after %v", err, f.lines())
	}
}

func TestRedirectsEnd(t *testing.T) {
	f := newFakeTransport(t, func(*http.Request) fakeAnswer {
		return fakeAnswer{status: http.StatusFound, header: "Location: /v2/keys/a"}
	})
	_, err := client.NewKeysAPI(newClient(t, f)).Get(t.Context(), "/a", nil)
	ce, ok := bare[*client.ClusterError](err)
	if !ok || !errors.Is(ce.Errors[0], client.ErrTooManyRedirects) || len(f.seen()) != 11 {
		t.Errorf("got %v after %d requests", err, len(f.seen()))
	}

	enough := errors.New("enough")
	var vias []int
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: f, CheckRedirect: func(via int) error {
		if vias = append(vias, via); via == 3 {
			return enough
		}
		return nil
	}})
	if _, err = client.NewKeysAPI(c).Get(t.Context(), "/a", nil); !errors.Is(err, enough) || !slices.Equal(vias, []int{1, 2, 3}) {
		t.Errorf("got %v after %v", err, vias)
	}
}

func TestNotEvery3xxIsARedirect(t *testing.T) {
	for _, a := range []fakeAnswer{
		{status: http.StatusNotModified, header: "Location: /v2/keys/b"},
		{status: http.StatusMultipleChoices},
	} {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return a })
		_, err := client.NewKeysAPI(newClient(t, f)).Get(t.Context(), "/a", nil)
		var re *client.ReplyError
		if !errors.As(err, &re) || re.StatusCode != a.status || len(f.seen()) != 1 {
			t.Errorf("%d: got %v after %v", a.status, err, f.lines())
		}
	}
}

// actionFunc is an action of another package.
type actionFunc func(ep url.URL) *http.Request

func (f actionFunc) HTTPRequest(ep url.URL) *http.Request { return f(ep) }

// Requests of other packages' actions, and replies of other packages' transports,
// lack what net/http's have.
func TestDo_incompleteRequestsAndReplies(t *testing.T) {
	target := func(ep url.URL) *url.URL { return ep.JoinPath("/x") }
	bare := func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: http.StatusOK}, nil }
	tests := []struct {
		why       string
		request   actionFunc
		roundTrip roundTripper
		err       error
	}{
		{"no header", func(ep url.URL) *http.Request { return &http.Request{Method: http.MethodGet, URL: target(ep)} }, nil, nil},
		{"no method", func(ep url.URL) *http.Request { return &http.Request{URL: target(ep)} }, nil, nil},
		{"no URL", func(url.URL) *http.Request { return &http.Request{Method: http.MethodGet, Header: http.Header{}} }, nil, client.ErrNoRequest},
		{"nothing", func(url.URL) *http.Request { return &http.Request{} }, nil, client.ErrNoRequest},
		{"no request", func(url.URL) *http.Request { return nil }, nil, client.ErrNoRequest},
		{"a reply without header, body and request", func(ep url.URL) *http.Request { return &http.Request{URL: target(ep)} }, bare, nil},
		{"neither reply nor error", func(ep url.URL) *http.Request { return &http.Request{URL: target(ep)} }, func(*http.Request) (*http.Response, error) { return nil, nil }, client.ErrClusterUnavailable},
		{"a redirect without header", func(ep url.URL) *http.Request { return &http.Request{URL: target(ep)} }, func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusTemporaryRedirect}, nil
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			var sent *http.Request
			transport := roundTripper(func(req *http.Request) (*http.Response, error) {
				if sent = req; tt.roundTrip != nil {
					return tt.roundTrip(req)
				}
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			})
			c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: transport, Username: "root", Password: "pw"})
			_, _, err := c.Do(t.Context(), tt.request)
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if tt.err == nil {
				if user, password, _ := sent.BasicAuth(); user != "root" || password != "pw" {
					t.Errorf("sent %q, %q", user, password)
				}
			}
		})
	}
	// A page of a transport without header is no member list, and no panic.
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: roundTripper(bare)})
	if err := c.Sync(t.Context()); err == nil {
		t.Error("Sync of nothing succeeded")
	}
}

// A request that is redirected to an endpoint has the credentials of that one, also
// where two endpoints are below one host.
func TestRedirect_credentialsOfTheBasePath(t *testing.T) {
	f := redirecting(t, http.StatusTemporaryRedirect, map[string]string{"http://a/v2/keys/a": "http://lb/two/v2/keys/a"})
	c := newClient(t, f, "http://alice:a@a")
	if err := c.SetEndpoints([]string{"http://a", "http://one:1@lb/one", "http://two:2@lb/two", "http://three:3@lb/twothree"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Fatal(err)
	}
	if got, want := requestsWithUsers(t, f), []string{"GET http://a/v2/keys/a alice:a", "GET http://lb/two/v2/keys/a two:2"}; !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
}
