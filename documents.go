package client

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
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
