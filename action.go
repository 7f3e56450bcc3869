package client

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// HTTPAction is one call in the form of an HTTP request, for Do of [Client].
//
// Do may call HTTPRequest several times: once to learn its method, and once for
// each endpoint it tries and each redirect it follows. Every call must return a
// fresh request with a fresh body, or nil when there is none. ep is the endpoint's
// URL without credentials; the action's path goes below ep.Path. HTTPRequest must
// be safe for the caller's own concurrency; Do itself calls it from one goroutine.
//
// A Client that wraps another may pass an action of this package on several times,
// also concurrently.
//
// An action of another package is retried by its method: GET and HEAD on every
// endpoint, anything else only as long as no endpoint can have received it. One
// whose query has wait=true is a long poll, whose reply may take for ever. Every
// reply below 500 is an answer to it.
type HTTPAction interface {
	// HTTPRequest returns a new request of the call to the endpoint ep.
	HTTPRequest(ep url.URL) *http.Request
}

// retryClass is what may be done when the outcome of an attempt is not known.
type retryClass uint8

const (
	// classOnce is for writes that are applied at most once: a second time they
	// would do something else. It is the zero value, so that a call which does
	// not say what it is, is not repeated.
	classOnce retryClass = iota
	// classIdempotent is for writes that end in the same state when repeated.
	classIdempotent
	// classRead is for requests that change nothing.
	classRead
)

// String returns the text of AttemptInfo.Class.
func (c retryClass) String() string {
	switch c {
	case classRead:
		return "read"
	case classIdempotent:
		return "idempotent"
	default:
		return "at-most-once"
	}
}

// callInfo is what the cluster client must know of a call.
type callInfo struct {
	method, path string // path is below the endpoint's, escaped
	class        retryClass
	longPoll     bool  // the reply may take for ever
	stream       bool  // the reply is more than one event
	noRepeat     bool  // it is not tried again where there is one endpoint only
	maxBody      int64 // bound of a success's body; 0: Config.MaxResponseBytes
}

// operation is one call on its way through the cluster client and the exchange.
// Each call has one of its own.
type operation interface {
	info() callInfo

	// request returns a new request to ep, with u for its URL, or nil when there
	// is none to make.
	request(ctx context.Context, ep *endpoint, u *url.URL) *http.Request

	// onHeader looks at the header of a reply as soon as it is there.
	onHeader(r *reply) error

	// readBody reads the body of a success as it comes, and reports whether it
	// does: if not, the body is read whole into r.body. More than limit bytes are
	// an ErrResponseTooLarge, a body that breaks off is a bodyReadError.
	readBody(r *reply, body *attempt, limit int64) (done bool, err error)

	// onReply judges the whole reply. An error means that it is no answer, or one
	// that refuses the call.
	onReply(r *reply) error
}

// action is a call of this package as it is passed to Do: what to send, and how
// to judge the reply. It is never changed, so that a Client of the user's own may
// keep, repeat and hedge it.
type action struct {
	spec     requestSpec
	class    retryClass
	longPoll bool
	keys     bool               // of the keys API: Config.Quorum applies to its reads
	noRepeat bool               // see callInfo
	maxBody  int64              // see callInfo
	judge    func(*reply) error // the error of onReply; nil: any reply is an answer
	taken    func(*reply) error // the error of onHeader; nil: there is none
}

// HTTPRequest implements HTTPAction.
func (a *action) HTTPRequest(ep url.URL) *http.Request { return a.spec.httpRequest(ep) }

// setForm sets the body to an encoded form.
func (a *action) setForm(form string) { a.spec.body, a.spec.kind = form, bodyForm }

// setJSON sets the body to document as JSON.
func (a *action) setJSON(document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	a.spec.body, a.spec.kind = string(body), bodyJSON
	return nil
}

const quorumQuery = "quorum=true"

// withQuorum returns a as a read of a quorum, if it is a read of keys.
func (a action) withQuorum() action {
	switch {
	case !a.keys || a.class != classRead || a.longPoll, strings.HasPrefix(a.spec.query, quorumQuery):
	case a.spec.query == "":
		a.spec.query = quorumQuery
	default:
		a.spec.query = quorumQuery + "&" + a.spec.query
	}
	return a
}

// actionCall is the operation of an action of this package. Its body is read whole.
type actionCall struct{ action }

func (a *actionCall) info() callInfo {
	return callInfo{
		method: a.spec.method, path: a.spec.path, class: a.class, longPoll: a.longPoll, noRepeat: a.noRepeat, maxBody: a.maxBody,
	}
}

func (a *actionCall) request(ctx context.Context, ep *endpoint, u *url.URL) *http.Request {
	return a.spec.request(ctx, ep, u)
}

func (a *actionCall) onHeader(r *reply) error {
	if a.taken == nil {
		return nil
	}
	return a.taken(r)
}

func (a *actionCall) readBody(*reply, *attempt, int64) (bool, error) { return false, nil }

func (a *actionCall) onReply(r *reply) error {
	if a.judge == nil {
		return nil
	}
	return a.judge(r)
}

// foreignCall is an operation of an action of another package, which is judged
// by its method and its query.
type foreignCall struct {
	HTTPAction

	described callInfo
}

// newForeignCall describes act; base is the URL of any endpoint.
func newForeignCall(act HTTPAction, base url.URL) *foreignCall {
	f := &foreignCall{HTTPAction: act}
	req := act.HTTPRequest(base)
	if req == nil {
		return f
	}
	f.described.method = cmp.Or(req.Method, http.MethodGet)
	if f.described.method == http.MethodGet || f.described.method == http.MethodHead {
		f.described.class = classRead
	}
	if req.URL != nil {
		f.described.path = strings.TrimPrefix(req.URL.EscapedPath(), strings.TrimSuffix(base.EscapedPath(), "/"))
		f.described.longPoll = req.URL.Query().Get("wait") == "true"
	}
	return f
}

func (f *foreignCall) info() callInfo { return f.described }

func (f *foreignCall) request(ctx context.Context, ep *endpoint, _ *url.URL) *http.Request {
	req := f.HTTPRequest(ep.base)
	if req == nil || req.URL == nil {
		return nil
	}
	req = req.WithContext(ctx)
	if req.Header == nil {
		req.Header = http.Header{}
	}
	return req
}

func (f *foreignCall) onHeader(*reply) error { return nil }

func (f *foreignCall) readBody(*reply, *attempt, int64) (bool, error) { return false, nil }

// onReply takes every reply below 500 for an answer: what shape it should have
// is not known here.
func (f *foreignCall) onReply(r *reply) error {
	if r.status >= http.StatusInternalServerError {
		return replyError(r)
	}
	return nil
}

// call sends act by c and returns the reply as decode reads it.
func call[T any](ctx context.Context, c Client, act *action, decode func(*reply) (T, error)) (T, error) {
	var value, none T
	if !act.keys {
		act.maxBody = maxDocumentBytes
	}
	if own, ok := c.(*httpClusterClient); ok {
		direct := actionCall{*act}
		direct.judge = func(r *reply) (err error) {
			value, err = decode(r)
			return err
		}
		if _, err := own.do(ctx, &direct); err != nil {
			return none, err
		}
		return value, nil
	}
	if c == nil {
		return none, errNilClient
	}
	act.judge = func(r *reply) error {
		_, err := decode(r)
		return err
	}
	resp, body, err := c.Do(ctx, act) //nolint:bodyclose // Do has read and closed it
	if err != nil {
		return none, err
	}
	value, err = decode(replyOf(resp, body))
	if err != nil {
		return none, err
	}
	return value, nil
}
