// Package keypath has what keys of the store say by their text, for packages that
// bring them from one store to another.
package keypath

import (
	"cmp"
	"strings"

	"github.com/coreos/etcd/client"
)

// Clean gives a key as the server says it: "/" for the root, and else no slash at the
// end. The error for "." and ".." is a *client.InvalidInputError that names the field.
func Clean(field, key string) (string, error) {
	var b strings.Builder
	for element := range strings.SplitSeq(key, "/") {
		switch element {
		case "":
		case ".", "..":
			return "", &client.InvalidInputError{Field: field, Value: key, Reason: `it has the element "` + element + `"`}
		default:
			b.WriteString("/" + element)
		}
	}
	return cmp.Or(b.String(), "/"), nil
}

// IsWithin reports whether a clean key is dir or below it.
func IsWithin(key, dir string) bool {
	if dir == "/" {
		return true
	}
	rest, ok := strings.CutPrefix(key, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// Moved gives key, which is within from, its place within to. All are clean.
func Moved(key, from, to string) string {
	if from == to {
		return key
	}
	rest := strings.TrimPrefix(key, strings.TrimSuffix(from, "/"))
	if rest == "/" {
		rest = ""
	}
	return cmp.Or(strings.TrimSuffix(to, "/")+rest, "/")
}
