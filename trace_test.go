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

// witness writes down what a Trace is told.
type witness struct {
	mu    sync.Mutex // guards the field below
	lines []string
}

func (w *witness) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	w.lines = append(w.lines, strings.TrimSuffix(line, " <nil>"))
}

// seen returns the lines so far. The first endpoint that was asked is called a, in
// place of b.
func (w *witness) seen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines := slices.Clone(w.lines)
	if len(lines) > 0 && strings.Contains(lines[0], "http://b") {
		swap := strings.NewReplacer("http://a", "http://b", "http://b", "http://a")
		for i := range lines {
			lines[i] = swap.Replace(lines[i])
		}
	}
	return lines
}

func (w *witness) trace() *client.Trace {
	return &client.Trace{
		AttemptStart: func(a client.AttemptInfo) {
			kind := a.Class
			if a.LongPoll {
				kind += " poll"
			}
			w.say("%d. %s %s %s %s", a.Number, a.Method, a.Endpoint, a.Path, kind)
		},
		AttemptDone: func(r client.AttemptResult) {
			sent := "sent"
			if !r.Sent {
				sent = "not sent"
			}
			w.say("%d. %s %s, %s, %d, %s, %d redirects: %v", r.Number, r.Verdict, r.Endpoint, sent, r.StatusCode, r.Duration, r.Redirects, r.Err)
		},
		EndpointUnhealthy: func(s client.HealthInfo) { w.say("unhealthy %s: %v", s.Endpoint, s.Err) },
		EndpointHealthy:   func(s client.HealthInfo) { w.say("clear %s %v", s.Endpoint, s.Err) },
		ProbeDone:         func(p client.ProbeInfo) { w.say("probe %s: %s, %s", p.Endpoint, p.Result, p.Duration) },
		WatchRestarted:    func(r client.WatchRestartInfo) { w.say("restart %s after %s: %v", r.Path, r.Pause, r.Err) },
		SyncDone: func(s client.SyncInfo) {
			w.say("sync to %s, %s, retry %s: %v", strings.Join(s.Endpoints, " "), s.Duration, s.Retry, s.Err)
		},
	}
}

func wantLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestTrace(t *testing.T) {
	refused := errors.New("refused")
	get := func(ctx context.Context, c client.Client) error {
		_, err := client.NewKeysAPI(c).Get(ctx, "/a", nil)
		return err
	}
	create := func(ctx context.Context, c client.Client) error {
		_, err := client.NewKeysAPI(c).Create(ctx, "/a", "1")
		return err
	}
	watch := func(ctx context.Context, c client.Client) error {
		_, err := client.NewKeysAPI(c).Watcher("/a", nil).Next(ctx)
		return err
	}
	events := func(ctx context.Context, c client.Client) error {
		_, err := follow(ctx, client.NewKeysAPI(c), 1, nil)
		return err
	}
	syncing := func(ctx context.Context, c client.Client) error { return c.AutoSync(ctx, 10*time.Second) }
	tests := []struct {
		why     string
		one     bool // there is no second endpoint
		answers []fakeAnswer
		pulse   fakeAnswer
		timeout time.Duration // zero: an hour
		call    func(context.Context, client.Client) error
		err     error // by errors.Is
		want    []string

		anyOrder bool
	}{
		{
			why: "an answer", call: get, answers: []fakeAnswer{{after: 5 * time.Millisecond, body: setReply}},
			want: []string{
				"1. GET http://a /v2/keys/a read",
				"1. answered http://a, sent, 200, 5ms, 0 redirects:",
			},
		},
		{
			why: "a refusal is an answer", call: create, answers: []fakeAnswer{{status: 412, body: `{"errorCode":105,"message":"Key already exists","cause":"/a","index":7}`}},
			err: client.Error{Code: client.ErrorCodeNodeExist},
			want: []string{
				"1. PUT http://a /v2/keys/a at-most-once",
				"1. answered http://a, sent, 412, 0s, 0 redirects: 105: Key already exists (/a) [7]",
			},
		},
		{
			why: "not sent, and answered elsewhere", call: create, answers: []fakeAnswer{{notSent: true, err: refused}, {body: setReply}},
			want: []string{
				"1. PUT http://a /v2/keys/a at-most-once",
				"1. next http://a, not sent, 0, 0s, 0 redirects: dial tcp: refused",
				"unhealthy http://a: dial tcp: refused",
				"2. PUT http://b /v2/keys/a at-most-once",
				"2. answered http://b, sent, 200, 0s, 0 redirects:",
			},
		},
		{
			why: "an unknown outcome", call: create, answers: []fakeAnswer{{err: io.EOF}}, err: client.ErrOutcomeUnknown,
			want: []string{
				"1. PUT http://a /v2/keys/a at-most-once",
				"1. stop http://a, sent, 0, 0s, 0 redirects: EOF",
				"unhealthy http://a: EOF",
			},
		},
		{
			why: "all fail", call: get, answers: []fakeAnswer{{status: 503}, {status: 500, body: `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out"}`}}, err: client.ErrClusterUnavailable,
			want: []string{
				"1. GET http://a /v2/keys/a read",
				"1. next http://a, sent, 503, 0s, 0 redirects: client: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)",
				"unhealthy http://a: client: http://a: 503 Service Unavailable: unexpected reply (perhaps etcd has no leader)",
				"2. GET http://b /v2/keys/a read",
				"2. next http://b, sent, 500, 0s, 0 redirects: 300: Raft Internal Error (etcdserver: request timed out) [0]",
				"unhealthy http://b: 300: Raft Internal Error (etcdserver: request timed out) [0]",
			},
		},
		{
			why: "a redirect is part of an attempt", call: get, answers: []fakeAnswer{{status: 307, header: "Location: /elsewhere"}, {body: setReply}},
			want: []string{
				"1. GET http://a /v2/keys/a read",
				"1. answered http://a, sent, 200, 0s, 1 redirects:",
			},
		},
		{
			why: "a stall", call: get, answers: []fakeAnswer{stopped, {body: setReply}}, pulse: stopped,
			want: []string{
				"1. GET http://a /v2/keys/a read",
				"probe http://b: good, 0s",
				"probe http://a: none, 2s",
				"1. next http://a, sent, 0, 4s, 0 redirects: client: the endpoint has stopped answering",
				"unhealthy http://a: client: the endpoint has stopped answering",
				"2. GET http://b /v2/keys/a read",
				"2. answered http://b, sent, 200, 0s, 0 redirects:",
			},
		},
		{
			why: "slow, and no more", call: get, answers: []fakeAnswer{{after: 3 * time.Second, body: setReply}},
			pulse: fakeAnswer{after: 10 * time.Millisecond, status: 503, body: `{"health":"false"}`}, one: true,
			want: []string{
				"1. GET http://a /v2/keys/a read",
				"probe http://a: no quorum, 10ms",
				"1. answered http://a, sent, 200, 3s, 0 redirects:",
			},
		},
		{
			why: "a context that ends", call: get, answers: []fakeAnswer{stopped}, timeout: 50 * time.Millisecond, err: context.DeadlineExceeded,
			want: []string{
				"1. GET http://a /v2/keys/a read",
				"1. cancelled http://a, sent, 0, 50ms, 0 redirects: context deadline exceeded",
			},
		},
		{
			why: "a probe that nobody waits for any more", call: get, answers: []fakeAnswer{{after: 3 * time.Second, body: setReply}}, pulse: stopped, one: true, anyOrder: true,
			want: []string{
				"1. GET http://a /v2/keys/a read",
				"1. answered http://a, sent, 200, 3s, 0 redirects:",
				"probe http://a: abandoned, 1s",
			},
		},
		{
			why: "a watch that breaks off", call: watch, answers: []fakeAnswer{{header: "X-Etcd-Index: 3", breaks: io.ErrUnexpectedEOF}, eventAt(4)},
			want: []string{
				"1. GET http://a /v2/keys/a read poll",
				"1. idle http://a, sent, 200, 0s, 0 redirects:",
				"unhealthy http://a: body broke off: unexpected EOF",
				"restart /v2/keys/a after 50ms:",
				"1. GET http://b /v2/keys/a read poll",
				"1. answered http://b, sent, 200, 0s, 0 redirects:",
			},
		},
		{
			why: "events of a cluster that is away", call: events, one: true, answers: []fakeAnswer{{notSent: true, err: refused}, {notSent: true, err: refused}, streamAt(7, 8)},
			want: []string{
				"1. GET http://a /v2/keys/a read poll",
				"1. next http://a, not sent, 0, 0s, 0 redirects: dial tcp: refused",
				"unhealthy http://a: dial tcp: refused",
				"restart /v2/keys/a after 50ms: client: etcd cluster is unavailable or misconfigured; error #0: http://a: dial tcp: refused",
				"1. GET http://a /v2/keys/a read poll",
				"1. next http://a, not sent, 0, 0s, 0 redirects: dial tcp: refused",
				"restart /v2/keys/a after 100ms: client: etcd cluster is unavailable or misconfigured; error #0: http://a: dial tcp: refused",
				"1. GET http://a /v2/keys/a read poll",
				"1. cancelled http://a, sent, 200, 0s, 0 redirects: context canceled", // one event was enough
			},
		},
		{
			why: "a Sync that fails, fails and succeeds", call: syncing, one: true, timeout: 4 * time.Second, err: context.DeadlineExceeded,
			answers: []fakeAnswer{{notSent: true, err: refused}, {body: "{}"}, {body: membersReply("http://a http://x")}, {body: membersReply("http://x")}},
			pulse:   fakeAnswer{after: time.Millisecond, body: healthy},
			want: []string{
				"1. GET http://a /v2/members read",
				"1. next http://a, not sent, 0, 0s, 0 redirects: dial tcp: refused",
				"unhealthy http://a: dial tcp: refused",
				"sync to http://a, 0s, retry 1s: client: etcd cluster is unavailable or misconfigured; error #0: http://a: dial tcp: refused",
				"1. GET http://a /v2/members read",
				"1. next http://a, sent, 200, 0s, 0 redirects: client: http://a: 200 OK: not the JSON of an etcd reply: body \"{}\"",
				"sync to http://a, 0s, retry 2s: client: etcd cluster is unavailable or misconfigured; error #0: http://a: 200 OK: not the JSON of an etcd reply: body \"{}\"",
				"probe http://a: good, 1ms",
				"clear http://a",
				"1. GET http://a /v2/members read",
				"1. answered http://a, sent, 200, 0s, 0 redirects:",
				"sync to http://a http://x, 0s, retry 0s:",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := script(t, tt.answers...)
				f.pulse = func(req *http.Request) fakeAnswer {
					if req.URL.Host == hosts(f)[0] {
						return tt.pulse
					}
					return fakeAnswer{body: healthy}
				}
				if tt.timeout == 0 {
					tt.timeout = time.Hour
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				endpoints := []string{"http://a", "http://b"}
				if tt.one {
					endpoints = endpoints[:1]
				}
				var w witness
				err := tt.call(ctx, newClientOf(t, client.Config{Endpoints: endpoints, Transport: f, Trace: w.trace()}))
				if !errors.Is(err, tt.err) {
					t.Errorf("got %v, want %v", err, tt.err)
				}
				synctest.Wait()
				got := w.seen()
				if tt.anyOrder {
					slices.Sort(got)
				}
				wantLines(t, got, tt.want...)
			})
		})
	}
}
