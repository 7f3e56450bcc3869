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
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// membersReply is the list of members with these client URLs, one member for
// each argument, whose URLs are separated by spaces.
func membersReply(clientURLs ...string) string {
	var members []string
	for i, urls := range clientURLs {
		quoted := `"` + strings.ReplaceAll(urls, " ", `","`) + `"`
		if urls == "" {
			quoted = "" // a member that has not started
		}
		members = append(members, fmt.Sprintf(`{"id":"%d","name":"m%d","peerURLs":[],"clientURLs":[%s]}`, i, i, quoted))
	}
	return `{"members":[` + strings.Join(members, ",") + `]}`
}

// memberList answers requests for the members with what it holds, and others
// with a node.
type memberList struct {
	mu    sync.Mutex // guards the field below
	reply string
}

func (l *memberList) set(clientURLs ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reply = membersReply(clientURLs...)
}

func (l *memberList) answer(req *http.Request) fakeAnswer {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.HasSuffix(req.URL.Path, "/v2/members") {
		return fakeAnswer{body: l.reply}
	}
	return fakeAnswer{body: setReply}
}

func TestSync(t *testing.T) {
	tests := []struct {
		why        string
		cfg        client.Config
		configured string
		members    []string
		want       string
	}{
		{
			why: "members come first, what was configured stays behind them", configured: "http://lb",
			members: []string{"http://a:2379 http://a2:2379", "http://b:2379"}, want: "http://a:2379 http://a2:2379 http://b:2379 http://lb",
		},
		{
			why: "a configured member counts once, as it was configured", configured: "http://A:80/base http://lb",
			members: []string{"http://a http://b"}, want: "http://A:80/base http://b http://lb",
		},
		{
			why: "members that advertise the same count once", configured: "http://lb",
			members: []string{"http://a", "http://a http://a:80"}, want: "http://a http://lb",
		},
		{
			why: "a member that has not started has none", configured: "http://lb",
			members: []string{"", "http://b"}, want: "http://b http://lb",
		},
		{
			why: "unspecified addresses lead nowhere", configured: "http://lb",
			members: []string{"http://0.0.0.0:2379 http://[::]:2379 http://a"}, want: "http://a http://lb",
		},
		{
			why: "nor does what is no endpoint", configured: "http://lb",
			members: []string{"ftp://a http://b:0 http://c"}, want: "http://c http://lb",
		},
		{
			why: "advertised credentials are not ours", configured: "http://lb",
			members: []string{"http://eve:e@a"}, want: "http://a http://lb",
		},
		{
			why: "credentials that travelled by https only don't go by http", configured: "https://lb",
			cfg: client.Config{Username: "root", Password: "secret"}, members: []string{"http://a https://b"}, want: "https://b https://lb",
		},
		{
			why: "nor do those of an endpoint", configured: "https://root:secret@lb",
			members: []string{"http://a https://b"}, want: "https://b https://lb",
		},
		{
			why: "who configured http may have http", configured: "https://lb http://lb",
			cfg: client.Config{Username: "root", Password: "secret"}, members: []string{"http://a https://b"}, want: "http://a https://b https://lb http://lb",
		},
		{
			why: "nor do requests without credentials: there may be client certificates", configured: "https://lb",
			members: []string{"http://a https://b"}, want: "https://b https://lb",
		},
		{
			why: "a member's loopback address is another machine's", configured: "http://lb",
			members: []string{"http://localhost:2379 http://127.0.0.1:2379 http://127.3.2.1 http://[::1]:2379 http://LOCALHOST. http://a.localhost http://[::ffff:127.0.0.1] http://127.1 http://0 http://0x7f000001 http://a"},
			want:    "http://a http://lb",
		},
		{
			why: "for a client that came by one it is this machine's", configured: "http://localhost:1",
			members: []string{"http://127.0.0.1:2379 http://0.0.0.0:2379 http://a"}, want: "http://127.0.0.1:2379 http://a http://localhost:1",
		},
		{
			why: "no more than 256 URLs are looked at", configured: "http://lb",
			members: []string{"http://a" + strings.Repeat(" http://a", 255) + " http://b"}, want: "http://a http://lb",
		},
		{
			why: "credentials of one of two endpoints are not for others", configured: "http://root:pw@lb http://other",
			members: []string{"http://a http://other"}, want: "http://other http://lb",
		},
		{
			why: "nor are different ones", configured: "http://root:pw@lb http://root:pw2@other",
			members: []string{"http://a http://other"}, want: "http://other http://lb",
		},
		{
			why: "the same credentials are, wherever they are given", configured: "http://root:pw@lb http://other",
			cfg: client.Config{Username: "root", Password: "pw"}, members: []string{"http://a"}, want: "http://a http://lb http://other",
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			var list memberList
			list.set(tt.members...)
			tt.cfg.Transport = newFakeTransport(t, list.answer)
			tt.cfg.Endpoints = strings.Fields(tt.configured)
			c := newClientOf(t, tt.cfg)
			if err := c.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(c.Endpoints(), " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// However far the members have moved, the configured endpoints are asked again.
func TestSyncNeverStrandsTheClient(t *testing.T) {
	var list memberList
	list.set("http://gone1 http://gone2")
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if strings.HasPrefix(req.URL.Host, "gone") {
			return fakeAnswer{notSent: true}
		}
		return list.answer(req)
	})
	f.pulse = func(req *http.Request) fakeAnswer {
		return fakeAnswer{notSent: strings.HasPrefix(req.URL.Host, "gone"), body: healthy}
	}
	c := newClient(t, f, "http://alice:a@lb")
	if err := c.Sync(t.Context()); !same(err, client.ErrNoEndpoints) {
		t.Errorf("got %v of addresses that nobody reaches", err)
	}
	list.set("http://gone1 http://new")
	if err := c.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Endpoints(), []string{"http://new", "http://lb"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for i, r := range f.seen() {
		if got := userOf(t, r); got != "alice:a" {
			t.Errorf("%s at %s was sent %q", r.url, hosts(f)[i], got)
		}
	}
	for _, r := range f.probed() {
		if got := userOf(t, r); got != "" {
			t.Errorf("%s was sent %q before it was known", r.url, got)
		}
	}
}

// memberOf answers requests for the members as a member of that cluster.
func memberOf(cluster, members string) func(*http.Request) fakeAnswer {
	return func(req *http.Request) fakeAnswer {
		if strings.HasSuffix(req.URL.Path, "/v2/members") {
			return fakeAnswer{header: "X-Etcd-Cluster-Id: " + cluster, body: members}
		}
		return fakeAnswer{body: setReply}
	}
}

func TestSync_adoptsOnlyTheSameCluster(t *testing.T) {
	const ours, theirs = `{"members":[{"id":"A1","clientURLs":["http://new"]}]}`, `{"members":[{"id":"b2","clientURLs":["http://new"]}]}`
	refusal := fakeAnswer{status: 401, body: `{"message":"Insufficient credentials"}`}
	named := refusal
	named.header = "X-Etcd-Cluster-Id: c1"
	tests := []struct {
		why     string
		cluster string // of the list; empty: it has no ID
		answer  fakeAnswer
		adopted bool
	}{
		{"the same ID", "c1", memberOf("c1", ours)(&http.Request{URL: &url.URL{Path: "/v2/members"}}), true},
		{"the same ID and no list", "c1", named, true},
		{"another ID", "c1", memberOf("c2", ours)(&http.Request{URL: &url.URL{Path: "/v2/members"}}), false},
		{"no ID, the same members", "c1", fakeAnswer{body: strings.ToLower(ours)}, true},
		{"no ID, other members", "c1", fakeAnswer{body: theirs}, false},
		{"no ID in the list, the same members", "", memberOf("c1", ours)(&http.Request{URL: &url.URL{Path: "/v2/members"}}), true},
		{"no ID in the list, other members", "", memberOf("c1", theirs)(&http.Request{URL: &url.URL{Path: "/v2/members"}}), false},
		{"no ID and a refusal", "c1", refusal, false},
		{"members without IDs", "", fakeAnswer{body: `{"members":[{}]}`}, false},
		{"a page", "c1", fakeAnswer{status: 404, body: "<html>who?</html>"}, false},
		{"a failure", "c1", fakeAnswer{status: 503, header: "X-Etcd-Cluster-Id: c1"}, false},
		{"a redirect", "c1", fakeAnswer{status: 302, header: "X-Etcd-Cluster-Id: c1\nLocation: http://lb/v2/members"}, false},
		{"a body that breaks off", "c1", fakeAnswer{header: "X-Etcd-Cluster-Id: c1", breaks: io.ErrUnexpectedEOF}, false},
		{"nobody", "c1", fakeAnswer{notSent: true}, false},
		{"silence", "c1", fakeAnswer{silent: true}, false},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
					if req.URL.Host == "new" {
						return tt.answer
					}
					a := memberOf(tt.cluster, ours)(req)
					if tt.cluster == "" {
						a.header = ""
					}
					return a
				})
				c := newClient(t, f, "http://lb")
				want, wantErr := []string{"http://new", "http://lb"}, error(nil)
				if !tt.adopted {
					want, wantErr = want[1:], client.ErrNoEndpoints
				}
				if err := c.Sync(t.Context()); !same(err, wantErr) || !slices.Equal(c.Endpoints(), want) {
					t.Errorf("got %q, %v; want %q, %v", c.Endpoints(), err, want, wantErr)
				}
			})
		})
	}
}

