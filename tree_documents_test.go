package client

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// inNode is a reply whose node has fields.
func inNode(fields string) string {
	return `{"action":"get","node":{"key":"/a",` + fields + `}}`
}

// treeDocuments are rules by example. encoding/json says what comes of them, but
// for those that want something else.
var treeDocuments = []struct {
	why, body string
	valid     bool
	differs   bool // from encoding/json
}{
	{why: "nothing", body: ""},
	{why: "white space", body: " \t\r\n"},
	{why: "a page", body: "<html>"},
	{why: "null", body: "null"},
	{why: "an array", body: "[]"},
	{why: "a string", body: `"x"`},
	{why: "a NUL byte", body: "\x00"},
	{why: "an empty object", body: "{}", valid: true},
	{why: "an unfinished object", body: "{"},
	{why: "no node", body: `{"action":"set"}`, valid: true},
	{why: "null everywhere", body: `{"action":null,"node":null,"prevNode":null,"x":null}`, valid: true},
	{why: "an unknown action", body: `{"action":"gotten"}`, valid: true},
	{why: "an action with escapes", body: `{"action":"g\u0065t"}`, valid: true},
	{why: "a number for an action", body: `{"action":1}`},
	{why: "a second document", body: `{"action":"set"}{}`},
	{why: "a second document behind space", body: `{"action":"set"} {}`},
	{why: "a NUL byte behind the document", body: "{}\x00"},
	{why: "text behind the document", body: `{}x`},
	{why: "a comma at the end", body: `{"action":"set",}`},
	{why: "a comma at the beginning", body: `{,"action":"set"}`},
	{why: "no comma", body: `{"action":"set" "x":1}`},
	{why: "no colon", body: `{"action" "set"}`},
	{why: "a name without quotes", body: `{action:"set"}`},
	{why: "a form feed is no white space", body: "{\f}"},

	{why: "the root", body: `{"action":"get","node":{"dir":true}}`, valid: true},
	{why: "a node without a key", body: `{"action":"get","node":{"value":"x"}}`},
	{why: "a node with an empty key", body: `{"action":"get","node":{"key":""}}`},
	{why: "an empty node", body: `{"action":"get","node":{}}`},
	{why: "a previous node without a key", body: `{"action":"get","node":{"key":"/a"},"prevNode":{}}`},
	{why: "an array for a node", body: `{"action":"get","node":[]}`},
	{why: "a string for a node", body: `{"action":"get","node":"/a"}`},
	{why: "only a previous node", body: `{"action":"delete","prevNode":{"key":"/a","value":"x"}}`, valid: true},
	{why: "both nodes", body: `{"action":"set","node":{"key":"/a","value":"1"},"prevNode":{"key":"/a","value":"0"}}`, valid: true},
	{why: "both nodes, the other way round", body: `{"prevNode":{"key":"/a","value":"0"},"node":{"key":"/a","value":"1"},"action":"set"}`, valid: true},

	{why: "no children", body: inNode(`"dir":true`), valid: true},
	{why: "null for children", body: inNode(`"nodes":null`), valid: true},
	{why: "an empty list of children", body: inNode(`"nodes":[ ]`), valid: true},
	{why: "an object for children", body: inNode(`"nodes":{}`)},
	{why: "a child that is null", body: inNode(`"nodes":[null]`)},
	{why: "a child without a key", body: inNode(`"nodes":[{"dir":true}]`)},
	{why: "a grandchild without a key", body: inNode(`"nodes":[{"key":"/a/b","nodes":[{"key":""}]}]`)},
	{why: "a child that is a string", body: inNode(`"nodes":["/b"]`)},
	{why: "children in every order", body: inNode(`"nodes":[{"createdIndex":1,"value":"v","key":"/b"},{"nodes":[{"value":"x","key":"/c/d"}],"key":"/c","dir":true},{"nodes":[],"key":"/e"}],"value":"w"`), valid: true},
	{why: "a comma behind the children", body: inNode(`"nodes":[{"key":"/b"},]`)},
	{why: "a comma before the children", body: inNode(`"nodes":[,{"key":"/b"}]`)},
	{why: "no comma between children", body: inNode(`"nodes":[{"key":"/b"}{"key":"/c"}]`)},
	{why: "white space everywhere", body: " { \"action\" : \"get\" ,\n\t\"node\" : { \"key\" : \"/a\" , \"dir\" : true , \"nodes\" : [ { \"key\" : \"/b\" , \"value\" : \"x\" , \"ttl\" : 5 } ,\r\n { \"key\" : \"/c\" } ] } } ", valid: true},

	{why: "names in another case", body: `{"Action":"get","NODE":{"key":"/a"},"node":{"key":"/b","Value":"x","VALUE":5}}`, valid: true, differs: true},
	{why: "names with escapes", body: `{"\u0061ction":"get","n\u006fde":{"k\u0065y":"/a"}}`, valid: true},
	{why: "scalars named twice", body: `{"action":"get","action":"set","node":{"key":"/a","key":"/b","value":"x","value":"y","ttl":1,"ttl":2,"dir":true,"dir":false}}`, valid: true},
	{why: "scalars named twice, then null", body: inNode(`"value":"x","value":null,"ttl":1,"ttl":null,"dir":true,"dir":null,"createdIndex":4,"createdIndex":null`), valid: true},
	{why: "a long string and then a short one", body: inNode(`"value":"` + strings.Repeat("x", 2000) + `","value":"y"`), valid: true},
	{why: "a short string and then a long one", body: inNode(`"nodes":[{"key":"/c","value":"y","value":"` + strings.Repeat("x", 2000) + `"}]`), valid: true},
	{why: "a node named twice is the last one", body: `{"node":{"key":"/a","value":"x"},"node":{"key":"/b"}}`, valid: true, differs: true},
	{why: "a node named twice, with null between", body: `{"node":{"key":"/a","value":"x"},"node":null,"node":{"key":"/b"}}`, valid: true},
	{why: "a node and then null", body: `{"node":{"key":"/a","value":"x"},"node":null}`, valid: true},
	{why: "more strings in one node than a block takes", body: inNode(`"nodes":[{"key":"/b"` + strings.Repeat(`,"value":"`+strings.Repeat("v", 500)+`"`, 50) + `},{"key":"/c","value":"x"}]`), valid: true},

	{why: "escapes", body: inNode(`"value":"\"\\\/\b\f\n\r\t\u0000\u00e9\u20AC\ud83d\ude00"`), valid: true},
	{why: "a lone high surrogate", body: inNode(`"value":"\ud800\u0041"`), valid: true},
	{why: "a lone high surrogate at the end", body: inNode(`"value":"\ud800"`), valid: true},
	{why: "surrogates the wrong way round", body: inNode(`"value":"\uDC00\uD800x"`), valid: true},
	{why: "a surrogate before another escape", body: inNode(`"value":"\ud800\n\udbff\ud83d\ude00"`), valid: true},
	{why: "bytes that are not UTF-8", body: inNode("\"value\":\"a\xffb\xc3\xe2\x82c\xed\xa0\x80\xf0\x9f\x98\""), valid: true},
	{why: "characters beyond ASCII", body: inNode(`"value":"äöü€😀` + "\u2028\x7f" + `"`), valid: true},
	{why: "an unknown escape", body: inNode(`"value":"\x"`)},
	{why: "an escaped apostrophe", body: inNode(`"value":"\'"`)},
	{why: "too few digits in an escape", body: inNode(`"value":"\u12"`)},
	{why: "no digit in an escape", body: inNode(`"value":"\u12g4"`)},
	{why: "a control character", body: inNode("\"value\":\"\x1f\"")},
	{why: "a line break in a string", body: inNode("\"value\":\"a\nb\"")},
	{why: "a control character behind an escape", body: inNode("\"value\":\"\\n\x01\"")},
	{why: "an unfinished string", body: `{"action":"get`},
	{why: "an unfinished escape", body: `{"action":"get\`},
	{why: "a number for a value", body: inNode(`"value":7`)},
	{why: "an object for a value", body: inNode(`"value":{}`)},
	{why: "true for a key", body: `{"node":{"key":true}}`},

	{why: "every length of number", body: inNode(`"nodes":[` + numberNodes() + `]`), valid: true},
	{why: "the largest index", body: inNode(`"createdIndex":18446744073709551615,"modifiedIndex":9999999999999999999`), valid: true},
	{why: "an index that does not fit", body: inNode(`"createdIndex":18446744073709551616`)},
	{why: "an index of 21 digits", body: inNode(`"createdIndex":100000000000000000000`)},
	{why: "an index below zero", body: inNode(`"createdIndex":-1`)},
	{why: "an index of minus zero", body: inNode(`"createdIndex":-0`)},
	{why: "the bounds of a TTL", body: inNode(`"ttl":9223372036854775807,"nodes":[{"key":"/b","ttl":-9223372036854775808},{"key":"/c","ttl":-0}]`), valid: true},
	{why: "a TTL that does not fit", body: inNode(`"ttl":9223372036854775808`)},
	{why: "a fraction", body: inNode(`"createdIndex":1.5`)},
	{why: "a fraction of zero", body: inNode(`"createdIndex":7.0`)},
	{why: "an exponent", body: inNode(`"createdIndex":1e3`)},
	{why: "a TTL with an exponent", body: inNode(`"ttl":1E3`)},
	{why: "a zero before digits", body: inNode(`"createdIndex":01`)},
	{why: "zeros", body: inNode(`"createdIndex":00`)},
	{why: "a plus", body: inNode(`"ttl":+1`)},
	{why: "only a minus", body: inNode(`"ttl":-`)},
	{why: "a string for a number", body: inNode(`"ttl":"7"`)},
	{why: "a digit behind a space", body: inNode(`"ttl":1 2`)},
	{why: "no value", body: inNode(`"createdIndex":`)},
	{why: "hexadecimal", body: inNode(`"createdIndex":0x1`)},

	{why: "false", body: inNode(`"dir":false`), valid: true},
	{why: "a string for a bool", body: inNode(`"dir":"true"`)},
	{why: "a number for a bool", body: inNode(`"dir":1`)},
	{why: "half a word", body: inNode(`"dir":tru`)},
	{why: "more than a word", body: inNode(`"dir":truex`)},
	{why: "another word that begins like null", body: inNode(`"value":nul`)},

	{why: "times", body: inNode(`"expiration":"2014-01-02T03:04:05Z","nodes":[{"key":"/b","expiration":"2014-01-02T03:04:05.678901234Z"},{"key":"/c","expiration":"2014-01-02T03:04:05.6789012345678Z"},{"key":"/d","expiration":"2016-02-29T23:59:59.5+05:30"},{"key":"/e","expiration":"0000-01-01T00:00:00Z"},{"key":"/f","expiration":"2014-01-02T03:04:05+00:00"},{"key":"/g","expiration":null}]`), valid: true},
	{why: "a day that is none", body: inNode(`"expiration":"2015-02-29T00:00:00Z"`)},
	{why: "a second too many", body: inNode(`"expiration":"2015-02-28T00:00:60Z"`)},
	{why: "a time without a zone", body: inNode(`"expiration":"2015-02-28T00:00:00"`)},
	{why: "an empty time", body: inNode(`"expiration":""`)},
	{why: "a time with an escape", body: inNode(`"expiration":"2015-02-28T00:00:00\u005a"`)},
	{why: "a number for a time", body: inNode(`"expiration":1`)},

	{why: "unknown fields", body: inNode(`"x":{"y":[[],{},[{"z":"\n"}],-0.5E-7,0,true,false,null]},"key2":"","":1`), valid: true},
	{why: "a bad escape in an unknown field", body: inNode(`"x":"\q"`)},
	{why: "a bad number in an unknown field", body: inNode(`"x":1.`)},
	{why: "a bad exponent in an unknown field", body: inNode(`"x":1e`)},
	{why: "a bad number in an unknown array", body: inNode(`"x":[-]`)},
	{why: "a bad word in an unknown field", body: inNode(`"x":nope`)},
	{why: "brackets that do not match", body: inNode(`"x":[}`)},
	{why: "a bad name in an unknown object", body: inNode(`"x":{"\q":1}`)},
	{why: "a name that is none in an unknown object", body: inNode(`"x":{1:1}`)},
	{why: "a comma at the end of an unknown array", body: inNode(`"x":[1,]`)},
	{why: "no comma in an unknown array", body: inNode(`"x":[1 1]`)},
	{why: "no colon in an unknown object", body: inNode(`"x":{"a"}`)},
}

func numberNodes() string {
	var nodes []string
	for digits := 1; digits <= 19; digits++ {
		number := "1234567890123456789"[:digits]
		nodes = append(nodes, fmt.Sprintf(`{"key":"/%d","createdIndex":%s,"modifiedIndex":9%0*d,"ttl":%s}`, digits, number, digits-1, 0, number))
	}
	return strings.Join(nodes, ",")
}

func TestTreeDecoderDocuments(t *testing.T) {
	for _, tt := range treeDocuments {
		t.Run(tt.why, func(t *testing.T) {
			got, err := decodeAllWays(t, []byte(tt.body))
			if (err == nil) != tt.valid {
				t.Fatalf("got %+v, error %v", got, err)
			}
			want, wantErr := decodeByOracle([]byte(tt.body))
			if tt.differs {
				return
			}
			if !errors.Is(err, wantErr) {
				t.Fatalf("got error %v, encoding/json wants %v", err, wantErr)
			}
			if err == nil && !isEqualResponse(got, want) {
				t.Errorf("got %s, encoding/json %s", inJSON(got), inJSON(want))
			}
		})
	}
}

func TestTreeDecoderNames(t *testing.T) {
	got, err := decodeTreeBytes([]byte(`{"Action":"get","NODE":{"key":"/a"},"node":{"key":"/b","Value":"x","VALUE":5}}`))
	if err != nil || got.Action != "" || got.Node.Key != "/b" || got.Node.Value != "" {
		t.Errorf("names in another case: got %+v, %v", got, err)
	}
	got, err = decodeTreeBytes([]byte(`{"node":{"key":"/a","value":"x","ttl":5},"node":{"key":"/b"}}`))
	if err != nil || !isEqualNode(got.Node, &Node{Key: "/b"}) {
		t.Errorf("a node named twice: got %+v, %v", got, err)
	}
	got, err = decodeTreeBytes([]byte(inNode(`"nodes":[{"key":"/b"}],"nodes":[{"key":"/c"}]`)))
	if err != nil || len(got.Node.Nodes) != 1 || got.Node.Nodes[0].Key != "/c" {
		t.Errorf("children named twice: got %+v, %v", got, err)
	}
	for _, action := range []string{"get", "set", "create", "update", "delete", "compareAndSwap", "compareAndDelete", "expire", "refresh"} {
		if got, err = decodeTreeBytes([]byte(`{"action":"` + action + `"}`)); err != nil || got.Action != action {
			t.Errorf("action %s: got %+v, %v", action, got, err)
		}
	}
}

func TestTreeDecoderDepth(t *testing.T) {
	nested := func(depth int, open, inner, closing string) []byte {
		return []byte(`{"x":` + strings.Repeat(open, depth-1) + inner + strings.Repeat(closing, depth-1) + `}`)
	}
	// A node takes two levels, for its object and for the array of its children.
	tree := func(depth int) []byte {
		return []byte(`{"action":"get","node":` + strings.Repeat(`{"key":"/d","nodes":[`, depth) + `{"key":"/x"}` + strings.Repeat(`]}`, depth) + `}`)
	}
	tests := []struct {
		why   string
		body  []byte
		valid bool
	}{
		{"arrays as deep as may be", nested(maxDepth, "[", "", "]"), true},
		{"arrays too deep", nested(maxDepth+1, "[", "", "]"), false},
		{"objects as deep as may be", nested(maxDepth, `{"a":`, "1", "}"), true},
		{"objects too deep", nested(maxDepth+1, `{"a":`, "1", "}"), false},
		{"directories as deep as may be", tree(maxDepth/2 - 1), true},
		{"directories too deep", tree(maxDepth / 2), false},
		{"endless arrays", bytes.Repeat([]byte("["), 1<<20), false},
		{"endless arrays in a field", slices.Concat([]byte(`{"x":`), bytes.Repeat([]byte("["), 1<<20)), false},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			got, err := decodeAllWays(t, tt.body)
			want, wantErr := decodeByOracle(tt.body)
			if (err == nil) != tt.valid || !errors.Is(err, wantErr) {
				t.Fatalf("got error %v, encoding/json wants %v", err, wantErr)
			}
			if err == nil && !isEqualResponse(got, want) {
				t.Error("not what encoding/json says")
			}
		})
	}
}
