package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// HTTPAction is one call in the form of an HTTP request, for [Client.Do].
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
	HTTPRequest(ep url.URL) *http.Request
}

// retryClass says what may be done when the outcome of an attempt is not known.
type retryClass int

const (
	// classOnce is for writes that would do something else the second time.
	// It is the zero value: what says nothing of itself is not repeated.
	classOnce retryClass = iota
	// classIdempotent is for writes that end in the same state when repeated.
	classIdempotent
	// classRead is for requests that change nothing.
	classRead
)

// classOf asks the action; one of another package is judged by its method.
func classOf(act HTTPAction, ep url.URL) retryClass {
	if a, ok := act.(interface{ retryClass() retryClass }); ok {
		return a.retryClass()
	}
	req := act.HTTPRequest(ep)
	if req != nil && (req.Method == http.MethodGet || req.Method == http.MethodHead) {
		return classRead
	}
	return classOnce
}

// isLongPoll reports whether the reply may take for ever. The action says; one of
// another package is judged by its query.
func isLongPoll(act HTTPAction) bool {
	if a, ok := act.(interface{ isLongPoll() bool }); ok {
		return a.isLongPoll()
	}
	req := act.HTTPRequest(url.URL{Scheme: "http", Host: "localhost"})
	return req != nil && req.URL != nil && req.URL.Query().Get("wait") == "true"
}

// action is every call of this package: what to send, and what to make of the
// reply. It knows nothing of endpoints, time and retries.
type action struct {
	method      string
	path        string // escaped, begins with a slash, goes below the endpoint's own
	query       string // encoded
	contentType string
	body        string
	class       retryClass

	// decode makes the call's result of a reply. An error means that the reply
	// is not an answer, or is one that refuses the call; the cluster client
	// looks at it together with the status.
	decode func(*reply) error
}

func (a *action) retryClass() retryClass { return a.class }
func (a *action) isLongPoll() bool       { return false } // watches are polls
func (a *action) accept(r *reply) error  { return a.decode(r) }

// HTTPRequest builds the request for one endpoint.
func (a *action) HTTPRequest(ep url.URL) *http.Request {
	u := ep
	escaped := strings.TrimSuffix(ep.EscapedPath(), "/") + a.path
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return nil // a.path was made by url.PathEscape, ep by url.Parse: can't be
	}
	u.Path, u.RawPath = path, escaped
	u.RawQuery = a.query
	// The caller's context is attached by whoever sends the request.
	req, err := http.NewRequestWithContext(context.Background(), a.method, "/", strings.NewReader(a.body))
	if err != nil {
		return nil // the methods are constants of net/http: can't be
	}
	if a.body == "" {
		req.Body, req.GetBody = http.NoBody, nil
	}
	req.URL, req.Host = &u, u.Host
	if a.contentType != "" {
		req.Header.Set("Content-Type", a.contentType)
	}
	return req
}

// setForm makes values the body.
func (a *action) setForm(values url.Values) {
	a.contentType = "application/x-www-form-urlencoded"
	a.body = values.Encode()
}

// setJSON makes document the body.
func (a *action) setJSON(document any) error {
	body, err := json.Marshal(document)
	if err != nil {
		return err
	}
	a.contentType = "application/json"
	a.body = string(body)
	return nil
}

// call sends act by c and returns what decode makes of the reply.
func call[T any](ctx context.Context, c Client, act *action, decode func(*reply) (T, error)) (T, error) {
	var (
		value, none T
		err         error
		decoded     bool
	)
	act.decode = func(r *reply) error {
		value, err = decode(r)
		decoded = true
		return err
	}
	resp, body, doErr := c.Do(ctx, act) //nolint:bodyclose // Do has read and closed it
	if doErr != nil {
		return none, doErr
	}
	if !decoded { // c is a Client of the caller's own that did not pass act on
		value, err = decode(replyOf(resp, body))
	}
	if err != nil {
		return none, err
	}
	return value, nil
}
