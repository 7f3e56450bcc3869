package client

import (
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// keyPath returns the escaped URL path of key below prefix. Empty elements are
// dropped, as the server would. An element "." or "..", a NUL or invalid UTF-8
// is refused: sent, it would name another key or leave the prefix.
func keyPath(prefix, key string) (string, error) {
	if isPlainPath(key) && (prefix == defaultKeysPrefix || isPlainPath(prefix)) {
		return prefix + key, nil
	}
	var b strings.Builder
	b.Grow(len(prefix) + len(key) + 8)
	if err := appendPath(&b, "prefix", prefix); err != nil {
		return "", err
	}
	before := b.Len()
	if err := appendPath(&b, "key", key); err != nil {
		return "", err
	}
	if b.Len() == before {
		b.WriteByte('/') // the root
	}
	return b.String(), nil
}

// isPlainPath reports whether path is what appendPath makes of it, as most are:
// elements, each behind one slash, of bytes that need no escape.
func isPlainPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	element := 1 // where it begins
	for i := 1; i < len(path); i++ {
		if plainBytes[path[i]] {
			continue
		}
		if path[i] != '/' || isDots(path[element:i]) {
			return false
		}
		element = i + 1
	}
	return !isDots(path[element:])
}

// plainBytes are those that need no escape in an element.
var plainBytes = [256]bool{ //nolint:gochecknoglobals // a constant table
	'-': true, '.': true, '_': true,
	'0': true, '1': true, '2': true, '3': true, '4': true, '5': true, '6': true, '7': true, '8': true, '9': true,
	'A': true, 'B': true, 'C': true, 'D': true, 'E': true, 'F': true, 'G': true, 'H': true, 'I': true, 'J': true, 'K': true, 'L': true, 'M': true,
	'N': true, 'O': true, 'P': true, 'Q': true, 'R': true, 'S': true, 'T': true, 'U': true, 'V': true, 'W': true, 'X': true, 'Y': true, 'Z': true,
	'a': true, 'b': true, 'c': true, 'd': true, 'e': true, 'f': true, 'g': true, 'h': true, 'i': true, 'j': true, 'k': true, 'l': true, 'm': true,
	'n': true, 'o': true, 'p': true, 'q': true, 'r': true, 's': true, 't': true, 'u': true, 'v': true, 'w': true, 'x': true, 'y': true, 'z': true,
}

// isDots is true for elements that are dropped, or that must not be.
func isDots(element string) bool {
	return len(element) <= 2 && (element == "" || element == "." || element == "..")
}

// appendPath appends "/" and the escaped element for each element of path.
func appendPath(b *strings.Builder, field, path string) error {
	if reason := textFault(path); reason != "" {
		return &InvalidInputError{Field: field, Value: path, Reason: reason}
	}
	for element := range strings.SplitSeq(path, "/") {
		switch element {
		case "":
		case ".", "..":
			return &InvalidInputError{Field: field, Value: path, Reason: `it has the element "` + element + `"`}
		default:
			b.WriteByte('/')
			b.WriteString(url.PathEscape(element))
		}
	}
	return nil
}

// namePath returns the escaped URL path of one name (a member ID, a user, a role)
// below prefix. The name must be one element.
func namePath(prefix, field, name string) (string, error) {
	reason := textFault(name)
	switch {
	case name == "":
		reason = "it is empty"
	case name == "." || name == "..":
		reason = "it is a path element that leaves its place"
	case strings.Contains(name, "/"):
		reason = "it has a slash"
	}
	if reason != "" {
		return "", &InvalidInputError{Field: field, Value: name, Reason: reason}
	}
	return prefix + "/" + url.PathEscape(name), nil
}

// textFault returns the reason why s can't be part of a path; empty when it can.
func textFault(s string) string {
	if !utf8.ValidString(s) {
		return "it is not valid UTF-8"
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "it has a NUL byte"
	}
	return ""
}

const emptyElement = "%"

// JoinKey returns a key of elements, whatever is in them: each stays one element, so
// that JoinKey("/users", name) is wrong, and JoinKey("users", name) is right for
// every name. Without any it is the root, "/".
//
// What would change the path is escaped: "/" becomes "%2F" and "%" "%25", the
// elements "." and ".." become "%2E" and "%2E%2E" and an empty one "%", a NUL
// becomes "%00", and bytes that are not UTF-8 are escaped alike. All else stays as
// it is, also a "_" at the beginning, which hides a node from listings and
// watches of the directories above it. Different elements make different keys, and
// [SplitKey] returns them. No KeysAPI of this package refuses such a key. It is
// the server that sees the escapes: they are in the key itself.
func JoinKey(elem ...string) string {
	if len(elem) == 0 {
		return "/"
	}
	var b strings.Builder
	for _, e := range elem {
		b.WriteByte('/')
		appendElement(&b, e)
	}
	return b.String()
}

func appendElement(b *strings.Builder, e string) {
	if e == "" {
		b.WriteString(emptyElement)
		return
	}
	dots := isDots(e)
	for len(e) > 0 {
		r, size := utf8.DecodeRuneInString(e)
		switch {
		case r == utf8.RuneError && size == 1, r == 0, r == '/', r == '%', r == '.' && dots:
			const digits = "0123456789ABCDEF"
			b.Write([]byte{'%', digits[e[0]>>4], digits[e[0]&15]})
		default:
			b.WriteString(e[:size])
		}
		e = e[size:]
	}
}

// SplitKey returns the elements of a key that [JoinKey] made, also of one that came
// back in a Node; none for the root. Leading, trailing and doubled slashes don't
// count. A key that JoinKey would not make has other escapes, or is refused by
// every KeysAPI: it is an [*InvalidInputError].
func SplitKey(key string) ([]string, error) {
	var elements []string
	var b strings.Builder
	for escaped := range strings.SplitSeq(key, "/") {
		if escaped == "" {
			continue
		}
		e, ok := unescapeElement(escaped)
		if b.Reset(); ok {
			appendElement(&b, e)
		}
		if !ok || b.String() != escaped {
			return nil, &InvalidInputError{Field: "key", Value: key, Reason: "JoinKey would not make the element " + strconv.Quote(escaped)}
		}
		elements = append(elements, e)
	}
	return elements, nil
}

func unescapeElement(escaped string) (e string, ok bool) {
	if escaped == emptyElement {
		return "", true
	}
	before, rest, found := strings.Cut(escaped, "%")
	if !found {
		return escaped, true
	}
	var b strings.Builder
	for b.WriteString(before); found; b.WriteString(before) {
		if len(rest) < 2 {
			return "", false
		}
		c, err := strconv.ParseUint(rest[:2], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(c))
		before, rest, found = strings.Cut(rest[2:], "%")
	}
	return b.String(), true
}
