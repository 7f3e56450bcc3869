package client

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// decodeKeys makes a Response of a reply that must have a node.
func decodeKeys(r *reply) (*Response, error) {
	if !isSuccess(r.status) {
		return nil, keysError(r)
	}
	resp, err := decodeTreeBytes(r.body)
	return finishResponse(r, resp, err, true)
}

// finishResponse gives resp, as decoded with err, what the header says. Servers
// leave the node out of the replies to writes with NoValueOnSuccess only.
func finishResponse(r *reply, resp *Response, err error, wantNode bool) (*Response, error) {
	if err != nil {
		return nil, strange(r, err)
	}
	if resp.Action == "" || resp.Node == nil && wantNode {
		return nil, strange(r, ErrInvalidJSON)
	}
	if resp.Index, err = indexOf(r); err != nil {
		return nil, err
	}
	resp.ClusterID = r.get(headerClusterID)
	return resp, nil
}

// maxSafeDigits is how many digits an uint64 has room for, whatever they are.
const maxSafeDigits = 19

// indexOf reads X-Etcd-Index, which proxies may drop and nobody may garble.
func indexOf(r *reply) (uint64, error) {
	text := r.get(headerIndex)
	if text == "" {
		return 0, nil
	}
	// Most by far: in fewer digits than could be too many.
	index, at := uint64(0), 0
	for ; at < len(text) && at < maxSafeDigits && '0' <= text[at] && text[at] <= '9'; at++ {
		index = 10*index + uint64(text[at]-'0')
	}
	if at == len(text) {
		return index, nil
	}
	index, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Message: "X-Etcd-Index is not a number: " + strconv.Quote(text)}
	}
	return index, nil
}

// keysError makes an Error of what the keys API said, at whatever status, and a
// *ReplyError of what something else said in its place.
func keysError(r *reply) error {
	var e Error
	if unmarshal(r.body, &e) != nil || e.Code == 0 {
		return v2Error(r)
	}
	e.StatusCode, e.Endpoint = r.status, r.endpoint
	return e
}

// v2Error is replyError for the paths that a server without the v2 API does not
// know.
func v2Error(r *reply) error {
	if r.status == http.StatusNotFound && strings.TrimSpace(string(r.body)) == "404 page not found" {
		return &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Err: ErrV2NotEnabled}
	}
	return replyError(r)
}

// replyError makes an error of a reply that is not a success.
func replyError(r *reply) error {
	var document struct {
		Message string `json:"message"`
	}
	if unmarshal(r.body, &document) == nil && document.Message != "" {
		return &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Message: document.Message}
	}
	return strange(r, nil)
}

// strange makes an error that quotes the beginning of the body.
func strange(r *reply, err error) error {
	body := bytes.TrimSpace(r.body)
	return &ReplyError{Endpoint: r.endpoint, StatusCode: r.status, Body: string(body[:min(len(body), maxBodyInError)]), Err: err}
}

// withReply adds what is known of a reply to an error in reading its body.
func withReply(err error, r *reply) error {
	if isReadError(err) || isTooLarge(err) {
		return strange(r, err)
	}
	return err
}
