package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzDecodeResponse holds the decoder of the keys API against encoding/json.
//
// Where encoding/json accepts a body, both must agree on whether it is a reply,
// and on every field. Where it refuses one for its syntax, so must we. Where it
// refuses one for a type, the codec is kinder and may accept what no server
// sends: a number or a bool for a string, a string for a number, 7.0 or 1e3 for
// an integer, a number for a time, an array in place of an object inside the
// reply, an empty object in place of an array. Such a reply must still be whole.
//
// Bodies that name a field twice or in another case are left out: there the two
// differ, and no server sends them.
func FuzzDecodeResponse(f *testing.F) {
	for _, body := range []string{
		`{"action":"get","node":{"key":"/a","value":"1","modifiedIndex":4,"createdIndex":4}}`,
		`{"action":"get","node":{"dir":true,"nodes":[{"key":"/a","value":"1"},{"key":"/d","dir":true,"nodes":[]}]}}`,
		`{"action":"expire","node":{"key":"/a"},"prevNode":{"key":"/a","value":"x","expiration":"2014-01-02T03:04:05.678901234Z","ttl":7}}`,
		`{"action":"set"}`, `{"action":"set","node":null,"prevNode":null}`, `{"action":"get","node":{"key":"/a","nodes":[null]}}`,
		`{}`, `[]`, `null`, ``, ` `, `{"action":"get","node":{"key":"/a"}} trailing`, `{"action":"get","node":{"key":"/a"}}{}`,
		`{"action":"get","node":{"key":"/a","value":"\ud83d\ude00 \n\t\"\\\/\u0000"}}`,
		`{"action":"get","node":{"key":"/a","value":"\ud800\u0041"}}`, // an unpaired surrogate must not swallow the A
		`{"action":"get","node":{"key":"/a","value":"\uDC00\uD800"}}`,
		"{\"action\":\"get\",\"node\":{\"key\":\"/a\",\"value\":\"\xff\"}}", // not UTF-8, so not the server's value
		`{"action":"get","node":{"key":"/a","ttl":-0,"createdIndex":18446744073709551615}}`,
		`{"action":"get","node":{"key":"/a","ttl":7.0,"createdIndex":1e3}}`,
		`{"action":"get","node":{"key":"/a","ttl":"7","value":7}}`,
		`{"action":"get","node":["/a"]}`, `{"action":"get","node":{"key":"/a","unknown":{"x":[1,{"y":null}]}}}`,
		`{"\u0061ction":"get","n\u006fde":{"key":"/a"}}`, `{"action":"get","node":{"key":"/a","value":null,"dir":null,"ttl":null}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeKeys(&reply{status: http.StatusOK, body: body})
		if err == nil && !json.Valid(body) {
			t.Fatal("accepted what is not JSON")
		}
		if err == nil && !isWholeResponse(got) {
			t.Fatalf("accepted what is not whole: %+v", got)
		}
		if hasTwistedNames(body) {
			return
		}
		var want Response
		jsonErr := json.Unmarshal(body, &want)
		var typeErr *json.UnmarshalTypeError
		switch {
		case jsonErr == nil && isWholeResponse(&want) && err != nil:
			t.Errorf("refused what encoding/json accepts: %v", err)
		case jsonErr == nil && !isWholeResponse(&want) && err == nil:
			t.Errorf("accepted what is not a reply: %+v", got)
		case jsonErr == nil && err == nil:
			wantSameResponse(t, got, &want)
		case err == nil && !errors.As(jsonErr, &typeErr) && !bytes.Contains(body, []byte("expiration")):
			t.Errorf("accepted what encoding/json refuses: %v", jsonErr)
		}
	})
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

func isWholeResponse(r *Response) bool {
	return r.Action != "" && r.Node != nil && isWholeNode(r.Node) && isWholeNode(r.PrevNode)
}

// hasTwistedNames reports whether an object names a known field twice or in
// another case, in which encoding/json takes it too.
func hasTwistedNames(body []byte) bool {
	return hasTwistedNamesOf(body, "action", "node", "prevNode", "key", "dir", "value", "nodes", "createdIndex", "modifiedIndex", "expiration", "ttl")
}

func hasTwistedNamesOf(body []byte, known ...string) bool {
	type container struct {
		isArray  bool
		wantName bool
		seen     map[string]bool
	}
	var open []*container
	dec := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := dec.Token()
		if err != nil {
			return false // the end, or no JSON from here on
		}
		top := &container{isArray: true}
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		delim, isDelim := token.(json.Delim)
		name, isText := token.(string)
		switch {
		case isDelim && (delim == '}' || delim == ']'):
			open = open[:len(open)-1]
		case isText && !top.isArray && top.wantName:
			i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, name) })
			if i >= 0 && (known[i] != name || top.seen[name]) {
				return true
			}
			top.seen[name] = true
			top.wantName = false
		default:
			top.wantName = true // behind this value
			if isDelim {
				open = append(open, &container{isArray: delim == '[', wantName: true, seen: map[string]bool{}})
			}
		}
	}
}

func wantSameResponse(t *testing.T, got, want *Response) {
	t.Helper()
	if got.Action != want.Action || !isSameNode(got.Node, want.Node) || !isSameNode(got.PrevNode, want.PrevNode) {
		gotJSON, gotErr := json.Marshal(got)
		wantJSON, wantErr := json.Marshal(want)
		t.Errorf("got %s (%v), want %s (%v)", gotJSON, gotErr, wantJSON, wantErr)
	}
}

func isSameNode(a, b *Node) bool {
	if a == nil || b == nil {
		return a == b
	}
	isSameTime := func(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }
	return a.Key == b.Key && a.Dir == b.Dir && a.Value == b.Value && a.TTL == b.TTL &&
		a.CreatedIndex == b.CreatedIndex && a.ModifiedIndex == b.ModifiedIndex &&
		isSameTime(a.Expiration, b.Expiration) && slices.EqualFunc(a.Nodes, b.Nodes, isSameNode)
}

func TestDecodeKeysRefuses(t *testing.T) {
	const node = `{"action":"get","node":{"key":"/a"}}`
	tests := []struct {
		why, body string
		is        error
	}{
		{"there is nothing", "", ErrEmptyBody},
		{"there is only space", " \r\n", ErrEmptyBody},
		{"a page of a proxy", "<html>", ErrInvalidJSON},
		{"the beginning of a reply", node[:len(node)-1], ErrInvalidJSON},
		{"something is behind the reply", node + "x", ErrInvalidJSON},
		{"a second reply is behind it", node + node, ErrInvalidJSON},
		{"another document", "[]", ErrInvalidJSON},
		{"no document", "null", ErrInvalidJSON},
		{"no action", `{"node":{"key":"/a"}}`, ErrInvalidJSON},
		{"no node", `{"action":"get"}`, ErrInvalidJSON},
		{"a node without a key that is not the root", `{"action":"get","node":{"value":"x"}}`, ErrInvalidJSON},
		{"a previous node without a key", `{"action":"get","node":{"key":"/a"},"prevNode":{}}`, ErrInvalidJSON},
		{"a child that is none", `{"action":"get","node":{"dir":true,"nodes":[null]}}`, ErrInvalidJSON},
		{"a child without a key", `{"action":"get","node":{"dir":true,"nodes":[{"dir":true}]}}`, ErrInvalidJSON},
		{"a number that does not fit", `{"action":"get","node":{"key":"/a","createdIndex":18446744073709551616}}`, ErrInvalidJSON},
		{"an index below zero", `{"action":"get","node":{"key":"/a","createdIndex":-1}}`, ErrInvalidJSON},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			_, err := decodeKeys(okReply(tt.body))
			wantReplyError(t, err, tt.is)
		})
	}
	garbled := okReply(node)
	garbled.header = http.Header{"X-Etcd-Index": {"-7"}}
	if _, err := decodeKeys(garbled); err == nil || !strings.Contains(err.Error(), `X-Etcd-Index is not a number: "-7"`) {
		t.Errorf("a garbled index: got %v", err)
	}
	if _, err := eventOf(garbled); err == nil {
		t.Error("a watch takes a garbled index")
	}
}

func TestDecodeKeysKeepsHeaders(t *testing.T) {
	r := okReply("\n {\"action\":\"set\"}\n")
	r.header = http.Header{"X-Etcd-Index": {"18446744073709551615"}, "X-Etcd-Cluster-Id": {"cdf818194e3a8c32"}}
	act := &keysCall{noNode: true}
	if err := act.onReply(r); err != nil || act.resp.Index != 1<<64-1 || act.resp.ClusterID != "cdf818194e3a8c32" || act.resp.Node != nil {
		t.Errorf("got %+v, %v", act.resp, err)
	}
	_, err := decodeKeys(r) // without NoValueOnSuccess
	wantReplyError(t, err, ErrInvalidJSON)
}
