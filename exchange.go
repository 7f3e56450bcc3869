package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// defaultMaxResponseBytes bounds replies: a recursive Get of 4 million
	// small nodes fits, an endless body does not take the machine with it.
	defaultMaxResponseBytes = 512 << 20
	// maxErrorBytes bounds the bodies of error replies, redirects and probes.
	maxErrorBytes = 64 << 10
	// maxBodyInError is how much of an unexpected body an error quotes.
	maxBodyInError = 512
)

// reply is what one endpoint answered, its body read and closed.
type reply struct {
	endpoint string // without credentials
	status   int
	header   http.Header
	body     []byte
	http     *http.Response

	repeated bool // an earlier attempt of the same call may have been applied
}

// The header fields in which servers describe themselves, in canonical form.
const (
	headerIndex     = "X-Etcd-Index"
	headerClusterID = "X-Etcd-Cluster-Id"
	headerRaftIndex = "X-Raft-Index"
	headerRaftTerm  = "X-Raft-Term"
)

// get returns a field of the header, whose name must be canonical; empty: there
// is none.
func (r *reply) get(name string) string {
	if values := r.header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// replyOf returns the reply that a Client of the caller's own has made.
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

// isReadError reports whether a reply broke off before its body was whole.
func isReadError(err error) bool {
	if err == nil {
		return false // here, for the variable below is allocated
	}
	var broken *bodyReadError
	return errors.As(err, &broken)
}

// exchange carries out attempts: one request to one endpoint, with the redirects that
// it is answered by. It knows no other endpoint, except that a redirect may lead
// to one.
type exchange struct {
	transport     http.RoundTripper
	checkRedirect CheckRedirectFunc
	headerTimeout time.Duration
	maxBytes      int64
	login         *login // nil: none
	liveness      *liveness
}

// exchanged is what one endpoint was asked and has answered.
type exchanged struct {
	reply *reply // nil: no header came
	whole bool   // the reply was read to its end
	err   error  // why it was not, or why it could not be asked for
	sent  bool   // a part of the request may have reached the endpoint

	redirects int           // that were followed
	began     time.Time     // when the last request was made
	header    time.Time     // when its header came; zero: it did not
	waited    time.Duration // how long nothing had come when it ended
}

// do sends op to ep, and follows redirects. A redirect that is not followed comes
// with both a reply, whose status tells, and an error.
func (x *exchange) do(ctx context.Context, ep *endpoint, op operation, info *callInfo, terms stallTerms, view *endpointView) exchanged {
	rt := route{config: x.login, at: ep, view: view}
	var e exchanged
	for via := 1; ; via++ {
		redirects, last := e.redirects, e.reply
		e = x.try(ctx, ep, op, info, terms, &rt, last)
		e.redirects = redirects
		if e.err != nil || e.reply == nil || !isRedirect(e.reply) {
			return e
		}
		err := x.checkRedirect(via)
		if err == nil {
			err = rt.follow(e.reply)
		}
		if err != nil {
			e.err = err
			return e
		}
		e.redirects++
	}
}

// try sends one request to where the route has come to. last is the redirect that
// led there.
func (x *exchange) try(ctx context.Context, ep *endpoint, op operation, info *callInfo, terms stallTerms, rt *route, last *reply) exchanged {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // the transport is through with it: the body is closed
	a := &attempt{exchange: x, cancel: cancel, info: info}
	req := op.request(a.observe(ctx), ep, &a.url)
	if req == nil {
		return exchanged{err: ErrNoRequest}
	}
	if err := rt.apply(req); err != nil {
		return exchanged{reply: last, err: err, sent: true}
	}
	a.endpoint = rt.target()
	return a.run(ctx, req, op, terms)
}

// attempt is one request to one endpoint and the reading of its reply. It shares
// nothing with other attempts.
type attempt struct {
	exchange *exchange
	info     *callInfo
	endpoint *endpoint // who is asked
	cancel   context.CancelCauseFunc
	stall    stallDetector
	conn     connReport
	url      urlBuffer
	reply    reply
	body     io.ReadCloser // the reply's, as the transport returned it
	between  phase         // what is waited for after a part of the body has come
}

// run sends the request and reads its reply.
func (a *attempt) run(ctx context.Context, req *http.Request, op operation, terms stallTerms) exchanged {
	e := exchanged{began: time.Now()}
	a.stall.start(ctx, a, terms, e.began)
	defer a.stall.stop()
	var headerTimer *time.Timer
	if limit := a.exchange.headerTimeout; limit > 0 && !a.info.longPoll {
		headerTimer = time.AfterFunc(limit, func() { a.cancel(ErrHeaderTimeout) })
		defer headerTimer.Stop()
	}
	printCurlCommand(req)
	resp, err := a.exchange.transport.RoundTrip(req) //nolint:bodyclose // readReply closes it
	if err == nil && resp == nil {
		err = errors.New("client: the transport returned neither reply nor error")
	}
	if err != nil {
		e.err, e.sent = reasonFor(ctx, err), a.conn.maySent()
		e.waited = a.stall.stop()
		return e
	}
	e.sent = true
	if headerTimer != nil && !headerTimer.Stop() {
		closeQuietly(resp.Body) // the header came just too late
		e.err = ErrHeaderTimeout
		return e
	}
	e.header = time.Now()
	a.onHeader(resp, e.header)
	e.reply = &a.reply
	e.err = a.readReply(op)
	e.whole = e.err == nil
	if !e.whole {
		e.err = explainReadError(ctx, e.err)
	}
	e.waited = a.stall.stop()
	return e
}

// explainReadError returns err, and where it is a body that broke off, with the
// reason that reasonFor returns.
func explainReadError(ctx context.Context, err error) error {
	var broken *bodyReadError
	if errors.As(err, &broken) {
		return &bodyReadError{reasonFor(ctx, broken.err)}
	}
	return err
}

// reasonFor returns the reason for which the client itself has ended the attempt
// whose context is ctx, or err where it has not.
func reasonFor(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !isContextError(cause) {
		return cause
	}
	return err
}

// onHeader notes the header of the reply.
func (a *attempt) onHeader(resp *http.Response, now time.Time) {
	a.reply = reply{endpoint: a.endpoint.name, status: resp.StatusCode, header: resp.Header, http: resp}
	a.endpoint.health.onAnswer(now, time.Time{})
	if resp.Body == nil {
		return
	}
	next := awaitsBody
	a.between = awaitsBody
	if a.info.longPoll && isSuccess(resp.StatusCode) {
		next = awaitsEvent
	}
	if a.info.stream {
		a.between = next // after one event it waits for the next
	}
	a.body, resp.Body = resp.Body, a
	a.stall.enter(next, now)
}

// Read implements io.Reader: the body of the reply. Each part that comes shows
// that the endpoint is alive.
func (a *attempt) Read(p []byte) (int, error) {
	n, err := a.body.Read(p)
	if n > 0 {
		a.stall.enter(a.between, time.Now())
	}
	return n, err
}

// Close implements io.Closer.
func (a *attempt) Close() error { return a.body.Close() }

// readReply reads and closes the body. The operation may look at the header
// first, and may read the body of a success as it comes.
func (a *attempt) readReply(op operation) error {
	r := &a.reply
	if err := op.onHeader(r); err != nil {
		closeQuietly(r.http.Body)
		return err
	}
	limit := a.exchange.maxBytes
	if a.info.maxBody > 0 {
		limit = min(limit, a.info.maxBody)
	}
	if isSuccess(r.status) && r.http.Body != nil {
		done, err := op.readBody(r, a, limit)
		if done {
			closeQuietly(r.http.Body)
			return err
		}
	}
	var err error
	r.body, err = readBody(r.http, limit)
	return err
}

// readBody reads and closes resp's body. It never returns more than the bound:
// limit for a success, maxErrorBytes, without an error, for anything else.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.Body == nil {
		return nil, nil
	}
	defer closeQuietly(resp.Body)
	mayCut := !isSuccess(resp.StatusCode)
	if mayCut {
		limit = min(limit, maxErrorBytes)
	}
	body, err := readWithin(resp.Body, resp.ContentLength, limit)
	switch {
	case isTooLarge(err) && mayCut:
		return body, nil
	case isTooLarge(err):
		return nil, err
	}
	return body, err
}

