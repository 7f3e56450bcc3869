package keysapi

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/coreos/etcd/client"
)

// A place is where a node of v2 is in the v3 store. A file is the key file. A
// directory is its marker, or, where etcdctl migrate wrote it, any key below the
// marker. All that is below a directory is in [marker, end).
//
// No element of a key has a NUL, so keys that begin with one name nothing in v2.
type place struct {
	key     string  // the key in v2; "/" for the root
	file    string  // empty for a root without a prefix, which is never a file
	marker  string  // with an empty value
	counter string  // its value is the greatest name in order that the directory has had
	inner   string  // the least key that a node below can have
	end     string  // the least key after all that is below
	above   []place // the directories on the way, the root aside
}

// counterName is the name of a directory's counter.
const counterName = "\x00"

func placeOf(prefix, key string) (place, error) {
	names, err := elements(key)
	if err != nil {
		return place{}, err
	}
	if len(names) == 0 {
		return newPlace(prefix, "/", nil), nil
	}
	path, end := "/"+strings.Join(names, "/"), 0
	above := make([]place, len(names)-1)
	for i := range above {
		end += len("/") + len(names[i])
		above[i] = newPlace(prefix, path[:end], above[:i:i])
	}
	return newPlace(prefix, path, above), nil
}

func newPlace(prefix, key string, above []place) place {
	file := prefix + strings.TrimSuffix(key, "/")
	all := file + "/" + counterName + file + "/\x01" + file + "0" // in one allocation
	n := len(file)
	counter, inner, end := all[:n+2], all[n+2:2*n+4], all[2*n+4:]
	return place{key: key, file: file, marker: counter[:n+1], counter: counter, inner: inner, end: end, above: above}
}

// child gives the place of a node in the directory at p.
func (p place) child(prefix, name string) place {
	if p.isRoot() {
		return newPlace(prefix, "/"+name, nil)
	}
	return newPlace(prefix, p.key+"/"+name, append(slices.Clip(p.above), p))
}

// name gives the last element of the key.
func (p place) name() string { return p.file[strings.LastIndexByte(p.file, '/')+1:] }

// unordered gives a key after those of all names in order in the directory.
func (p place) unordered() string { return p.marker + "01" }

// siblingCounter gives the counter of the directory in which the node is.
func (p place) siblingCounter() string { return strings.TrimSuffix(p.file, p.name()) + counterName }

func (p place) isRoot() bool { return p.key == "/" }

// elements gives the names on the way to a key, or refuses one that the native
// client refuses.
func elements(key string) ([]string, error) {
	refuse := func(reason string) ([]string, error) {
		return nil, &client.InvalidInputError{Field: "key", Value: key, Reason: reason}
	}
	switch {
	case !utf8.ValidString(key):
		return refuse("it is not valid UTF-8")
	case strings.ContainsRune(key, 0):
		return refuse("it has a NUL byte")
	}
	names := slices.DeleteFunc(strings.Split(key, "/"), func(name string) bool { return name == "" })
	for _, name := range names {
		if name == "." || name == ".." {
			return refuse(fmt.Sprintf("it has the element %q", name))
		}
	}
	return names, nil
}

// isHidden reports whether listings of the directory that name is in leave it out.
func isHidden(name string) bool { return strings.HasPrefix(name, "_") }

// isForeign reports whether name can't be one of v2: it is of this package's own
// keys, or of another program's.
func isForeign(name string) bool { return name == "" || strings.ContainsRune(name, 0) }
