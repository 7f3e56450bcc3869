package client

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/url"
	gopath "path"
	"slices"
	"strings"
	"testing"
)

func TestKeyPath(t *testing.T) {
	tests := []struct{ prefix, key, want string }{
		{"/v2/keys", "/a", "/v2/keys/a"},
		{"/v2/keys", "a", "/v2/keys/a"},
		{"/v2/keys", "", "/v2/keys/"},
		{"/v2/keys", "/", "/v2/keys/"},
		{"/v2/keys", "//", "/v2/keys/"},
		{"/v2/keys", "/a/b/", "/v2/keys/a/b"},
		{"/v2/keys", "//a///b", "/v2/keys/a/b"},
		{"/v2/keys", "/a b", "/v2/keys/a%20b"},
		{"/v2/keys", "/a+b", "/v2/keys/a+b"},
		{"/v2/keys", "/a?b=c#d", "/v2/keys/a%3Fb=c%23d"},
		{"/v2/keys", "/100%", "/v2/keys/100%25"},
		{"/v2/keys", "/a%2Fb", "/v2/keys/a%252Fb"},
		{"/v2/keys", "/a;b", "/v2/keys/a%3Bb"},
		{"/v2/keys", "/ключ", "/v2/keys/%D0%BA%D0%BB%D1%8E%D1%87"},
		{"/v2/keys", "/...", "/v2/keys/..."},
		{"/v2/keys", "/.hidden/..too", "/v2/keys/.hidden/..too"},
		{"/v2/keys", "/a\nb", "/v2/keys/a%0Ab"},
		{"v2/keys/", "a", "/v2/keys/a"},
		{"", "a", "/a"},
		{"", "", "/"},
		{"/my keys", "a", "/my%20keys/a"},
	}
	for _, tt := range tests {
		if got, err := keyPath(tt.prefix, tt.key); err != nil || got != tt.want {
			t.Errorf("keyPath(%q, %q) = %q, %v, want %q", tt.prefix, tt.key, got, err, tt.want)
		}
	}
}

func TestKeyPathRefuses(t *testing.T) {
	tests := []struct{ prefix, key, field, reason string }{
		{"/v2/keys", "..", "key", `".."`},
		{"/v2/keys", "/a/../b", "key", `".."`},
		{"/v2/keys", "/a/..", "key", `".."`},
		{"/v2/keys", ".", "key", `"."`},
		{"/v2/keys", "/a/./b", "key", `"."`},
		{"/v2/keys", "/a\x00b", "key", "NUL"},
		{"/v2/keys", "/a\xffb", "key", "UTF-8"},
		{"/v2/../keys", "/a", "prefix", `".."`},
		{"/v2\x00", "/a", "prefix", "NUL"},
		{"/\xff", "/a", "prefix", "UTF-8"},
	}
	for _, tt := range tests {
		_, err := keyPath(tt.prefix, tt.key)
		var invalid *InvalidInputError
		if !errors.As(err, &invalid) || invalid.Field != tt.field || !strings.Contains(invalid.Reason, tt.reason) {
			t.Errorf("keyPath(%q, %q): got %v, want an *InvalidInputError about the %s that says %s", tt.prefix, tt.key, err, tt.field, tt.reason)
		}
	}
}

func TestNamePath(t *testing.T) {
	for name, want := range map[string]string{
		"272e204152":      "/v2/members/272e204152",
		"joe":             "/v2/members/joe",
		"joe@example.com": "/v2/members/joe@example.com",
		"a b?c%d":         "/v2/members/a%20b%3Fc%25d",
		"...":             "/v2/members/...",
	} {
		if got, err := namePath("/v2/members", "name", name); err != nil || got != want {
			t.Errorf("namePath of %q = %q, %v, want %q", name, got, err, want)
		}
	}
	for name, reason := range map[string]string{
		"": "empty", ".": "leaves", "..": "leaves", "a/b": "slash", "/": "slash", "../keys": "slash", "a\x00": "NUL", "\xff": "UTF-8",
	} {
		_, err := namePath("/v2/members", "name", name)
		var invalid *InvalidInputError
		if !errors.As(err, &invalid) || invalid.Field != "name" || !strings.Contains(invalid.Reason, reason) {
			t.Errorf("namePath of %q: got %v, want an *InvalidInputError that says %s", name, err, reason)
		}
	}
}

func FuzzKeyPath(f *testing.F) {
	for _, seed := range [][2]string{
		{"/v2/keys", "/a"},
		{"/v2/keys", "/a/../b"},
		{"/v2/keys", ""},
		{"", "//"},
		{"/p q/", "a b/c%2Fd"},
		{"/v2/keys", "%2e%2e/x"},
		{"/v2/keys", "a?b#c;d,e:f@g"},
		{"/v2/keys", "a\nb c"},
		{"/..", "a"},
		{"x", "\xff\x00"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, prefix, key string) {
		path, err := keyPath(prefix, key)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		wantElements(t, path, slices.Concat(elementsOf(prefix), elementsOf(key)))

		below := "/" + strings.Join(elementsOf(prefix), "/")
		unescaped, err := url.PathUnescape(path)
		if err != nil {
			t.Fatal(err)
		}
		if clean := gopath.Clean(unescaped); clean != below && !strings.HasPrefix(clean, strings.TrimSuffix(below, "/")+"/") {
			t.Errorf("%q leads to %q, which is not below %q", path, clean, below)
		}
		wantOnTheWire(t, path, unescaped)
	})
}

func FuzzNamePath(f *testing.F) {
	for _, seed := range []string{"joe", "", ".", "..", "a/b", "a b", "%2F", "%2e%2e", "\n", "\xff", "a?b#c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := namePath(membersPath, "name", name)
		if err != nil {
			wantRefusal(t, err)
			return
		}
		wantElements(t, path, append(elementsOf(membersPath), name))
		wantOnTheWire(t, path, membersPath+"/"+name)
	})
}

func elementsOf(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(element string) bool { return element == "" })
}

func wantRefusal(t *testing.T, err error) {
	t.Helper()
	var invalid *InvalidInputError
	if !errors.As(err, &invalid) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %T %q, want an *InvalidInputError on one line", err, err)
	}
}

func wantElements(t *testing.T, path string, want []string) {
	t.Helper()
	got := elementsOf(path)
	for i, element := range got {
		unescaped, err := url.PathUnescape(element)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = unescaped
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q has the elements %q, want %q", path, got, want)
	}
}

// wantOnTheWire writes the request as a transport would and reads it as a server
// would.
func wantOnTheWire(t *testing.T, path, want string) {
	t.Helper()
	act := &action{spec: requestSpec{method: http.MethodGet, path: path, query: "a=b"}}
	for _, base := range []string{"", "/", "/base", "/base/", "/b%2Fase"} {
		ep, err := parseEndpoint("http://etcd:2379" + base)
		if err != nil {
			t.Fatal(err)
		}
		req := act.HTTPRequest(ep.base)
		if req == nil {
			t.Fatalf("there is no request for %q at %q", path, base)
		}
		var wire bytes.Buffer
		if writeErr := req.Write(&wire); writeErr != nil {
			t.Fatal(writeErr)
		}
		seen, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil {
			t.Fatal(err)
		}
		wantPath := strings.TrimSuffix(ep.base.Path, "/") + want
		if seen.URL.Path != wantPath || seen.URL.RawQuery != "a=b" || seen.Host != "etcd:2379" {
			t.Errorf("the server sees %q ? %q of %q, want %q", seen.URL.Path, seen.URL.RawQuery, seen.Host, wantPath)
		}
	}
}
