package client_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
)

func TestJoinKey(t *testing.T) {
	tests := []struct {
		elem []string
		want string
	}{
		{nil, "/"},
		{[]string{"a"}, "/a"},
		{[]string{"a", "b c", "ключ", "x=1&y?#;+"}, "/a/b c/ключ/x=1&y?#;+"},
		{[]string{""}, "/%"},
		{[]string{"a", "", "b"}, "/a/%/b"},
		{[]string{"."}, "/%2E"},
		{[]string{"a", "..", "b"}, "/a/%2E%2E/b"},
		{[]string{"...", ".x", "..y"}, "/.../.x/..y"},
		{[]string{"a/b", "/"}, "/a%2Fb/%2F"},
		{[]string{"100%", "%2F", "%"}, "/100%25/%252F/%25"},
		{[]string{"a\x00b"}, "/a%00b"},
		{[]string{"\xff\xc3"}, "/%FF%C3"},
		{[]string{"\ufffd"}, "/\ufffd"},
		{[]string{"_hidden"}, "/_hidden"},
	}
	for _, tt := range tests {
		got := client.JoinKey(tt.elem...)
		if got != tt.want {
			t.Errorf("JoinKey(%q) = %q, want %q", tt.elem, got, tt.want)
		}
		if back, err := client.SplitKey(got); err != nil || !slices.Equal(back, tt.elem) {
			t.Errorf("SplitKey(%q) = %q, %v, want %q", got, back, err, tt.elem)
		}
	}
}

func TestSplitKey(t *testing.T) {
	for _, key := range []string{"", "/", "//"} {
		if got, err := client.SplitKey(key); err != nil || len(got) != 0 {
			t.Errorf("SplitKey(%q) = %q, %v", key, got, err)
		}
	}
	if got, err := client.SplitKey("a//b/"); err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, key := range []string{
		"/50%", "/%2", "/%zz", "/%+1", "/%2f", "/%41", "/a/.", "/..", "/a%2E", "/%2E%2E%2E", "/a\x00", "/\xff", "/%%",
	} {
		_, err := client.SplitKey(key)
		wantInvalidInput(t, err, "key")
	}
}

// FuzzJoinKey holds that elements come back as they went in, each in its place,
// and that a KeysAPI takes the key and says it as it is.
func FuzzJoinKey(f *testing.F) {
	for _, seed := range []string{"a\nb", "..\n.", "\n\n", "a/b\n%2F", "\x00\xff\n_x", "100%\n%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		elem := strings.Split(text, "\n")
		key := client.JoinKey(elem...)
		if n := strings.Count(key, "/"); n != len(elem) {
			t.Errorf("%q has %d elements, want %d", key, n, len(elem))
		}
		if back, err := client.SplitKey(key); err != nil || !slices.Equal(back, elem) {
			t.Errorf("JoinKey(%q) = %q, SplitKey gives %q, %v", elem, key, back, err)
		}
		transport := newFakeTransport(t, nil)
		transport.answer = func(req *http.Request) fakeAnswer {
			if want := "/base/v2/keys" + key; req.URL.Path != want {
				t.Errorf("the server sees %q, want %q", req.URL.Path, want)
			}
			return fakeAnswer{body: setReply}
		}
		if _, err := client.NewKeysAPI(newClient(t, transport)).Get(t.Context(), key, nil); err != nil {
			t.Errorf("key %q: %v", key, err)
		}
	})
}

// FuzzSplitKey holds that a key has one form only.
func FuzzSplitKey(f *testing.F) {
	for _, seed := range []string{"/a/b", "/%", "/%2F", "/%2f/..", "//a/", "/%41"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, key string) {
		elem, err := client.SplitKey(key)
		if err != nil {
			return
		}
		var parts []string
		for part := range strings.SplitSeq(key, "/") {
			if part != "" {
				parts = append(parts, part)
			}
		}
		if again := client.JoinKey(elem...); again != "/"+strings.Join(parts, "/") {
			t.Errorf("SplitKey(%q) = %q, JoinKey gives %q", key, elem, again)
		}
	})
}
