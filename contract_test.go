package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// contractSetup is what a fault meets.
type contractSetup struct {
	name      string
	endpoints int
	faulty    int // how many of them, from the first that is asked on
	strict    bool
}

var contractSetups = []contractSetup{
	{name: "one endpoint", endpoints: 1, faulty: 1},
	{name: "two endpoints, one faulty", endpoints: 2, faulty: 1},
	{name: "two endpoints, both faulty", endpoints: 2, faulty: 2},
	{name: "two endpoints, strict writes", endpoints: 2, faulty: 1, strict: true},
}

// TestContract calls each method against each fault in each setup. What is to
// come of it is not said pair by pair: failureModel says it of class and damage.
func TestContract(t *testing.T) {
	runs := 0
	for _, m := range contractMethods {
		t.Run(m.name, func(t *testing.T) {
			want := healthyValue(t, m)
			for _, f := range contractFaults {
				if m.name == "Client.Sync" && f.damage == foreign {
					continue // refused: see TestSync_listOfAnotherHost
				}
				for _, s := range contractSetups {
					if f.leads == "other" && (s.endpoints != 2 || s.faulty != 1) {
						continue // there is no other endpoint, or it leads back
					}
					runs++
					t.Run(f.name+"/"+s.name, func(t *testing.T) {
						synctest.Test(t, func(t *testing.T) {
							w := newContractWorld(t, m, f, s)
							w.wantValue = want
							w.run(t)
						})
					})
				}
			}
		})
	}
	t.Logf("%d methods × %d faults: %d runs", len(contractMethods), len(contractFaults), runs)
}

// healthyValue is what the method returns when nothing is wrong.
func healthyValue(t *testing.T, m contractMethod) string {
	t.Helper()
	transport := newFakeTransport(t, func(*http.Request) fakeAnswer { return m.good })
	got, err := m.call(t.Context(), newClient(t, transport, contractOne, contractTwo))
	if err != nil || isNil(got) || len(transport.seen()) != 1 {
		t.Fatalf("value %v, error %v, requests %q", got, err, transport.lines())
	}
	return indented(t, got)
}

// contractWorld is one method, one fault, and the servers that have it.
type contractWorld struct {
	m         contractMethod
	f         fault
	s         contractSetup
	damage    damage
	ending    ending
	repeats   bool // the only endpoint is asked again
	wantValue string
	transport *fakeTransport
	client    client.Client

	mu     sync.Mutex // guards the fields below
	first  string     // host of the endpoint that was asked first
	healed bool       // the fault is over
}

func newContractWorld(t *testing.T, m contractMethod, f fault, s contractSetup) *contractWorld {
	t.Helper()
	w := &contractWorld{m: m, f: f, s: s, damage: f.damageTo(m)}
	class := w.class()
	w.ending = failureModel[w.damage][class]
	if w.ending == rearms {
		w.f.took = contractRearm
		w.ending = waits
		if s.faulty < s.endpoints {
			w.ending = goesOn
		}
	}
	w.repeats = w.ending == goesOn && s.endpoints == 1 && f.isRepeated() && class != once
	if w.damage == paused && w.ending == goesOn && (s.faulty == s.endpoints || m.longPoll) {
		w.ending = waits // on a second connection
	}
	w.transport = newFakeTransport(t, w.answer)
	w.client = newClientOf(t, client.Config{
		Endpoints:               []string{contractOne, contractTwo}[:s.endpoints],
		Transport:               w.transport,
		Username:                "root",
		Password:                "secret",
		HeaderTimeoutPerRequest: contractHeaderTimeout,
		MaxResponseBytes:        contractMaxBytes,
		StrictWrites:            s.strict,
	})
	return w
}

func (w *contractWorld) answer(req *http.Request) fakeAnswer {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.first == "" {
		w.first = req.URL.Host
	}
	isEndpoint := req.URL.Scheme == "https" && (req.URL.Host == "one" || req.URL.Host == "two")
	isFaulty := req.URL.Host == w.first || w.s.faulty == 2
	if w.healed || !isEndpoint || !isFaulty || strings.HasPrefix(req.URL.Path, movedPrefix) {
		return w.m.good
	}
	return w.f.answer(w.m, req)
}

func (w *contractWorld) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), contractPatience)
	defer cancel()
	start := time.Now()
	got, err := w.m.call(ctx, w.client)
	took := time.Since(start)

	attempts := 1 // that fail
	if w.ending == goesOn {
		attempts = w.s.faulty
	}
	if w.repeats {
		attempts = contractTries
	}
	if m := w.m; m.longPoll && w.f.name == stallInHeaders && w.s.faulty < w.s.endpoints {
		// A server sends the header of a watch at once: where it does not come, the
		// watch is tried elsewhere.
		if err != nil || isNil(got) || took >= contractPatience {
			t.Errorf("value %v, error %v after %v", got, err, took)
		}
		return
	}
	requests := w.transport.seen()
	w.checkRequests(t, requests)
	w.checkOutcome(t, got, err, attempts)
	w.checkTime(t, took, attempts)
	if w.ending == waits {
		// Nothing goes on behind the caller's back.
		<-time.After(time.Hour)
		if n := len(w.transport.seen()) - len(requests); n != 0 {
			t.Errorf("%d requests after the context ended", n)
		}
	}
	w.checkNextCall(t, len(requests))
}

