package client

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

const emptyElement = "%"

// JoinKey makes a key of elements, whatever is in them: each stays one element, so
// that JoinKey("/users", name) is wrong, and JoinKey("users", name) is right for
// every name. Without any it is the root, "/".
//
// What would change the path is escaped: "/" becomes "%2F" and "%" "%25", the
// elements "." and ".." become "%2E" and "%2E%2E" and an empty one "%", a NUL
// becomes "%00", and bytes that are not UTF-8 are escaped alike. All else stays as
// it is, also a "_" at the beginning, which hides a node from listings and
// watches of the directories above it. Different elements make different keys, and
// [SplitKey] gives them back. No KeysAPI of this package refuses such a key. It is
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

// SplitKey gives the elements of a key that [JoinKey] made, also of one that came
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
