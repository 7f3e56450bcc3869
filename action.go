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
// Do may call HTTPRequest several times, once for each endpoint it tries and
// each redirect it follows; every call must return a fresh request with a fresh
// body, or nil when there is none to make. ep is the endpoint's URL without
// credentials; the action's path goes below ep.Path. HTTPRequest must be safe
// for the caller's own concurrency; Do itself calls it from one goroutine.
//
// An action of another package is retried by its method: GET and HEAD on every
// endpoint, anything else only as long as no endpoint can have received it. One
// whose query has wait=true is a long poll, whose reply may take for ever.
type HTTPAction interface {
	// HTTPRequest makes a new request of the call to the endpoint ep.
	HTTPRequest(ep url.URL) *http.Request
}

// retryClass says what may be done when the outcome of an attempt is not known.
type retryClass uint8

const (
	// classOnce is for writes that would do something else the second time.
	// It is the zero value: what says nothing of itself is not repeated.
	classOnce retryClass = iota
	// classIdempotent is for writes that end in the same state when repeated.
	classIdempotent
	// classRead is for requests that change nothing.
	classRead
)

// outgoing is what the cluster client and the exchange know of a call. The
// package's own actions are that by themselves, a foreignAction makes it of one
// of another package.
type outgoing interface {
	// demand says what to ask for.
	demand() demand

	// describe gives the method, and the path below the endpoint's, escaped.
	describe() (method, path string)

	retryClass() retryClass

	// isLongPoll reports whether the reply may take for ever.
	isLongPoll() bool

	// isStream reports whether the reply is more than one event.
	isStream() bool

	// begins looks at the header of a reply, as soon as it is there.
	begins(r *reply) error

	// takesBody reports whether consume takes the body of a success as it
	// comes. Bytes beyond the limit are an ErrResponseTooLarge.
	takesBody() bool
	consume(r *reply, body *trip, limit int64) error

	// accept looks at the whole reply. An error means that it is no answer, or
	// one that refuses the call.
	accept(r *reply) error

	// excuses reports whether an attempt that broke off is no failure, and
	// whether the next one should be made elsewhere. r is nil where no reply came.
	excuses(r *reply, sent bool, err error) (excused, elsewhere bool)
}

// plain is what most calls are like.
type plain struct{}

func (plain) isLongPoll() bool                         { return false }
func (plain) isStream() bool                           { return false }
func (plain) begins(*reply) error                      { return nil }
func (plain) takesBody() bool                          { return false }
func (plain) consume(*reply, *trip, int64) error       { return nil }
func (plain) excuses(*reply, bool, error) (bool, bool) { return false, false }

// foreignAction is an action of another package, judged by its method and its
// query.
type foreignAction struct {
	HTTPAction
	plain

	method, path string
	class        retryClass
	waits        bool
}

// outgoingOf gives act as the client sees it; base is any endpoint's.
func outgoingOf(act HTTPAction, base url.URL) outgoing {
	if own, ok := act.(outgoing); ok {
		return own
	}
	f := &foreignAction{HTTPAction: act}
	if req := act.HTTPRequest(base); req != nil {
		if req.Method == http.MethodGet || req.Method == http.MethodHead {
			f.class = classRead
		}
		f.method = cmp.Or(req.Method, http.MethodGet)
		if req.URL != nil {
			f.path = strings.TrimPrefix(req.URL.EscapedPath(), strings.TrimSuffix(base.EscapedPath(), "/"))
			f.waits = req.URL.Query().Get("wait") == "true"
		}
	}
	return f
}

func (f *foreignAction) retryClass() retryClass { return f.class }
func (f *foreignAction) isLongPoll() bool       { return f.waits }

func (f *foreignAction) describe() (method, path string) { return f.method, f.path }

// demand says nothing: such an action makes its requests itself.
func (f *foreignAction) demand() demand { return demand{} }

// accept can't tell an answer from another: it takes what is no failure of the
// server.
func (f *foreignAction) accept(r *reply) error {
	if r.status >= http.StatusInternalServerError {
		return replyError(r)
	}
	return nil
}

// action is every call of this package: what to send, and what to make of the
// reply. It knows nothing of endpoints, time and retries.
type action struct {
	plain

	asks  demand
	class retryClass
}

func (a *action) describe() (method, path string) { return a.asks.method, a.asks.path }

func (a *action) retryClass() retryClass { return a.class }

// HTTPRequest implements HTTPAction.
func (a *action) HTTPRequest(ep url.URL) *http.Request { return requestOf(a.asks, ep) }

func (a *action) demand() demand { return a.asks }

// setForm makes a form, encoded, the body.
func (a *action) setForm(form string) { a.asks.body, a.asks.kind = form, bodyForm }

// setJSON makes document the body.
func (a *action) setJSON(document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	a.asks.body, a.asks.kind = string(body), bodyJSON
	return nil
}

// documentAction is a call whose result is made of the whole of the reply.
type documentAction struct {
	action

	// decode makes the call's result of a reply. An error means that the reply
	// is not an answer, or is one that refuses the call; the cluster client
	// looks at it together with the status.
	decode func(*reply) error
}

func (d *documentAction) accept(r *reply) error { return d.decode(r) }

// call sends act by c and returns what decode makes of the reply.
func call[T any](ctx context.Context, c Client, act *action, decode func(*reply) (T, error)) (T, error) {
	var (
		value, none T
		err         error
		decoded     bool
	)
	document := &documentAction{action: *act, decode: func(r *reply) error {
		value, err = decode(r)
		decoded = true
		return err
	}}
	resp, body, doErr := c.Do(ctx, document) //nolint:bodyclose // Do has read and closed it
	if doErr != nil {
		return none, doErr
	}
	if !decoded { // c is a Client of the caller's own that did not pass the action on
		value, err = decode(replyOf(resp, body))
	}
	if err != nil {
		return none, err
	}
	return value, nil
}