const (
	smallestChunk = 512
	largestChunk  = 256 << 10
)

// chunks collects bytes whose number is not known beforehand. They are copied once, at
// the end: that allocates about twice their number, and not up to four times as much,
// which doubling a buffer takes.
type chunks struct {
	first  int // the size of the first chunk; 0: small
	list   [][]byte
	length int
}

// room returns memory for the next bytes, and how much was allocated for it.
func (c *chunks) room() (room []byte, allocated int) {
	last := len(c.list) - 1
	if last < 0 || len(c.list[last]) == cap(c.list[last]) {
		allocated = max(c.first, smallestChunk)
		if last >= 0 {
			allocated = min(2*cap(c.list[last]), largestChunk)
		}
		c.list = append(c.list, make([]byte, 0, allocated))
		last++
	}
	chunk := c.list[last]
	return chunk[len(chunk):cap(chunk)], allocated
}

// add adds the first n bytes of the last room.
func (c *chunks) add(n int) {
	last := len(c.list) - 1
	c.list[last] = c.list[last][:len(c.list[last])+n]
	c.length += n
}

// write adds p.
func (c *chunks) write(p []byte) {
	for len(p) > 0 {
		room, _ := c.room()
		n := copy(room, p)
		c.add(n)
		p = p[n:]
	}
}

// text returns all bytes as a string.
func (c *chunks) text() string {
	var b strings.Builder
	b.Grow(c.length)
	for _, chunk := range c.list {
		b.Write(chunk)
	}
	return b.String()
}

// bytes returns all bytes.
func (c *chunks) bytes() []byte {
	if len(c.list) == 1 {
		return c.list[0]
	}
	all := make([]byte, 0, c.length)
	for _, chunk := range c.list {
		all = append(all, chunk...)
	}
	return all
}

// readWithin reads a body to its end. Of a longer one than limit it returns the first
// limit bytes and an ErrResponseTooLarge, of one that breaks off what came and a
// bodyReadError. declared is the length that the header declares, or -1; it is trusted
// for small bodies only. It allocates at most 2.2 times limit, or a chunk.
func readWithin(body io.Reader, declared, limit int64) ([]byte, error) {
	var c chunks
	if 0 < declared && declared < largestChunk {
		c.first = int(declared) + 1 // to see the end without another chunk
	}
	for empty := 0; ; {
		room, _ := c.room()
		n, err := body.Read(room)
		if over := int64(c.length+n) - limit; over > 0 {
			c.add(n - int(over))
			return c.bytes(), fmt.Errorf("%w (%d)", ErrResponseTooLarge, limit)
		}
		c.add(n)
		switch {
		case err == io.EOF:
			return c.bytes(), nil
		case err != nil:
			return c.bytes(), &bodyReadError{err}
		case n > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return c.bytes(), &bodyReadError{io.ErrNoProgress}
			}
		}
	}
}
