package client

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ugorji/go/codec"
)

const (
	// maxDocumentBytes bounds the replies of the members, auth and version APIs:
	// a member takes some 200 bytes, a user or role with its permissions seldom
	// more than a few thousand.
	maxDocumentBytes = 4 << 20

	// maxDocumentDepth is far beyond that of any document but a tree of nodes.
	maxDocumentDepth = 100
)

// object is a JSON object of a reply, and null where it is nil.
type object map[string]any

var documentHandle = newDocumentHandle() //nolint:gochecknoglobals // immutable, and costly to build

func newDocumentHandle() *codec.JsonHandle {
	h := &codec.JsonHandle{}
	h.MaxDepth = maxDocumentDepth
	h.MapType = reflect.TypeFor[map[string]any]()
	return h
}

// parseObject reads body, which must be one JSON object and nothing more. The codec
// alone takes control characters in text and whatever follows the document; it reads
// into interfaces, as it takes numbers for text and arrays for structs.
func parseObject(body []byte) (object, bool) {
	if !isDocument(body) || bytes.TrimSpace(body)[0] != '{' {
		return nil, false
	}
	var o map[string]any
	if isBeyondCodec(body) {
		return o, json.Unmarshal(body, &o) == nil
	}
	return o, codec.NewDecoderBytes(body, documentHandle).Decode(&o) == nil
}

// isBeyondCodec reports whether body has text that the codec does not read as others
// do: bytes that are not UTF-8, or escaped surrogates, which may be unpaired. etcd
// writes neither.
func isBeyondCodec(body []byte) bool {
	return !utf8.Valid(body) || bytes.Contains(body, []byte(`\ud`)) || bytes.Contains(body, []byte(`\uD`))
}

// text returns a string of o; null and what is missing are empty.
func (o object) text(name string) (string, bool) {
	if o[name] == nil {
		return "", true
	}
	text, ok := o[name].(string)
	return text, ok
}

// list returns an array of o; null and what is missing are nil.
func (o object) list(name string) ([]any, bool) {
	if o[name] == nil {
		return nil, true
	}
	list, ok := o[name].([]any)
	return list, ok
}

// texts returns an array of strings of o; null and what is missing are nil.
func (o object) texts(name string) ([]string, bool) {
	list, ok := o.list(name)
	if !ok || list == nil {
		return nil, ok
	}
	texts := make([]string, len(list))
	for i, element := range list {
		if element == nil {
			continue
		}
		if texts[i], ok = element.(string); !ok {
			return nil, false
		}
	}
	return texts, true
}

// object returns an object of o; null and what is missing are nil.
func (o object) object(name string) (object, bool) {
	if o[name] == nil {
		return nil, true
	}
	inner, ok := o[name].(map[string]any)
	return inner, ok
}

// decodeNothing is for calls whose success has no content.
func decodeNothing(r *reply) (struct{}, error) {
	if !isSuccess(r.status) {
		return struct{}{}, v2Error(r)
	}
	return struct{}{}, nil
}

// decodeObject reads one of the small documents of the members, auth and version
// APIs by read, which reports whether the object has the right form.
func decodeObject[T any](r *reply, read func(object) (T, bool)) (T, error) {
	var none T
	switch {
	case !isSuccess(r.status):
		return none, v2Error(r)
	case len(bytes.TrimSpace(r.body)) == 0:
		return none, unexpectedReply(r, ErrEmptyBody)
	}
	if o, ok := parseObject(r.body); ok {
		if value, ok := read(o); ok {
			return value, nil
		}
	}
	return none, unexpectedReply(r, ErrInvalidJSON)
}

func decodeVersions(r *reply) (*Versions, error) {
	if !isSuccess(r.status) {
		return nil, replyError(r) // /version exists with and without the v2 API
	}
	// etcd 2.0 writes "etcd 2.0.13", in plain text.
	if version, ok := strings.CutPrefix(string(r.body), "etcd "); ok {
		return &Versions{Server: strings.TrimSpace(version)}, nil
	}
	return decodeObject(r, func(o object) (*Versions, bool) {
		server, ok := o.text("etcdserver")
		cluster, ok2 := o.text("etcdcluster")
		return &Versions{Server: server, Cluster: cluster}, ok && ok2 && server != ""
	})
}