// Nothing is adopted from a list that a redirect fetched elsewhere.
func TestSync_listOfAnotherHost(t *testing.T) {
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if req.URL.Host == "lb" {
			return fakeAnswer{status: 307, header: "Location: http://elsewhere/v2/members"}
		}
		return fakeAnswer{body: membersReply("http://elsewhere")}
	})
	c := newClient(t, f, "http://lb")
	if err := c.Sync(t.Context()); !errors.Is(err, client.ErrRedirectRefused) || !slices.Equal(c.Endpoints(), []string{"http://lb"}) {
		t.Errorf("got %q, %v", c.Endpoints(), err)
	}
	if err := c.SetEndpoints([]string{"http://lb", "http://elsewhere"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(t.Context()); err != nil {
		t.Errorf("from an endpoint: %v", err)
	}
}

// A long list is checked a few endpoints at a time, and does not hold Sync for long.
func TestSync_checksFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		var urls []string
		for i := range 200 {
			urls = append(urls, fmt.Sprintf("http://m%d", i))
		}
		members := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{body: membersReply(urls...)} })
		f := roundTripper(func(req *http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), running.Add(1)))
			defer running.Add(-1)
			if req.URL.Host != "lb" && req.URL.Host != "m0" {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return members.RoundTrip(req)
		})
		c := newClient(t, f, "http://lb")
		begin := time.Now()
		if err := c.Sync(t.Context()); err != nil || !slices.Equal(c.Endpoints(), []string{"http://m0", "http://lb"}) {
			t.Errorf("got %q, %v", c.Endpoints(), err)
		}
		if took := time.Since(begin); took > 6*time.Second || most.Load() > 8 {
			t.Errorf("took %v, asked %d at a time", took, most.Load())
		}
	})
}

