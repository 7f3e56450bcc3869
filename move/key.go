package move

import (
	"cmp"
	"strings"

	"github.com/coreos/etcd/client"
)

// cleanKey gives a key as the server says it: "/" for the root, and else no slash
// at the end.
func cleanKey(field, key string) (string, error) {
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

// isWithin reports whether key is dir or below it. Both are clean.
func isWithin(key, dir string) bool {
	rest, ok := strings.CutPrefix(key, strings.TrimSuffix(dir, "/"))
	return ok && (rest == "" || rest[0] == '/')
}

// below gives the key of a node in a directory.
func below(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

func baseName(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// moved gives key, which is within from, its place within to.
func moved(key, from, to string) string {
	rest := strings.TrimPrefix(key, strings.TrimSuffix(from, "/"))
	return cmp.Or(strings.TrimSuffix(strings.TrimSuffix(to, "/")+rest, "/"), "/")
}

// isHiddenBelow reports whether an element of key below dir hides it.
func isHiddenBelow(key, dir string) bool {
	return strings.Contains(strings.TrimPrefix(key, strings.TrimSuffix(dir, "/")), "/_")
}
