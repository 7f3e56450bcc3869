package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
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
			why: "without credentials there are none to keep", configured: "https://lb",
			members: []string{"http://a"}, want: "http://a https://lb",
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
		want := ""
		if hosts(f)[i] == "lb" {
			want = "alice:a"
		}
		if got := userOf(t, r); got != want {
			t.Errorf("%s was told %q", r.url, got)
		}
	}
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
	wantSeconds(t, syncTimes(t, 10*time.Second, 20*time.Second, always(fakeAnswer{silent: true})), 0, 6, 13)
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
