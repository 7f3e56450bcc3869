package dump

import (
	"cmp"
	"strings"

	"github.com/coreos/etcd/client/internal/keypath"
)

// isClean reports whether keypath.Clean leaves a key as it is.
func isClean(key string) bool {
	clean, err := keypath.Clean("key", key)
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

// isHidden reports whether the last element of a key hides it.
func isHidden(key string) bool {
	return strings.HasPrefix(key[strings.LastIndexByte(key, '/')+1:], "_")
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
