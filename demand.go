package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// demand is a request as an action has it in mind, without endpoint and context.
type demand struct {
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

// request makes the request to ep, with u for its URL. It is a new one each time.
func (d *demand) request(ctx context.Context, ep *endpoint, u *url.URL) *http.Request {
	*u = ep.base
	u.Path, u.RawPath, u.RawQuery = d.path, "", d.query
	if ep.path != "" {
		u.Path = ep.path + d.path
	}
	if strings.IndexByte(u.Path, '%') >= 0 {
		// It was made by url.PathEscape and url.URL: there is no error.
		u.RawPath = u.Path
		u.Path, _ = url.PathUnescape(u.RawPath) //nolint:errcheck // see above
	}
	// In one literal, for a request is large and WithContext copies it.
	req := (&http.Request{
		Method: d.method, URL: u, Host: withoutRootDot(u.Host), Header: http.Header{}, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	switch d.kind {
	case bodyNone:
		return req
	case bodyForm:
		req.Header["Content-Type"] = []string{"application/x-www-form-urlencoded"}
	case bodyJSON:
		req.Header["Content-Type"] = []string{"application/json"}
	}
	if body := d.body; body != "" {
		req.Body, req.ContentLength = newBody(body), int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return newBody(body), nil }
	}
	return req
}

// newBody gives the body from its beginning. It is of types that net/http knows to
// be in memory: others cost a packet of their own.
func newBody(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// requestOf makes the request to an endpoint that is known by its URL alone. The
// caller's context is attached by whoever sends it.
func requestOf(d demand, ep url.URL) *http.Request {
	return d.request(context.Background(), &endpoint{base: ep, path: strings.TrimSuffix(ep.EscapedPath(), "/")}, &url.URL{})
}
