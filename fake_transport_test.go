package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// fakeTransport is a RoundTripper that answers by a function, tells httptrace
// what a real one would, and keeps what it was asked. Its Cleanup checks that
// each body it gave out was closed exactly once.
type fakeTransport struct {
	answer func(*http.Request) fakeAnswer
	pulse  func(*http.Request) fakeAnswer // answers probes; nil: all is well

	mu       sync.Mutex // guards the fields below
	requests []fakeRequest
	probes   []fakeRequest
	open     int // bodies given out to calls and not closed
}

// fakeRequest is a request as it would have gone over the wire.
type fakeRequest struct {
	method, url, body string
	header            http.Header
}

// fakeAnswer is what becomes of one request. The zero value is an empty 200.
type fakeAnswer struct {
	notSent bool          // the dial fails: err is wrapped as net would
	err     error         // instead of a reply
	silent  bool          // no header until the request's context ends
	after   time.Duration // the header comes so much later, unless the context ends
	status  int           // 0: 200
	header  string        // "Name: value" lines
	body    string
	breaks  error // ends the body in place of EOF
	stalls  bool  // the body does not end until the request's context does
	endless bool  // the body begins again, for ever

	http1     bool          // the reply comes by HTTP/1.1, and not by a protocol with pings
	bodyAfter time.Duration // the body comes, or ends, so much later than the header
}

func newFakeTransport(tb testing.TB, answer func(*http.Request) fakeAnswer) *fakeTransport {
	tb.Helper()
	f := &fakeTransport{answer: answer}
	tb.Cleanup(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.open != 0 {
			tb.Errorf("%d bodies were not closed", f.open)
		}
	})
	return f
}

// script answers the requests one after the other, and fails the test when there
// is one more.
func script(tb testing.TB, answers ...fakeAnswer) *fakeTransport {
	tb.Helper()
	var mu sync.Mutex
	return newFakeTransport(tb, func(req *http.Request) fakeAnswer {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) == 0 {
			tb.Errorf("unexpected request %s %s", req.Method, req.URL)
			return fakeAnswer{err: errors.New("script is over")}
		}
		next := answers[0]
		answers = answers[1:]
		return next
	})
}

// seen returns the requests so far, probes left out.
func (f *fakeTransport) seen() []fakeRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fakeRequest(nil), f.requests...)
}

// probed returns the probes so far.
func (f *fakeTransport) probed() []fakeRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fakeRequest(nil), f.probes...)
}

// keep notes a request, and gives who answers it.
func (f *fakeTransport) keep(r fakeRequest) func(*http.Request) fakeAnswer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !isProbe(r.header) {
		f.requests = append(f.requests, r)
		return f.answer
	}
	f.probes = append(f.probes, r)
	pulse := f.pulse
	if pulse == nil {
		pulse = func(*http.Request) fakeAnswer { return fakeAnswer{body: healthy} }
	}
	if !strings.HasSuffix(r.url, "/v2/members") {
		return pulse
	}
	return func(req *http.Request) fakeAnswer { // Sync looks whose member an endpoint is
		if a := pulse(req); a.body != healthy || a.notSent || a.silent || a.err != nil {
			return a
		}
		return f.answer(req)
	}
}

const healthy = `{"health":"true"}`

// isProbe reports whether a request only asks whether an endpoint is there.
func isProbe(header http.Header) bool { return header.Get("User-Agent") == "etcd-client-probe" }

// lines returns the requests so far as "METHOD url body".
func (f *fakeTransport) lines() []string {
	var lines []string
	for _, r := range f.seen() {
		lines = append(lines, strings.TrimSpace(r.method+" "+r.url+" "+r.body))
	}
	return lines
}

// RoundTrip implements http.RoundTripper.
func (f *fakeTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	recorded := fakeRequest{method: req.Method, url: req.URL.String(), header: req.Header.Clone()}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		recorded.body = string(body)
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	answer := f.keep(recorded)

	ctx := req.Context()
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(req.URL.Host)
	}
	a := answer(req)
	if a.notSent {
		if a.err == nil {
			a.err = syscall.ECONNREFUSED
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: a.err}
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if a.silent {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	if a.after > 0 {
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(a.after):
		}
	}
	if a.err != nil {
		return nil, a.err
	}
	return f.response(req, a), nil
}

func (f *fakeTransport) response(req *http.Request, a fakeAnswer) *http.Response {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	header := http.Header{}
	for line := range strings.SplitSeq(a.header, "\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			header.Add(name, value)
		}
	}
	f.count(req, 1)
	major := 2
	if a.http1 {
		major = 1
	}
	return &http.Response{
		ProtoMajor:    major,
		Status:        fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode:    a.status,
		Header:        header,
		Body:          &fakeBody{transport: f, request: req, ctx: req.Context(), answer: a, rest: a.body},
		ContentLength: -1,
		Request:       req,
	}
}

// fakeBody is a body with the faults of its answer.
type fakeBody struct {
	transport *fakeTransport
	request   *http.Request
	ctx       context.Context
	answer    fakeAnswer
	rest      string
	closed    bool
}

// Read implements io.Reader.
func (b *fakeBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, errors.New("read after close")
	}
	if b.answer.bodyAfter > 0 {
		select {
		case <-b.ctx.Done():
			return 0, context.Cause(b.ctx)
		case <-time.After(b.answer.bodyAfter):
			b.answer.bodyAfter = 0
		}
	}
	if b.rest == "" {
		switch {
		case b.answer.endless:
			b.rest = b.answer.body
		case b.answer.stalls:
			<-b.ctx.Done()
			return 0, context.Cause(b.ctx)
		case b.answer.breaks != nil:
			return 0, b.answer.breaks
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements io.Closer.
func (b *fakeBody) Close() error {
	b.transport.count(b.request, -1)
	b.closed = true
	return nil
}

// count keeps count of open bodies. Those of probes are left out: a probe may
// outlive what asked for it.
func (f *fakeTransport) count(req *http.Request, n int) {
	if isProbe(req.Header) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
}

// newClient makes a client of the transport with the endpoints, or with
// http://etcd/base where there are none.
func newClient(tb testing.TB, transport http.RoundTripper, endpoints ...string) client.Client {
	tb.Helper()
	if len(endpoints) == 0 {
		endpoints = []string{"http://etcd/base"}
	}
	return newClientOf(tb, client.Config{Endpoints: endpoints, Transport: transport})
}

// newClientOf makes a client of the configuration.
func newClientOf(tb testing.TB, cfg client.Config) client.Client {
	tb.Helper()
	c, err := client.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}
