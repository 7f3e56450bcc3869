package client

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/ugorji/go/codec"
)

// maxDocumentDepth is far beyond that of any document but a tree of nodes.
const maxDocumentDepth = 100

// documents holds decoders of all replies but the keys API's trees. Their handle
// is shared, and read-only after its first use.
var documents = sync.Pool{New: newDocumentDecoder} //nolint:gochecknoglobals // decoders are costly to make

func newDocumentDecoder() any { return codec.NewDecoderBytes(nil, documentHandle) }

var documentHandle = newDocumentHandle() //nolint:gochecknoglobals // immutable, and costly to make

func newDocumentHandle() *codec.JsonHandle {
	h := &codec.JsonHandle{}
	h.MaxDepth = maxDocumentDepth
	return h
}

// unmarshal reads body, which must be one JSON document of into's shape and
// nothing more.
func unmarshal(body []byte, into any) error {
	// The codec alone is too kind: it takes control characters, arrays and
	// objects for one another, numbers for text, and whatever follows.
	shape := json.NewDecoder(bytes.NewReader(body))
	shape.UseNumber()
	if !json.Valid(body) || !fits(shape, reflect.TypeOf(into).Elem()) {
		return ErrInvalidJSON
	}
	if isBeyondCodec(body) {
		return json.Unmarshal(body, into)
	}
	d, ok := documents.Get().(*codec.Decoder)
	if !ok {
		return ErrInvalidJSON // the pool holds nothing else: can't be
	}
	defer documents.Put(d)
	defer d.ResetBytes(nil) // the body may be large, and is not the pool's
	d.ResetBytes(body)
	return d.Decode(into)
}

// isBeyondCodec finds text that the codec does not read as others do: bytes that
// are not UTF-8, and escaped surrogates, which may be unpaired. etcd writes
// neither.
func isBeyondCodec(body []byte) bool {
	return !utf8.Valid(body) || bytes.Contains(body, []byte(`\ud`)) || bytes.Contains(body, []byte(`\uD`))
}

// fits reports whether the next value of d is such as a t holds. A nil t holds
// anything, and so does a codec.Raw.
func fits(d *json.Decoder, t reflect.Type) bool {
	if t == reflect.TypeFor[codec.Raw]() {
		t = nil
	}
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	token, err := d.Token()
	if err != nil {
		return false
	}
	switch token := token.(type) {
	case json.Delim:
		if token == '{' {
			return fitsObject(d, t)
		}
		return fitsArray(d, t)
	case string:
		return t == nil || t.Kind() == reflect.String
	case bool:
		return t == nil || t.Kind() == reflect.Bool
	case json.Number:
		return t == nil || json.Unmarshal([]byte(token), reflect.New(t).Interface()) == nil
	default:
		return true // null is of every type
	}
}

func fitsArray(d *json.Decoder, t reflect.Type) bool {
	var element reflect.Type
	if t != nil {
		if t.Kind() != reflect.Slice {
			return false
		}
		element = t.Elem()
	}
	for d.More() {
		if !fits(d, element) {
			return false
		}
	}
	_, err := d.Token()
	return err == nil
}

func fitsObject(d *json.Decoder, t reflect.Type) bool {
	if t != nil && t.Kind() != reflect.Struct && t.Kind() != reflect.Map {
		return false
	}
	for d.More() {
		name, err := d.Token()
		if err != nil || !fits(d, typeOfField(t, name)) {
			return false
		}
	}
	_, err := d.Token()
	return err == nil
}

// typeOfField gives the type of a struct's field, or of a map's values, and nil for
// a field that is not known.
func typeOfField(t reflect.Type, name json.Token) reflect.Type {
	switch {
	case t == nil:
		return nil
	case t.Kind() == reflect.Map:
		return t.Elem()
	}
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == name {
			return t.Field(i).Type
		}
	}
	return nil
}
