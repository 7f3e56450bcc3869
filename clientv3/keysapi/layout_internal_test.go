package keysapi

import (
	"errors"
	"slices"
	"testing"

	"github.com/coreos/etcd/client"
)

func TestPlaces(t *testing.T) {
	for _, tt := range []struct {
		prefix, key string
		want        place // above aside
		above       []string
		counter     string // of the directory that it is in
	}{
		{
			"", "/", place{key: "/", file: "", marker: "/", counter: "/\x00", inner: "/\x01", end: "0"}, nil, "\x00",
		},
		{
			"/p", "", place{key: "/", file: "/p", marker: "/p/", counter: "/p/\x00", inner: "/p/\x01", end: "/p0"}, nil, "/\x00",
		},
		{
			"", "a", place{key: "/a", file: "/a", marker: "/a/", counter: "/a/\x00", inner: "/a/\x01", end: "/a0"}, nil, "/\x00",
		},
		{
			"/p/", "//a//b c/ä/", place{
				key: "/a/b c/ä", file: "/p//a/b c/ä", marker: "/p//a/b c/ä/", counter: "/p//a/b c/ä/\x00",
				inner: "/p//a/b c/ä/\x01", end: "/p//a/b c/ä0",
			}, []string{"/a", "/a/b c"}, "/p//a/b c/\x00",
		},
	} {
		got, err := placeOf(tt.prefix, tt.key)
		if err != nil {
			t.Errorf("%q: %v", tt.key, err)
			continue
		}
		var above []string
		for _, at := range got.above {
			above = append(above, at.key)
		}
		if !slices.Equal(above, tt.above) {
			t.Errorf("%q is below %q, want %q", tt.key, above, tt.above)
		}
		if counter := got.siblingCounter(); counter != tt.counter {
			t.Errorf("%q has the counter %q, want %q", tt.key, counter, tt.counter)
		}
		if first, last := got.marker+nameInOrder(1), got.marker+nameInOrder(999_999_999_999_999_999); first >= got.unordered() || last >= got.unordered() {
			t.Errorf("names in order in %q come after %q", tt.key, got.unordered())
		}
		if !samePlace(got, tt.want) {
			t.Errorf("%q is at %+v, want %+v", tt.key, got, tt.want)
		}
	}
}

func samePlace(a, b place) bool {
	return a.key == b.key && a.file == b.file && a.marker == b.marker && a.counter == b.counter && a.inner == b.inner && a.end == b.end
}

// Places of one directory share what is above them, and must not write into it.
func TestSiblingsKeepTheirWay(t *testing.T) {
	dir, err := placeOf("", "/a/b/c")
	if err != nil {
		t.Fatal(err)
	}
	one, other := dir.child("", "one").child("", "x"), dir.child("", "other").child("", "x")
	if one.above[3].key != "/a/b/c/one" || other.above[3].key != "/a/b/c/other" {
		t.Errorf("got %q and %q", one.above[3].key, other.above[3].key)
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	for _, key := range []string{"/a/./b", "..", "/a/..", "/\x00", "/a\x00b", "/\xff"} {
		var refused *client.InvalidInputError
		if p, err := placeOf("", key); !errors.As(err, &refused) || refused.Field != "key" || refused.Value != key {
			t.Errorf("%q: got %v, %v", key, p, err)
		}
	}
	for _, key := range []string{"/...", "/.a", "/a..b"} {
		if p, err := placeOf("", key); err != nil || p.key != key {
			t.Errorf("%q: got %v, %v", key, p, err)
		}
	}
}

func TestNumbersOfNames(t *testing.T) {
	for name, want := range map[string]int64{
		"00000000000000000001":  1,
		"00000000000010000000":  10_000_000,
		"00999999999999999999":  999_999_999_999_999_999,
		"01000000000000000000":  0,
		"99999999999999999999":  0,
		"00000000000000000000":  0,
		"0000000000000000001":   0,
		"000000000000000000001": 0,
		"0000000000000000000a":  0,
		"00+00000000000000001":  0,
		"00-00000000000000001":  0,
		"":                      0,
	} {
		if got := orderOf(name); got != want {
			t.Errorf("%q: got %d, want %d", name, got, want)
		} else if want > 0 && nameInOrder(got) != name {
			t.Errorf("%d is named %q, want %q", got, nameInOrder(got), name)
		}
	}
}

func TestNumbersAhead(t *testing.T) {
	var ahead namesAhead
	dir, other := place{key: "/q"}, place{key: "/r"}
	for _, tt := range []struct {
		number, revision, want int64
	}{
		{100, 10, 100},
		{90, 11, 100}, // of a call that was slow
		{101, 12, 101},
		{102, 102, 0}, // the revision has caught up
	} {
		ahead.note(dir, tt.number, tt.revision)
		if got := ahead.of(dir); got != tt.want {
			t.Errorf("%d was given at %d: got %d, want %d", tt.number, tt.revision, got, tt.want)
		}
		if got := ahead.of(other); got != 0 {
			t.Errorf("another directory: got %d", got)
		}
	}
}
