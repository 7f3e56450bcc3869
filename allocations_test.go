package client_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// cannedTransport answers every request with the same bytes and allocates nothing.
// It is for one request at a time.
type cannedTransport struct {
	header http.Header
	body   string
	resp   http.Response
	rest   strings.Reader
	during func() // called within each round trip; may be nil
}

func newCannedTransport(body string) *cannedTransport {
	return &cannedTransport{body: body, header: http.Header{
		"Content-Type":      {"application/json"},
		"X-Etcd-Cluster-Id": {"cdf818194e3a8c32"},
		"X-Etcd-Index":      {"35"},
		"X-Raft-Index":      {"5398"},
		"X-Raft-Term":       {"0"},
	}}
}

// RoundTrip implements http.RoundTripper.
func (c *cannedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.during != nil {
		c.during()
	}
	c.rest.Reset(c.body)
	c.resp = http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.header, Body: c, ContentLength: int64(len(c.body)), Request: req,
	}
	return &c.resp, nil
}

// Read implements io.Reader.
func (c *cannedTransport) Read(p []byte) (int, error) { return c.rest.Read(p) }

// Close implements io.Closer.
func (*cannedTransport) Close() error { return nil }

var _ io.ReadCloser = (*cannedTransport)(nil)

const (
	smallNode = `{"action":"get","node":{"key":"/message","value":"Hello world","modifiedIndex":4,"createdIndex":4}}` + "\n"
	smallSet  = `{"action":"set","node":{"key":"/message","value":"Hello world","modifiedIndex":5,"createdIndex":5},` +
		`"prevNode":{"key":"/message","value":"Hello","modifiedIndex":4,"createdIndex":4}}` + "\n"
)

// costOf returns what a call allocates: the least of some measurements, since what a
// garbage collection makes others allocate is not the call's.
func costOf(t *testing.T, call func() error) (allocs, bytes float64) {
	t.Helper()
	const runs = 200
	do := func() {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	do()
	bytes = math.Inf(1)
	for range 10 { // the collector may empty the pools in some, not in all
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			do()
		}
		runtime.ReadMemStats(&after)
		bytes = min(bytes, float64(after.TotalAlloc-before.TotalAlloc)/runs)
	}
	return testing.AllocsPerRun(runs, do), bytes
}

const (
	// extraAllocs and extraBytes are what a call may allocate besides what a program
	// with net/http alone does. No state is shared between requests, so each has its
	// own context, timer and hooks for the connection.
	extraAllocs = 10
	extraBytes  = 1000
)

// bareCall returns the call of a program with net/http alone: it reads the body and
// decodes nothing. A program that decodes allocates more.
func bareCall(transport http.RoundTripper, method, form string, setUp func(*http.Request)) func() error {
	c := http.Client{Transport: transport}
	return func() error {
		var body io.Reader
		if form != "" {
			body = strings.NewReader(form)
		}
		req, err := http.NewRequestWithContext(context.Background(), method, "http://etcd:2379/v2/keys/message", body)
		if err != nil {
			return err
		}
		if form != "" {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if setUp != nil {
			setUp(req)
		}
		resp, err := c.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		return err
	}
}

// checkCost compares what a call allocates with what bare does.
func checkCost(t *testing.T, call, bare func() error) {
	t.Helper()
	allocs, bytes := costOf(t, call)
	bareAllocs, bareBytes := costOf(t, bare)
	t.Logf("%.0f allocations of %.0f bytes; net/http alone: %.0f of %.0f", allocs, bytes, bareAllocs, bareBytes)
	if client.RaceDetector {
		return // only that it works
	}
	if allocs > bareAllocs+extraAllocs {
		t.Errorf("%.0f allocations, want at most %.0f and %d", allocs, bareAllocs, extraAllocs)
	}
	if bytes > bareBytes+extraBytes {
		t.Errorf("%.0f bytes, want at most %.0f and %d", bytes, bareBytes, extraBytes)
	}
}

// The limits of benchmarks/README.md. They do not depend on what else this machine does.
func TestKeysAPI_Allocations(t *testing.T) {
	one := []string{"http://etcd:2379"}
	get := func(ctx context.Context, kapi client.KeysAPI) error {
		_, err := kapi.Get(ctx, "/message", nil)
		return err
	}
	tests := []struct {
		why  string
		cfg  client.Config
		body string
		call func(context.Context, client.KeysAPI) error
		bare func(http.RoundTripper) func() error
	}{
		{
			why: "Get", cfg: client.Config{Endpoints: one}, body: smallNode, call: get,
			bare: func(t http.RoundTripper) func() error { return bareCall(t, http.MethodGet, "", nil) },
		},
		{
			why: "Get, HeaderTimeoutPerRequest", cfg: client.Config{Endpoints: one, HeaderTimeoutPerRequest: time.Second},
			body: smallNode, call: get,
			bare: func(t http.RoundTripper) func() error { return bareCall(t, http.MethodGet, "", nil) },
		},
		{
			why: "Get, three endpoints and a password", cfg: client.Config{
				Endpoints: []string{"http://a:2379", "http://b:2379", "http://c:2379"}, Username: "root", Password: "secret",
			}, body: smallNode, call: get,
			bare: func(t http.RoundTripper) func() error {
				return bareCall(t, http.MethodGet, "", func(req *http.Request) { req.SetBasicAuth("root", "secret") })
			},
		},
		{
			why: "Set", cfg: client.Config{Endpoints: one}, body: smallSet,
			call: func(ctx context.Context, kapi client.KeysAPI) error {
				_, err := kapi.Set(ctx, "/message", "Hello world", nil)
				return err
			},
			bare: func(t http.RoundTripper) func() error {
				return bareCall(t, http.MethodPut, "value=Hello+world", nil)
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			tt.cfg.Transport = newCannedTransport(tt.body)
			kapi := client.NewKeysAPI(newClientOf(t, tt.cfg))
			checkCost(t, func() error { return tt.call(context.Background(), kapi) }, tt.bare(newCannedTransport(tt.body)))
		})
	}
}

func TestKeysAPI_StartsNoGoroutine(t *testing.T) {
	transport := newCannedTransport(smallNode)
	kapi := client.NewKeysAPI(newClientOf(t, client.Config{Endpoints: []string{"http://etcd:2379"}, Transport: transport}))
	before, most := 0, 0
	transport.during = func() { most = max(most, runtime.NumGoroutine()) }
	for range 10 { // in one of them, nothing of another test's begins
		before, most = runtime.NumGoroutine(), 0
		for range 100 {
			if _, err := kapi.Get(t.Context(), "/message", nil); err != nil {
				t.Fatal(err)
			}
		}
		if most <= before {
			return
		}
	}
	t.Errorf("%d goroutines during a call, %d before", most, before)
}

func BenchmarkGet(b *testing.B) {
	kapi := client.NewKeysAPI(newClient(b, newCannedTransport(smallNode), "http://etcd:2379"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kapi.Get(b.Context(), "/message", nil); err != nil {
			b.Fatal(err)
		}
	}
}