func decodeMember(r *reply) (*Member, error) {
	return decodeObject(r, func(o object) (*Member, bool) {
		m, ok := memberOf(o)
		return &m, ok
	})
}

func decodeMembers(r *reply) ([]Member, error) {
	return decodeObject(r, func(o object) ([]Member, bool) {
		list, ok := o.list("members")
		if !ok || list == nil {
			return nil, false
		}
		members := make([]Member, len(list))
		for i, element := range list {
			inner, _ := element.(map[string]any)
			if members[i], ok = memberOf(inner); !ok {
				return nil, false
			}
		}
		return members, true
	})
}

func memberOf(o object) (m Member, ok bool) {
	var oks [4]bool
	m.ID, oks[0] = o.text("id")
	m.Name, oks[1] = o.text("name")
	m.PeerURLs, oks[2] = o.texts("peerURLs")
	m.ClientURLs, oks[3] = o.texts("clientURLs")
	return m, oks == [4]bool{true, true, true, true} && m.ID != ""
}

// decodeRemoved reads the reply to Remove. That the member was removed (410) is a
// success: it is the state that was asked for. That there is no such member (404) is
// one only if an earlier attempt of the same call may have removed it.
func decodeRemoved(r *reply) (struct{}, error) {
	_, err := decodeNothing(r)
	if (r.status == http.StatusGone || r.status == http.StatusNotFound && r.repeated) && isEtcdError(r, err) {
		return struct{}{}, nil
	}
	return struct{}{}, err
}

// decodeDisabled reads the reply to Disable. That authentication is off already (409)
// is a success if an earlier attempt of the same call may have switched it off.
func decodeDisabled(r *reply) (struct{}, error) {
	_, err := decodeNothing(r)
	if re, ok := err.(*ReplyError); ok && r.repeated && re.Message == "auth: already disabled" { //nolint:errorlint // decodeNothing wraps nothing
		return struct{}{}, nil
	}
	return struct{}{}, err
}

// nameOf reads what servers write either as a name (2.1, 2.2) or as an object
// that has the name in one of its fields (2.3 and later).
func nameOf(element any) (string, bool) {
	name, ok := element.(string)
	if inner, isObject := element.(map[string]any); isObject {
		if name, ok = object(inner).text("user"); name == "" && ok {
			name, ok = object(inner).text("role")
		}
	}
	return name, ok && name != ""
}

func namesOf(list []any) ([]string, bool) {
	names := make([]string, len(list))
	for i, element := range list {
		var ok bool
		if names[i], ok = nameOf(element); !ok {
			return nil, false
		}
	}
	return names, true
}

// decodeNames reads {"users": …} and {"roles": …}, where the list may be null.
func decodeNames(field string) func(*reply) ([]string, error) {
	return func(r *reply) ([]string, error) {
		return decodeObject(r, func(o object) ([]string, bool) {
			_, found := o[field]
			list, ok := o.list(field)
			if !found || !ok {
				return nil, false
			}
			return namesOf(list)
		})
	}
}

func decodeUser(r *reply) (*User, error) {
	return decodeObject(r, func(o object) (*User, bool) {
		name, ok := o.text("user")
		list, ok2 := o.list("roles")
		roles, ok3 := namesOf(list)
		return &User{User: name, Roles: roles}, ok && ok2 && ok3 && name != ""
	})
}

func decodeRole(r *reply) (*Role, error) {
	return decodeObject(r, func(o object) (*Role, bool) {
		name, ok := o.text("role")
		permissions, ok2 := o.object("permissions")
		kv, ok3 := permissions.object("kv")
		read, ok4 := kv.texts("read")
		write, ok5 := kv.texts("write")
		role := &Role{Role: name, Permissions: Permissions{KV: RWPermission{Read: read, Write: write}}}
		return role, ok && ok2 && ok3 && ok4 && ok5 && name != ""
	})
}

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
