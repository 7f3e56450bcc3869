package client

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// CancelableTransport is any http.RoundTripper. Requests are cancelled by their
// context; the historic CancelRequest method is not needed.
type CancelableTransport = http.RoundTripper

// DefaultTransport is used where Config.Transport is nil. It dials within 30
// seconds, shakes hands within 10, speaks HTTP/2 over TLS, takes proxies from
// the environment, and keeps up to 256 idle connections per host for 90 seconds,
// so that many watches and callers on one client don't dial for each request. TCP
// keepalive ends a connection whose other end is gone within about 10 seconds.
// Endpoints on unix sockets work too. It is an *http.Transport, shared by all
// clients that use it; NewTransport makes others.
var DefaultTransport CancelableTransport = newDefaultTransport()

const (
	idleConnsPerHost        = 256
	defaultDialTimeout      = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultIdleConnTimeout  = 90 * time.Second
)

func newDefaultTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: defaultDialTimeout, KeepAliveConfig: defaultKeepAlive()}
	t := &http.Transport{
		Proxy:                 proxyByName(http.ProxyFromEnvironment),
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   defaultHandshakeTimeout,
		MaxIdleConnsPerHost:   idleConnsPerHost,
		IdleConnTimeout:       defaultIdleConnTimeout,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
	serveSockets(t, func() *tls.Config { return t.TLSClientConfig.Clone() }, defaultHandshakeTimeout)
	return t
}

// defaultKeepAlive finds a dead connection within 10 seconds: a quiet watch can't
// tell it from a live one.
func defaultKeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 2 * time.Second, Count: 3}
}

const (
	// defaultMaxResponseBytes bounds replies: a recursive Get of 4 million
	// small nodes fits, an endless body does not take the machine with it.
	defaultMaxResponseBytes = 512 << 20
	// maxErrorBytes bounds the bodies of error replies and redirects.
	maxErrorBytes = 64 << 10
	// maxBodyInError is how much of an unexpected body an error quotes.
	maxBodyInError = 512
)

// reply is what one endpoint said, its body read and closed.
type reply struct {
	endpoint string // without credentials
	status   int
	header   http.Header
	body     []byte
	http     *http.Response
	repeated bool // an earlier attempt of this call may have been applied
}

// The header fields that servers tell about themselves in, in canonical form.
const (
	headerIndex     = "X-Etcd-Index"
	headerClusterID = "X-Etcd-Cluster-Id"
	headerRaftIndex = "X-Raft-Index"
	headerRaftTerm  = "X-Raft-Term"
)

