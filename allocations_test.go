package client_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

// cannedTransport answers every request with the same bytes and costs nothing of
// its own: it is for one request at a time.
type cannedTransport struct {
	header  http.Header
	body    string
	resp    http.Response
	rest    strings.Reader
	request func(*http.Request) // nil: not looked at
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
	if c.request != nil {
		c.request(req)
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

const smallNode = `{"action":"get","node":{"key":"/message","value":"Hello world","modifiedIndex":4,"createdIndex":4}}` + "\n"

func BenchmarkGet(b *testing.B) {
	kapi := client.NewKeysAPI(newClient(b, newCannedTransport(smallNode), "http://etcd:2379"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := kapi.Get(b.Context(), "/message", nil); err != nil {
			b.Fatal(err)
		}
	}
}