// checkRequests checks that just the right servers were asked, with the same
// request, and that secrets and writes stayed among the endpoints.
func (w *contractWorld) checkRequests(t *testing.T, requests []fakeRequest) {
	t.Helper()
	if len(requests) == 0 {
		t.Fatal("no request")
	}
	hosts := make([]string, len(requests))
	for i, r := range requests {
		u, err := url.Parse(r.url)
		if err != nil {
			t.Fatal(err)
		}
		hosts[i] = u.Host
		first := requests[0]
		_, wantURI, _ := strings.Cut(first.url, "/base")
		_, uri, _ := strings.Cut(r.url, "/base")
		if w.m.longPoll {
			// A watch that is made again says where it was.
			uri = strings.TrimSuffix(uri, "&waitIndex=8")
		}
		if uri != wantURI || r.method != first.method || r.body != first.body ||
			r.header.Get("Content-Type") != first.header.Get("Content-Type") {
			t.Errorf("request %d is %s %s %q, the first was %s %s %q", i, r.method, r.url, r.body, first.method, first.url, first.body)
		}
		_, _, authorized := (&http.Request{Header: r.header}).BasicAuth()
		isEndpoint := u.Scheme == "https" && (u.Host == "one" || u.Host == "two")
		if authorized != isEndpoint || u.User != nil {
			t.Errorf("request %s: with credentials: %v", r.url, authorized)
		}
		if !isEndpoint && w.m.class != reads {
			t.Errorf("%s went to %s", r.method, r.url)
		}
	}
	if w.ending == waits && w.m.longPoll && (w.f.name == emptyReply || w.damage == ended) {
		// Polls that end without an event are made again, where they were if
		// nothing was wrong.
		elsewhere := slices.ContainsFunc(hosts, func(host string) bool { return host != hosts[0] })
		if len(hosts) < 2 || elsewhere != (w.damage == ended && w.s.endpoints > 1) {
			t.Errorf("asked %q", hosts)
		}
		return
	}
	if w.ending == waits && w.m.longPoll {
		return // it is renewed now and then
	}
	if have, want := strings.Join(hosts, " "), strings.Join(w.wantHosts(), " "); have != want {
		t.Errorf("asked %q, want %q", have, want)
	}
}

// class is the class of the method, with StrictWrites taken into account.
func (w *contractWorld) class() callClass {
	if w.s.strict && w.m.class == idempotent {
		return once
	}
	return w.m.class
}

// wantHosts are the hosts that a call asks, in order.
func (w *contractWorld) wantHosts() []string {
	var hosts []string
	ask := func(host string) {
		for range max(1, w.f.asked) {
			hosts = append(hosts, host)
		}
	}
	ask(w.first)
	if w.repeats {
		ask(w.first)
		ask(w.first)
	}
	switch {
	case w.damage == paused && w.ending == waits && w.class() != once:
		if w.s.endpoints == 2 {
			ask(otherHost(w.first))
		}
		// On a new connection after 4, 8 and 16 s, and 32 where the minute allows.
		last := hosts[len(hosts)-1]
		hosts = append(hosts, last, last, last)
	case w.ending == succeeds && w.f.leads == "other":
		hosts = append(hosts, otherHost(w.first))
	case w.ending == succeeds && w.f.leads != "":
		hosts = append(hosts, w.f.leads)
	case w.ending == goesOn && w.s.faulty == 2:
		ask(otherHost(w.first))
	case w.ending == goesOn && w.s.endpoints == 2:
		hosts = append(hosts, otherHost(w.first))
	}
	return hosts
}

// checkOutcome checks value and error.
func (w *contractWorld) checkOutcome(t *testing.T, got any, err error, attempts int) {
	t.Helper()
	if w.ending == succeeds || w.ending == goesOn && w.s.faulty < w.s.endpoints {
		switch {
		case err != nil || isNil(got):
			t.Errorf("value %v, error %v", got, err)
		case w.m.isHarmless(w.f.name):
			// The value says what the odd reply said.
		case indented(t, got) != w.wantValue:
			t.Errorf("value\n%s\nwant\n%s", indented(t, got), w.wantValue)
		}
		return
	}
	if _, none := got.(wireNothing); !none && !isNil(got) || err == nil {
		t.Fatalf("value %v, error %v", got, err)
	}
	if w.ending == waits {
		if err != context.DeadlineExceeded { //nolint:errorlint // it must be bare
			t.Errorf("error %#v", err)
		}
		return
	}
	if w.f.is != nil && !errors.Is(err, w.f.is) {
		t.Errorf("error %v is not %v", err, w.f.is)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("error %v looks like the caller's own deadline", err)
	}
	mayBeApplied := w.m.class != reads && (w.damage == lost || w.damage == tooMuch || w.damage == applied && w.ending != refused)
	if errors.Is(err, client.ErrOutcomeUnknown) != mayBeApplied {
		t.Errorf("error %v: outcome unknown: %v, want %v", err, !mayBeApplied, mayBeApplied)
	}
	if w.ending == refused {
		w.checkRefusal(t, err)
		return
	}
	w.checkClusterError(t, err, attempts)
}