// get gives a field of the header, whose name must be canonical; empty: there is
// none.
func (r *reply) get(name string) string {
	if values := r.header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// replyOf is for replies that a Client of the caller's own made.
func replyOf(resp *http.Response, body []byte) *reply {
	if resp == nil {
		return &reply{body: body}
	}
	r := &reply{status: resp.StatusCode, header: resp.Header, body: body, http: resp}
	if resp.Request != nil && resp.Request.URL != nil {
		u := *resp.Request.URL
		u.User = nil
		u.Path, u.RawPath, u.RawQuery = "", "", ""
		r.endpoint = u.String()
	}
	return r
}

// bodyReadError is a body that broke off.
type bodyReadError struct{ err error }

func (e *bodyReadError) Error() string { return "body broke off: " + e.err.Error() }
func (e *bodyReadError) Unwrap() error { return e.err }

// exchange asks one endpoint, once: redirects, header timeout, bounded body. It
// knows nothing of other endpoints but whether a redirect may go there.
type exchange struct {
	transport     http.RoundTripper
	checkRedirect CheckRedirectFunc
	headerTimeout time.Duration
	maxBytes      int64
	login         *login // nil: none
	stalls        stallGuards
	kits          tripKits
}

// try sends act to ep, following redirects. sent is false only when it is known
// that no part of the request left. A redirect that is not followed comes with
// both a reply, whose status tells, and an error. view tells which endpoint has
// an origin. followed counts the redirects.
func (x *exchange) try(ctx context.Context, ep *endpoint, act outgoing, terms stallTerms, view *endpointView, followed *int) (r *reply, sent bool, err error) {
	rt := route{config: x.login, at: ep, view: view}
	for via := 1; ; via++ {
		t := &trip{parent: ctx, exchange: x, terms: terms}
		req := t.request(ep, act) //nolint:contextcheck // the trip is the context, below ctx
		if req == nil {
			return nil, false, ErrNoRequest
		}
		if err = rt.apply(req); err != nil {
			return r, true, err
		}
		t.endpoint = rt.target()
		r, sent, err = t.run(req, act)
		if err != nil || !isRedirect(r) {
			return r, sent, err
		}
		if err = x.checkRedirect(via); err != nil {
			return r, true, err
		}
		if err = rt.follow(r); err != nil {
			return r, true, err
		}
		*followed++
	}
}

// request makes the request of act for ep, or nil when there is none to make.
func (t *trip) request(ep *endpoint, act outgoing) *http.Request {
	if foreign, ok := act.(*foreignAction); ok {
		req := foreign.HTTPRequest(ep.base)
		if req == nil {
			return nil
		}
		return req.WithContext(t)
	}
	asks := act.demand()
	return asks.request(t, ep, &t.url)
}

// run makes the request and reads its reply. A reply whose body broke off comes
// with both a reply and an error.
func (t *trip) run(req *http.Request, act outgoing) (*reply, bool, error) {
	whole := false
	defer func() { t.end(whole) }()
	printCurlCommand(req)
	resp, err := t.exchange.transport.RoundTrip(req) //nolint:bodyclose // readReply closes it
	if err == nil && resp == nil {
		err = errors.New("client: the transport returned neither reply nor error")
	}
	if err != nil {
		return nil, t.sent(err), t.why(err)
	}
	t.takeHeader(resp)
	if t.exchange.headerTimeout > 0 && t.why(nil) == ErrHeaderTimeout { //nolint:errorlint // identity is what is asked
		// The header came just too late.
		closeQuietly(resp.Body)
		return nil, true, ErrHeaderTimeout
	}
	err = t.readReply(act)
	if whole = err == nil; !whole {
		var broken *bodyReadError
		if errors.As(err, &broken) {
			err = &bodyReadError{t.why(broken.err)}
		}
	}
	return &t.reply, true, err
}

// readReply reads and closes the body. The action may look at the header first,
// and may take the body of a success as it comes.
func (t *trip) readReply(act outgoing) error {
	r := &t.reply
	if err := act.begins(r); err != nil {
		closeQuietly(r.http.Body)
		return err
	}
	if act.takesBody() && isSuccess(r.status) && r.http.Body != nil {
		defer closeQuietly(r.http.Body)
		return act.consume(r, t, t.exchange.maxBytes)
	}
	limit := t.exchange.maxBytes
	if small, ok := act.(interface{ maxBody() int64 }); ok {
		limit = min(limit, small.maxBody())
	}
	var err error
	r.body, err = readBody(r.http, limit)
	return err
}

// readBody reads and closes resp's body. It never returns more than the bound:
// limit for a success, maxErrorBytes, silently, for an error or a redirect.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.Body == nil {
		return nil, nil
	}
	defer closeQuietly(resp.Body)
	isError := resp.StatusCode >= http.StatusMultipleChoices // of redirects the header counts
	if isError {
		limit = min(limit, maxErrorBytes)
	}
	body, err := readWithin(resp.Body, resp.ContentLength, limit)
	switch {
	case isTooLarge(err) && isError:
		return body, nil
	case isTooLarge(err):
		return nil, err
	}
	return body, err
}

// closeQuietly closes a body of which nothing more is wanted.
func closeQuietly(body io.Closer) {
	if body == nil {
		return
	}
	_ = body.Close() //nolint:errcheck // all that it held has been read, or does not matter
}
