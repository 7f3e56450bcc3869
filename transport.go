package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
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
// It is an *http.Transport, shared by all clients that use it.
var DefaultTransport CancelableTransport = newDefaultTransport()

const idleConnsPerHost = 256

func newDefaultTransport() *http.Transport {
	dialer := &net.Dialer{
		Timeout: 30 * time.Second,
		// A quiet watch can't tell a dead connection from a live one.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 2 * time.Second, Count: 3},
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConnsPerHost:   idleConnsPerHost,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
}

const (
	// defaultMaxResponseBytes bounds replies: a recursive Get of 4 million
	// small nodes fits, an endless body does not take the machine with it.
	defaultMaxResponseBytes = 512 << 20
	// maxErrorBytes bounds the bodies of error replies.
	maxErrorBytes = 64 << 10
	// maxBodyInError is how much of a strange body an error quotes.
	maxBodyInError = 512
	// maxTrustedLength is how much is allocated on a Content-Length's word.
	maxTrustedLength = 16 << 20
)

// reply is what one endpoint said, its body read and closed.
type reply struct {
	endpoint string // without credentials
	status   int
	header   http.Header
	body     []byte
	http     *http.Response
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
	credentials   credentials
	stalls        stallGuards
}

// try sends act to ep, following redirects. sent is false only when it is known
// that no part of the request left. A redirect that is not followed comes with
// both a reply, whose status tells, and an error. lookup finds the endpoint that
// has an origin.
func (x *exchange) try(ctx context.Context, ep *endpoint, act HTTPAction, terms stallTerms, lookup func(origin string) *endpoint) (r *reply, sent bool, err error) {
	rt := &route{config: x.credentials, at: ep, lookup: lookup}
	for via := 1; ; via++ {
		req := act.HTTPRequest(ep.base)
		if req == nil {
			return nil, false, ErrNoRequest
		}
		if err = rt.apply(req); err != nil {
			return r, true, err
		}
		r, sent, err = x.roundTrip(ctx, req, rt.target(), act, terms)
		if err != nil || !isRedirect(r) {
			return r, sent, err
		}
		if err = x.checkRedirect(via); err != nil {
			return r, true, err
		}
		if err = rt.follow(r); err != nil {
			return r, true, err
		}
	}
}

// roundTrip is one HTTP request and the reading of its reply. A reply whose body
// broke off comes with both a reply and an error.
func (x *exchange) roundTrip(parent context.Context, req *http.Request, ep *endpoint, act HTTPAction, terms stallTerms) (*reply, bool, error) {
	// One context for the attempt, ended when the body is in. Timers end it
	// with a cause of their own, so that the reason is told and not guessed.
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	guard := x.stalls.watch(ctx, cancel, ep, terms)
	defer guard.end()
	var trace sendTrace
	req = req.WithContext(httptrace.WithClientTrace(ctx, trace.hooks()))
	printCurlCommand(req)

	var timer *time.Timer
	if x.headerTimeout > 0 && !isLongPoll(act) {
		timer = time.AfterFunc(x.headerTimeout, func() { cancel(ErrHeaderTimeout) })
	}
	resp, err := x.transport.RoundTrip(req) //nolint:bodyclose // readReply closes it
	if timer != nil {
		timer.Stop()
	}
	if err == nil && resp == nil {
		err = errors.New("client: the transport returned neither reply nor error")
	}
	if err != nil {
		return nil, trace.sent(err), whyEnded(ctx, err)
	}
	if timer != nil && context.Cause(ctx) == ErrHeaderTimeout { //nolint:errorlint // identity is what is asked
		// The header came just too late.
		closeQuietly(resp.Body)
		return nil, true, ErrHeaderTimeout
	}
	r := &reply{endpoint: ep.name, status: resp.StatusCode, header: resp.Header, http: resp}
	guardBody(guard, resp, act)
	var broken *bodyReadError
	if err = x.readReply(r, act, cancel); errors.As(err, &broken) {
		err = &bodyReadError{whyEnded(ctx, broken.err)}
	}
	return r, true, err
}

// readReply reads and closes the body. The action may look at the header first,
// and may take the body of a success as it comes.
func (x *exchange) readReply(r *reply, act HTTPAction, giveUp context.CancelCauseFunc) error {
	if a, ok := act.(interface{ begins(*reply) error }); ok {
		if err := a.begins(r); err != nil {
			closeQuietly(r.http.Body)
			return err
		}
	}
	if a, ok := act.(consumer); ok && isSuccess(r.status) && r.http.Body != nil {
		defer closeQuietly(r.http.Body)
		return a.consume(r, r.http.Body, x.maxBytes, giveUp)
	}
	var err error
	r.body, err = readBody(r.http, x.maxBytes)
	return err
}

// consumer is an action that takes the body of a success as it comes. giveUp ends
// the attempt.
type consumer interface {
	consume(r *reply, body io.Reader, limit int64, giveUp context.CancelCauseFunc) error
}

func isConsumer(act HTTPAction) bool {
	_, ok := act.(consumer)
	return ok
}

// whyEnded gives the reason for which the client itself ended an attempt, or err
// where it did not.
func whyEnded(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !isContextError(cause) {
		return cause
	}
	return err
}

// readBody reads and closes resp's body. It never returns more than the bound:
// limit for a success, maxErrorBytes, silently, for an error.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.Body == nil {
		return nil, nil
	}
	defer closeQuietly(resp.Body)
	isError := resp.StatusCode >= http.StatusBadRequest
	if isError {
		limit = min(limit, maxErrorBytes)
	}
	var buf bytes.Buffer
	if n := resp.ContentLength; n > 0 {
		// bytes.MinRead more: ReadFrom wants that much room to see the end.
		buf.Grow(int(min(n, limit, maxTrustedLength)) + bytes.MinRead)
	}
	limit = min(limit, math.MaxInt64-1)
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case n > limit && isError:
		return buf.Bytes()[:limit], nil
	case n > limit:
		return nil, fmt.Errorf("%w (%d)", ErrResponseTooLarge, limit)
	case err != nil:
		return buf.Bytes(), &bodyReadError{err}
	}
	return buf.Bytes(), nil
}

// closeQuietly closes a body of which nothing more is wanted.
func closeQuietly(body io.Closer) {
	_ = body.Close() //nolint:errcheck // all that it held has been read, or does not matter
}

// sendTrace learns from the transport whether a request can have left.
//
// net/http asks for a connection (GetConn) and gets one (GotConn) before it
// writes. It asks a second time for the same write only when the first
// connection took not one byte, a stale idle one for instance. So the last of
// the two events tells.
type sendTrace struct {
	last atomic.Int32
}

const (
	toldNothing = iota
	wantsConn
	hasConn
)

func (t *sendTrace) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GetConn: func(string) { t.last.Store(wantsConn) },
		GotConn: func(httptrace.GotConnInfo) { t.last.Store(hasConn) },
	}
}

// sent reports whether a part of the request may have left. What the transport
// does not tell counts as sent, save that a failed dial or look-up says enough.
func (t *sendTrace) sent(err error) bool {
	switch t.last.Load() {
	case wantsConn:
		return false
	case hasConn:
		return true
	}
	var op *net.OpError
	var dns *net.DNSError
	return !errors.As(err, &dns) && (!errors.As(err, &op) || op.Op != "dial")
}