// checkRefusal checks that who refused, and how, is said.
func (w *contractWorld) checkRefusal(t *testing.T, err error) {
	t.Helper()
	var status int
	var endpoint string
	switch e := err.(type) { //nolint:errorlint // these are returned bare
	case client.Error:
		status, endpoint = e.StatusCode, e.Endpoint
	case *client.ReplyError:
		status, endpoint = e.StatusCode, e.Endpoint
	}
	if status != w.f.status || endpoint != "https://"+w.first+"/base" {
		t.Errorf("error %#v, want status %d from %s", err, w.f.status, w.first)
	}
	if _, ok := err.(client.Error); ok != (w.m.keysAPI && w.f.name == "401") { //nolint:errorlint // it is returned bare
		t.Errorf("error is a %T", err)
	}
	if client.IsUnauthorized(err) != (w.f.status == http.StatusUnauthorized) {
		t.Errorf("IsUnauthorized(%v) is %v", err, client.IsUnauthorized(err))
	}
}

func (w *contractWorld) checkClusterError(t *testing.T, err error, attempts int) {
	t.Helper()
	ce, ok := err.(*client.ClusterError) //nolint:errorlint // it is returned bare
	if !ok || len(ce.Attempts) != attempts || len(ce.Errors) != attempts {
		t.Fatalf("error %#v, want a *ClusterError with %d attempts", err, attempts)
	}
	if text := err.Error(); !strings.HasPrefix(text, "client: etcd cluster is unavailable or misconfigured; error #0: ") || strings.Contains(text, "secret") {
		t.Errorf("text %q", text)
	}
	var inner client.Error
	if errors.As(err, &inner) != (w.m.keysAPI && w.f.name == "500 JSON") {
		t.Errorf("error %v has the client.Error %v", err, inner)
	}
	host := w.first
	for i, a := range ce.Attempts {
		if w.repeats {
			host = w.first
		}
		if a.Endpoint != "https://"+host+"/base" || a.StatusCode != w.f.status || a.Err == nil || a.Err != ce.Errors[i] { //nolint:errorlint // the same one
			t.Errorf("attempt %d: %+v, want status %d from %s", i, a, w.f.status, host)
		}
		// Of a redirect the endpoint has seen the request and carried out nothing:
		// what Sent says then is not settled, so only the others are checked.
		if w.damage != astray && w.damage != foreign && a.Sent != (w.damage != notSent) {
			t.Errorf("attempt %d: sent %v", i, a.Sent)
		}
		host = otherHost(host)
	}
}

// checkTime checks that a call takes the time of its faults and no more.
func (w *contractWorld) checkTime(t *testing.T, took time.Duration, attempts int) {
	t.Helper()
	want := time.Duration(attempts) * w.f.took
	if w.repeats {
		want += contractRepeatPauses
	}
	switch w.ending {
	case waits:
		want = contractPatience
	case succeeds:
		want = 0
	}
	if took != want {
		t.Errorf("took %v, want %v", took, want)
	}
}

// checkNextCall checks where the next call begins: at an endpoint that failed
// only when there is no better one.
func (w *contractWorld) checkNextCall(t *testing.T, before int) {
	t.Helper()
	if w.s.endpoints != 2 || w.s.faulty != 1 || w.ending == waits {
		return
	}
	w.mu.Lock()
	w.healed = true
	w.mu.Unlock()
	want := w.first
	if w.ending == goesOn || w.ending == stops || w.f.damage == gateway {
		want = otherHost(w.first)
	}
	got, err := w.m.call(t.Context(), w.client)
	if err != nil || isNil(got) {
		t.Errorf("the next call: value %v, error %v", got, err)
	}
	after := w.transport.seen()[before:]
	if len(after) != 1 || !strings.HasPrefix(after[0].url, "https://"+want+"/") {
		t.Errorf("the next call asked %v, want %s", after, want)
	}
}

func isNil(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Slice:
		return v.IsNil()
	}
	return false
}

// TestContractEndedContext checks that a call whose context has ended sends
// nothing and says so with the context's own error.
func TestContractEndedContext(t *testing.T) {
	for _, m := range contractMethods {
		transport := newFakeTransport(t, func(*http.Request) fakeAnswer { return m.good })
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := m.call(ctx, newClient(t, transport, contractOne))
		if err != context.Canceled || len(transport.seen()) != 0 { //nolint:errorlint // it must be bare
			t.Errorf("%s: error %v, requests %q", m.name, err, transport.lines())
		}
	}
}