func TestSyncOfAnUnchangedListKeepsThePin(t *testing.T) {
	var list memberList
	list.set("http://a http://b http://c http://d http://e http://f")
	f := newFakeTransport(t, list.answer)
	c := newClient(t, f, "http://a")
	for range 10 {
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := slices.Compact(hosts(f)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("went to %v", got)
	}
}

func TestFailingSyncChangesNothing(t *testing.T) {
	for _, a := range []fakeAnswer{
		{notSent: true},
		{status: 503},
		{status: 401, body: `{"message":"Insufficient credentials"}`},
		{body: "{}"},
		{body: "<html>"},
		{body: `{"members":[]}`},
		{body: membersReply("", "http://0.0.0.0:2379 ftp://b")},
	} {
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return a })
		c := newClient(t, f, "http://a", "http://b")
		err := c.Sync(t.Context())
		if err == nil || strings.HasPrefix(a.body, `{"members"`) != errors.Is(err, client.ErrNoEndpoints) {
			t.Errorf("%+v: got %v", a, err)
		}
		if got := c.Endpoints(); !slices.Equal(got, []string{"http://a", "http://b"}) {
			t.Errorf("%+v: got %q", a, got)
		}
	}
}

func TestSetEndpointsWinsOverASyncOnItsWay(t *testing.T) {
	var c client.Client
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if req.URL.Host == "old" {
			if err := c.SetEndpoints([]string{"http://new"}); err != nil {
				t.Error(err)
			}
			return fakeAnswer{body: membersReply("http://old1 http://old2")}
		}
		return fakeAnswer{body: membersReply("http://new1")}
	})
	c = newClient(t, f, "http://old")
	if err := c.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Endpoints(), []string{"http://new1", "http://new"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// syncTimes runs AutoSync in virtual time and gives when it asked.
func syncTimes(t *testing.T, interval, runFor time.Duration, answer func(call int) fakeAnswer) []time.Duration {
	t.Helper()
	var times []time.Duration
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := newFakeTransport(t, func(*http.Request) fakeAnswer {
			times = append(times, time.Since(start))
			return answer(len(times))
		})
		ctx, cancel := context.WithTimeout(t.Context(), runFor)
		defer cancel()
		if err := newClient(t, f, "http://a").AutoSync(ctx, interval); !same(err, context.DeadlineExceeded) || time.Since(start) != runFor {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
	return times
}

func wantSeconds(t *testing.T, got []time.Duration, want ...float64) {
	t.Helper()
	seconds := make([]float64, len(got))
	for i, d := range got {
		seconds[i] = d.Seconds()
	}
	if !slices.Equal(seconds, want) {
		t.Errorf("asked after %v seconds, want %v", seconds, want)
	}
}

func TestAutoSync(t *testing.T) {
	good, bad := fakeAnswer{body: membersReply("http://a")}, fakeAnswer{notSent: true}
	always := func(a fakeAnswer) func(int) fakeAnswer { return func(int) fakeAnswer { return a } }

	wantSeconds(t, syncTimes(t, 30*time.Second, 95*time.Second, always(good)), 0, 30, 60, 90)
	wantSeconds(t, syncTimes(t, 0, 25*time.Second, always(good)), 0, 10, 20)
	wantSeconds(t, syncTimes(t, -time.Second, 25*time.Second, always(good)), 0, 10, 20)

	// After a failure it asks sooner, and ever less so.
	wantSeconds(t, syncTimes(t, 10*time.Second, 40*time.Second, always(bad)), 0, 1, 3, 7, 15, 25, 35)
	wantSeconds(t, syncTimes(t, 500*time.Millisecond, 2200*time.Millisecond, always(bad)), 0, 0.5, 1, 1.5, 2)
	// A success forgets the failures.
	mixed := func(call int) fakeAnswer {
		if call == 3 {
			return good
		}
		return bad
	}
	wantSeconds(t, syncTimes(t, 10*time.Second, 30*time.Second, mixed), 0, 1, 3, 13, 14, 16, 20, 28)
	// Who never answers is given up after DefaultRequestTimeout.
	wantSeconds(t, syncTimes(t, 10*time.Second, 20*time.Second, always(fakeAnswer{silent: true})), 0, 4, 6, 10, 13, 17) // each on two connections
}

func TestAutoSyncEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newClient(t, script(t)).AutoSync(ctx, time.Second); !same(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestEndpointsAreForManyGoroutines(t *testing.T) {
	var list memberList
	list.set("http://a http://b", "http://c")
	f := newFakeTransport(t, list.answer)
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: f, SelectionMode: client.EndpointSelectionPrioritizeLeader})
	kapi := client.NewKeysAPI(c)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				var err error
				switch i {
				case 0:
					err = c.SetEndpoints([]string{"http://a", fmt.Sprintf("http://x%d", j)})
				case 1:
					err = c.Sync(t.Context())
				case 2:
					if len(c.Endpoints()) == 0 {
						t.Error("there are no endpoints")
					}
				default:
					_, err = kapi.Get(t.Context(), "/a", nil)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestSyncDoesNotAdoptStrangers(t *testing.T) {
	f := newFakeTransport(t, func(*http.Request) fakeAnswer {
		return fakeAnswer{body: `{"members":[{"id":"1","clientURLs":["http://member","http://stranger"]}]}`}
	})
	f.pulse = func(req *http.Request) fakeAnswer {
		if req.URL.Host == "stranger" {
			return fakeAnswer{status: http.StatusNotFound, body: "<html>who?</html>"}
		}
		return fakeAnswer{body: healthy}
	}
	c := newClient(t, f, "http://lb")
	if err := c.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := c.Endpoints(); !slices.Equal(got, []string{"http://member", "http://lb"}) {
		t.Errorf("Endpoints() = %q", got)
	}
}
