package client

import (
	"bytes"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// decodeKeys returns the Response of a reply that must have a node.
func decodeKeys(r *reply) (*Response, error) {
	if !isSuccess(r.status) {
		return nil, keysError(r)
	}
	resp, err := decodeTreeBytes(r.body)
	return finishResponse(r, resp, err, true)
}

// finishResponse adds what the header has to resp, as decoded with err. Servers
// leave the node out of the replies to writes with NoValueOnSuccess only.
func finishResponse(r *reply, resp *Response, err error, wantNode bool) (*Response, error) {
	if err != nil {
		return nil, unexpectedReply(r, err)
	}
	if resp.Action == "" || resp.Node == nil && wantNode {
		return nil, unexpectedReply(r, ErrInvalidJSON)
	}
	if resp.Index, err = indexOf(r); err != nil {
		return nil, err
	}
	resp.ClusterID = r.get(headerClusterID)
	return resp, nil
}

// indexOf reads X-Etcd-Index, which proxies may drop and nobody may garble.
func indexOf(r *reply) (uint64, error) {
	text := r.get(headerIndex)
	if text == "" {
		return 0, nil
	}
	index, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Message: "X-Etcd-Index is not a number: " + strconv.Quote(text)}
	}
	return index, nil
}

// parseError reads an error document: that of the keys API, with an errorCode, or
// that of the other APIs, with a message alone. It is false for anything else.
func parseError(body []byte) (e Error, ok bool) {
	var s scanner
	s.openBytes(body)
	if s.peek() != '{' || !s.enter() {
		return Error{}, false
	}
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return Error{}, false
		}
		name, ok := s.name()
		if !ok || !s.take(':') {
			return Error{}, false
		}
		switch string(name) {
		case "errorCode":
			code := int64(e.Code)
			ok = s.int64(&code) && math.MinInt32 <= code && code <= math.MaxInt32
			e.Code = int(code)
		case "message":
			ok = s.string(&e.Message)
		case "cause":
			ok = s.string(&e.Cause)
		case "index":
			ok = s.uint64(&e.Index)
		default:
			ok = s.skip()
		}
		if !ok {
			return Error{}, false
		}
	}
	if !s.ends() {
		return Error{}, false
	}
	return e, true
}

// keysError returns the Error that the keys API wrote, at whatever status, and a
// *ReplyError for what something else wrote in its place.
func keysError(r *reply) error {
	e, ok := parseError(r.body)
	if !ok || e.Code == 0 {
		return errorOf(r, e.Message, true)
	}
	e.StatusCode, e.Endpoint = r.status, r.endpoint
	return e
}

// v2Error is replyError for the paths that a server without the v2 API does not
// know.
func v2Error(r *reply) error {
	e, _ := parseError(r.body)
	return errorOf(r, e.Message, true)
}

// replyError returns the error of a reply that is not a success.
func replyError(r *reply) error {
	e, _ := parseError(r.body)
	return errorOf(r, e.Message, false)
}

// errorOf returns the error of a reply with the message in its document; empty: it
// has none.
func errorOf(r *reply, message string, isV2 bool) error {
	switch {
	case message != "":
		return &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Message: message}
	case isV2 && r.status == http.StatusNotFound && string(bytes.TrimSpace(r.body)) == "404 page not found":
		return &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Err: ErrV2NotEnabled}
	}
	return unexpectedReply(r, nil)
}

// unexpectedReply returns an error that quotes the beginning of the body.
func unexpectedReply(r *reply, err error) error {
	body := bytes.TrimSpace(r.body)
	return &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Body: string(body[:min(len(body), maxBodyInError)]), Err: err}
}

// withReply adds what is known of a reply to an error in reading its body.
func withReply(err error, r *reply) error {
	if isReadError(err) || isTooLarge(err) {
		return unexpectedReply(r, err)
	}
	return err
}

// speaksEtcd reports whether a reply that is no success is etcd's own answer, and not
// that of a gateway, a proxy or a server without the v2 API. Where the reply has been
// decoded, isEtcdError reports the same without reading it once more.
func speaksEtcd(r *reply) bool { return isEtcdError(r, keysError(r)) }

// isEtcdError reports whether err, to which a reply was decoded, is etcd's own: an
// Error of the keys API, or a message of the other APIs if a header of etcd's or its
// words show where it comes from. A message alone does not: gateways write
// {"message":"Forbidden"}, too.
func isEtcdError(r *reply, err error) bool {
	switch err := err.(type) { //nolint:errorlint // what decode returned, unwrapped
	case Error:
		// Gateways repeat the status as a code: {"errorCode":401,…}. etcd's 401
		// comes with status 400.
		return hasEtcdHeader(r) || err.Code != r.status
	case *ReplyError:
		return err.Message != "" && (hasEtcdHeader(r) || isEtcdMessage(err.Message))
	}
	return false
}

// saysApplied reports whether a reply is etcd's own success: then a write has been
// applied, even if the reply's body broke off.
func saysApplied(r *reply) bool { return isSuccess(r.status) && hasEtcdHeader(r) }

// hasEtcdHeader reports whether a reply has one of etcd's own header fields. All
// replies of the v2 APIs have them but for those to requests without the credentials
// for the members and auth APIs.
func hasEtcdHeader(r *reply) bool {
	return r.get(headerClusterID) != "" || r.get(headerIndex) != ""
}

// etcdMessages are how messages of the members, auth and stats APIs of etcd 2.1 to 3.5
// begin. They show that etcd wrote the message where a proxy has dropped the header.
var etcdMessages = []string{ //nolint:gochecknoglobals // immutable
	"Insufficient credentials", // the one that has no header of etcd's
	"auth: ",
	"etcdserver: ",
	"membership: ",
	"No such member: ",
	"Member permanently removed: ",
	"During election",
	"not current leader",
	"Bad Content-Type ",
	"Role JSON name does not match",
	"User JSON name does not match",
}

func isEtcdMessage(message string) bool {
	return slices.ContainsFunc(etcdMessages, func(begin string) bool { return strings.HasPrefix(message, begin) })
}
