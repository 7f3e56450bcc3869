package move

import "strings"

// below gives the key of a node in a directory.
func below(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }

func baseName(key string) string { return key[strings.LastIndexByte(key, '/')+1:] }

// isHiddenBelow reports whether an element of key below dir hides it.
func isHiddenBelow(key, dir string) bool {
	return strings.Contains(strings.TrimPrefix(key, strings.TrimSuffix(dir, "/")), "/_")
}
