package client

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ugorji/go/codec"
)

// keysHandle decodes the keys API's replies, which can be large: the codec takes
// a third of encoding/json's time. It is read-only after its first use.
var keysHandle = &codec.JsonHandle{} //nolint:gochecknoglobals // immutable, and costly to make

func isSuccess(status int) bool { return status/100 == 2 }

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

func decodeTreeFrom(body io.Reader, limit int64) (*Response, []byte, error) {
	b, err := readBody(&http.Response{StatusCode: 200, Body: io.NopCloser(body)}, limit)
	if err != nil {
		return nil, b, err
	}
	resp, err := decodeTreeBytes(b)
	return resp, b, err
}

func decodeTreeBytes(body []byte) (*Response, error) {
	resp := &Response{}
	err := decodeTree(body, resp)
	if err == nil && (!isWholeNode(resp.Node) || !isWholeNode(resp.PrevNode)) {
		err = ErrInvalidJSON
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// decodeTree reads body, which must be one JSON object and nothing behind it.
func decodeTree(body []byte, into *Response) error {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return ErrEmptyBody
	}
	// The codec alone is too kind: it takes control characters, arrays for
	// objects, and whatever follows the document.
	if body[0] != '{' || !json.Valid(body) {
		return ErrInvalidJSON
	}
	if !isBeyondCodec(body) && codec.NewDecoderBytes(body, keysHandle).Decode(into) == nil {
		return nil
	}
	*into = Response{}
	if json.Unmarshal(body, into) != nil {
		return ErrInvalidJSON
	}
	return nil
}

// isBeyondCodec finds text that the codec does not read as others do: bytes that
// are not UTF-8, and escaped surrogates, which may be unpaired. etcd writes
// neither.
func isBeyondCodec(body []byte) bool {
	return !utf8.Valid(body) || bytes.Contains(body, []byte(`\ud`)) || bytes.Contains(body, []byte(`\uD`))
}

// isWholeNode reports whether n and all below it can be handed to users: a node
// has a key, or is the root and a directory, and no child is nil.
func isWholeNode(n *Node) bool {
	if n == nil {
		return true
	}
	if n.Key == "" && !n.Dir {
		return false
	}
	for _, child := range n.Nodes {
		if child == nil || child.Key == "" || !isWholeNode(child) {
			return false
		}
	}
	return true
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

// keysError makes an Error of what the keys API said, at whatever status, and a
// *ReplyError of what something else said in its place.
func keysError(r *reply) error {
	var e Error
	if json.Unmarshal(r.body, &e) != nil || e.Code == 0 {
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
	if json.Unmarshal(r.body, &document) == nil && document.Message != "" {
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

// decodeNothing is for calls whose success has no content.
func decodeNothing(r *reply) (struct{}, error) {
	if !isSuccess(r.status) {
		return struct{}{}, v2Error(r)
	}
	return struct{}{}, nil
}

// decodeDocument reads one of the small documents of the members, auth and
// version APIs.
func decodeDocument(r *reply, into any) error {
	switch {
	case !isSuccess(r.status):
		return v2Error(r)
	case len(bytes.TrimSpace(r.body)) == 0:
		return strange(r, ErrEmptyBody)
	case json.Unmarshal(r.body, into) != nil:
		return strange(r, ErrInvalidJSON)
	}
	return nil
}

func decodeVersions(r *reply) (*Versions, error) {
	if !isSuccess(r.status) {
		return nil, replyError(r) // /version is there with and without the v2 API
	}
	// etcd 2.0 says "etcd 2.0.13", in plain text.
	if version, ok := strings.CutPrefix(string(r.body), "etcd "); ok {
		return &Versions{Server: strings.TrimSpace(version)}, nil
	}
	v := &Versions{}
	if err := decodeDocument(r, v); err != nil {
		return nil, err
	}
	if v.Server == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	return v, nil
}

func decodeMember(r *reply) (*Member, error) {
	m := &Member{}
	if err := decodeDocument(r, m); err != nil {
		return nil, err
	}
	if m.ID == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	return m, nil
}

func decodeMembers(r *reply) ([]Member, error) {
	var document struct {
		Members *[]Member `json:"members"`
	}
	if err := decodeDocument(r, &document); err != nil {
		return nil, err
	}
	if document.Members == nil {
		return nil, strange(r, ErrInvalidJSON)
	}
	for _, m := range *document.Members {
		if m.ID == "" {
			return nil, strange(r, ErrInvalidJSON)
		}
	}
	return *document.Members, nil
}

// decodeRemoved takes the answer that a member is removed already for success:
// that is the state that was asked for.
func decodeRemoved(r *reply) (struct{}, error) {
	if r.status == http.StatusGone {
		return struct{}{}, nil
	}
	return decodeNothing(r)
}

// named reads what servers write either as a name (2.1, 2.2) or as an object
// that has the name in one of its fields (2.3 and later).
type named struct{ name string }

func (n *named) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &n.name) == nil && n.name != "" {
		return nil
	}
	var object struct {
		User string `json:"user"`
		Role string `json:"role"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	if n.name = object.User; n.name == "" {
		n.name = object.Role
	}
	if n.name == "" {
		return ErrInvalidJSON
	}
	return nil
}

func namesOf(list []named) []string {
	names := make([]string, len(list))
	for i, n := range list {
		names[i] = n.name
	}
	return names
}

// decodeNames reads {"users": …} and {"roles": …}, where the list may be null.
func decodeNames(field string) func(*reply) ([]string, error) {
	return func(r *reply) ([]string, error) {
		var document map[string]json.RawMessage
		if err := decodeDocument(r, &document); err != nil {
			return nil, err
		}
		var list []named
		if raw, ok := document[field]; !ok || json.Unmarshal(raw, &list) != nil {
			return nil, strange(r, ErrInvalidJSON)
		}
		return namesOf(list), nil
	}
}

func decodeUser(r *reply) (*User, error) {
	var document struct {
		User  string  `json:"user"`
		Roles []named `json:"roles"`
	}
	if err := decodeDocument(r, &document); err != nil {
		return nil, err
	}
	if document.User == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	return &User{User: document.User, Roles: namesOf(document.Roles)}, nil
}

func decodeRole(r *reply) (*Role, error) {
	role := &Role{}
	if err := decodeDocument(r, role); err != nil {
		return nil, err
	}
	if role.Role == "" {
		return nil, strange(r, ErrInvalidJSON)
	}
	return role, nil
}
