package dump

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
	if b.Len() == 0 {
		return "/", nil
	}
	return b.String(), nil
}

// isClean reports whether cleanKey leaves a key as it is.
func isClean(key string) bool {
	clean, err := cleanKey("key", key)
	return err == nil && clean == key
}

// compareKeys orders clean keys as a walk through the tree meets them: by element.
func compareKeys(a, b string) int {
	for i := range min(len(a), len(b)) {
		x, y := a[i], b[i]
		switch {
		case x == y:
		case x == '/':
			return -1
		case y == '/':
			return 1
		default:
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

// isWithin reports whether key is dir or below it.
func isWithin(key, dir string) bool {
	if dir == "/" {
		return true
	}
	rest, ok := strings.CutPrefix(key, dir)
	return ok && (rest == "" || rest[0] == '/')
}

// isHidden reports whether the last element of a key hides it.
func isHidden(key string) bool {
	return strings.HasPrefix(key[strings.LastIndexByte(key, '/')+1:], "_")
}

// moved gives key, which is within from, its place within to.
func moved(key, from, to string) string {
	if from == to {
		return key
	}
	rest := strings.TrimPrefix(key, strings.TrimSuffix(from, "/"))
	if rest == "/" {
		rest = ""
	}
	return cmp.Or(strings.TrimSuffix(to, "/")+rest, "/")
}

// hiddenOn gives the hidden nodes on the way from root to key, key included: what
// is to be asked for to have it, outermost first.
func hiddenOn(root, key string) []string {
	var found []string
	for i := len(strings.TrimSuffix(root, "/")) + 1; i < len(key); i++ {
		if end := strings.IndexByte(key[i:], '/'); end < 0 {
			i = len(key)
		} else {
			i += end
		}
		if isHidden(key[:i]) {
			found = append(found, key[:i])
		}
	}
	return found
}
