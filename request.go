package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// requestSpec is a request without its endpoint and its context.
type requestSpec struct {
	method string
	path   string // escaped, begins with a slash, goes below the endpoint's own
	query  string // encoded
	body   string
	kind   bodyKind
}

// bodyKind is what the body of a request is.
type bodyKind uint8

const (
	bodyNone bodyKind = iota
	bodyForm
	bodyJSON
)

// request returns a new request to ep, with u for its URL.
func (s *requestSpec) request(ctx context.Context, ep *endpoint, u *url.URL) *http.Request {
	*u = ep.base
	u.Path, u.RawPath, u.RawQuery = s.path, "", s.query
	if ep.path != "" {
		u.Path = ep.path + s.path
	}
	if strings.IndexByte(u.Path, '%') >= 0 {
		// It was made by url.PathEscape and url.URL: there is no error.
		u.RawPath = u.Path
		u.Path, _ = url.PathUnescape(u.RawPath) //nolint:errcheck // see above
	}
	// In one literal, for a request is large and WithContext copies it.
	req := (&http.Request{
		Method: s.method, URL: u, Host: ep.host, Header: http.Header{}, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	switch s.kind {
	case bodyNone:
		return req
	case bodyForm:
		req.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	case bodyJSON:
		req.Header["Content-Type"] = []string{"application/json"}
	}
	if body := s.body; body != "" {
		req.Body, req.ContentLength = newBody(body), int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return newBody(body), nil }
	}
	return req
}

// newBody returns a reader of text. It is of types that net/http knows to be in
// memory: others are sent in a packet of their own.
func newBody(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// httpRequest returns the request to an endpoint that is known by its URL alone.
// Whoever sends it attaches the caller's context.
func (s *requestSpec) httpRequest(ep url.URL) *http.Request {
	return s.request(context.Background(), newEndpoint(ep), &url.URL{})
}

// query is a query or a form. Its fields are set in the order of their names, so
// that it is the text that url.Values.Encode returns.
type query struct{ encoded string }

// set adds a field.
func (q *query) set(name, value string) {
	separator := "&"
	if q.encoded == "" {
		separator = ""
	}
	q.encoded += separator + name + "=" + url.QueryEscape(value)
}

// setTrue adds a field if on.
func (q *query) setTrue(name string, on bool) {
	if on {
		q.set(name, "true")
	}
}

// setText adds a field unless value is empty.
func (q *query) setText(name, value string) {
	if value != "" {
		q.set(name, value)
	}
}

// setUint adds a field unless n is zero.
func (q *query) setUint(name string, n uint64) {
	if n != 0 {
		q.set(name, strconv.FormatUint(n, 10))
	}
}

// setTTL rounds up: ttl=0 would mean to expire at once.
func (q *query) setTTL(ttl time.Duration) {
	if ttl <= 0 {
		return
	}
	seconds := uint64(ttl / time.Second)
	if ttl%time.Second != 0 {
		seconds++
	}
	q.setUint("ttl", seconds)
}
