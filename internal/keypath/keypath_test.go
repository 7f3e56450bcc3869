package keypath_test

import (
	"errors"
	"os"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
	"github.com/coreos/etcd/client/internal/leakcheck"
)

func TestMain(m *testing.M) { os.Exit(leakcheck.Run(m)) }

func TestClean(t *testing.T) {
	for key, want := range map[string]string{"": "/", "/": "/", "//a///b/": "/a/b", "a": "/a", "/a/...": "/a/..."} {
		if got, err := keypath.Clean("Root", key); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", key, got, err, want)
		}
	}
	for _, key := range []string{"..", "/a/./b", "/a/.."} {
		_, err := keypath.Clean("Root", key)
		var input *client.InvalidInputError
		if !errors.As(err, &input) || input.Field != "Root" || input.Value != key {
			t.Errorf("%q: got %v", key, err)
		}
	}
}

func TestIsWithin(t *testing.T) {
	for _, tt := range []struct {
		key, dir string
		want     bool
	}{
		{"/a", "/", true}, {"/", "/", true}, {"/", "/a", false}, {"/a", "/a", true}, {"/a/b", "/a", true}, {"/ab", "/a", false}, {"/a", "/a/b", false},
	} {
		if got := keypath.IsWithin(tt.key, tt.dir); got != tt.want {
			t.Errorf("%q within %q: %v", tt.key, tt.dir, got)
		}
	}
}

func TestMoved(t *testing.T) {
	for _, tt := range []struct{ key, from, to, want string }{
		{"/a/b", "/a", "/c", "/c/b"},
		{"/a", "/a", "/c", "/c"},
		{"/a", "/a", "/", "/"},
		{"/a/b", "/a", "/", "/b"},
		{"/", "/", "/c", "/c"},
		{"/b", "/", "/c", "/c/b"},
		{"/b", "/", "/", "/b"},
		{"/", "/", "/", "/"},
	} {
		if got := keypath.Moved(tt.key, tt.from, tt.to); got != tt.want {
			t.Errorf("%q from %q to %q: got %q, want %q", tt.key, tt.from, tt.to, got, tt.want)
		}
	}
}
