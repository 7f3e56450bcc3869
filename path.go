package client

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// keyPath gives the escaped URL path of key below prefix. Empty elements are
// dropped, as the server would. An element "." or "..", a NUL or invalid UTF-8
// is refused: sent, it would name another key or leave the prefix.
func keyPath(prefix, key string) (string, error) {
	if isPlainPath(prefix) && isPlainPath(key) {
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
		c := path[i]
		switch {
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.':
		case c == '/':
			if isDots(path[element:i]) {
				return false
			}
			element = i + 1
		default:
			return false
		}
	}
	return !isDots(path[element:])
}

// isDots is true for elements that are dropped, or that must not be.
func isDots(element string) bool { return element == "" || element == "." || element == ".." }

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

// namePath gives the escaped URL path of one name (a member ID, a user, a role)
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

// textFault says why s can't be part of a path; it is empty when it can.
func textFault(s string) string {
	if !utf8.ValidString(s) {
		return "it is not valid UTF-8"
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "it has a NUL byte"
	}
	return ""
}
