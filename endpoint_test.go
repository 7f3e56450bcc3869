package client

import (
	"errors"
	"strings"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	tests := []struct {
		raw                      string
		scheme, host, path, name string
		user                     string
	}{
		{raw: "http://etcd:2379", scheme: "http", host: "etcd:2379", name: "http://etcd:2379"},
		{raw: "https://etcd", scheme: "https", host: "etcd", name: "https://etcd"},
		{raw: "HTTPS://etcd:2379", scheme: "https", host: "etcd:2379", name: "https://etcd:2379"},
		{raw: "etcd:2379", scheme: "http", host: "etcd:2379", name: "http://etcd:2379"},
		{raw: "localhost", scheme: "http", host: "localhost", name: "http://localhost"},
		{raw: "10.0.0.1:2379", scheme: "http", host: "10.0.0.1:2379", name: "http://10.0.0.1:2379"},
		{raw: "http://[::1]:2379", scheme: "http", host: "[::1]:2379", name: "http://[::1]:2379"},
		{raw: "[::1]:2379", scheme: "http", host: "[::1]:2379", name: "http://[::1]:2379"},
		{raw: "http://[fe80::1%25eth0]:2379", scheme: "http", host: "[fe80::1%eth0]:2379", name: "http://[fe80::1%25eth0]:2379"},
		{raw: "http://etcd:2379/", scheme: "http", host: "etcd:2379", path: "/", name: "http://etcd:2379/"},
		{raw: "http://etcd:2379/base/path", scheme: "http", host: "etcd:2379", path: "/base/path", name: "http://etcd:2379/base/path"},
		{raw: "http://etcd:2379/base%2Fpath", scheme: "http", host: "etcd:2379", path: "/base/path", name: "http://etcd:2379/base%2Fpath"},
		{raw: "unix:///run/etcd.sock", scheme: "unix", host: "+run+etcd.sock", name: "unix:///run/etcd.sock"},
		{raw: "unixs://localhost:2379", scheme: "unixs", host: "localhost:2379", name: "unixs://localhost:2379"},
		{raw: "http://root:pw@etcd:2379", scheme: "http", host: "etcd:2379", name: "http://etcd:2379", user: "root:pw"},
		{raw: "root:pw@etcd:2379", scheme: "http", host: "etcd:2379", name: "http://etcd:2379", user: "root:pw"},
		{raw: "https://root:p%40%2F%3A@etcd/base", scheme: "https", host: "etcd", path: "/base", name: "https://etcd/base", user: "root:p@/:"},
		{raw: "http://root@etcd", scheme: "http", host: "etcd", name: "http://etcd", user: "root:"},
	}
	for _, tt := range tests {
		t.Run(tt.raw, func(t *testing.T) {
			ep, err := parseEndpoint(tt.raw)
			if err != nil {
				t.Fatal(err)
			}
			user := ""
			if ep.login != nil {
				user = ep.login.username + ":" + ep.login.password
			}
			if ep.base.Scheme != tt.scheme || ep.base.Host != tt.host || ep.base.Path != tt.path || ep.name != tt.name || user != tt.user {
				t.Errorf("got %+v, named %q, of %q", ep.base, ep.name, user)
			}
			if ep.base.User != nil {
				t.Error("the base has credentials, which every request would carry to wherever it is sent on to")
			}
		})
	}
}

func TestParseEndpointRefuses(t *testing.T) {
	tests := []struct{ raw, reason string }{
		{"", "no host"},
		{"http://", "no host"},
		{":2379", "no host"},
		{"http://:2379", "no host"},
		{"http://root:secret@", "no host"},
		{"etcd:", "port is empty"},
		{"http://etcd:", "port is empty"},
		{"http://etcd:0", "port is not one of"},
		{"http://etcd:65536", "port is not one of"},
		{"http://etcd:abc", "not a URL"},
		{"etcd:-1", "not a URL"},
		{"http://[::1", "not a URL"},
		{"ftp://etcd:21", "scheme"},
		{"ftp://root:secret@etcd:21", "scheme"},
		{"http+unix://etcd", "scheme"},
		{"unix://", "no socket"},
		{"http://etcd:2379?a=b", "more than"},
		{"http://etcd:2379?", "more than"},
		{"http://etcd:2379#top", "more than"},
		{" http://etcd:2379", "not a URL"},
		{"http://et cd:2379", "not a URL"},
		{"http://[fe80::1%25a%20b]:2379", "host has a space"},
		{"http://etcd:2379\n", "not a URL"},
		{"http://etcd:2379, http://etcd2:2379", "more than one URL"},
		{"etcd:2379,etcd2:2379", ""},
		{"http://etcd/..", `element ".."`},
		{"http://etcd/a/%2e%2e/b", `element ".."`},
		{"http://etcd/./a", `element "."`},
		{"http://etcd/%zz", "not a URL"},
		{"http://root:secret%zz@etcd:2379", "not a URL"},
		{"http://root:secret/@etcd:2379", "not a URL"},
		{"root:secret secret@etcd:2379", "not a URL"},
		{"root:://secret@etcd", "scheme"},
		{"http://root:secret@etcd:0", "port is not one of"},
		{"http://root:secret@secret@etcd:0", "port is not one of"},
		{"http://:secret@etcd:2379", "password and no user"},
		{":secret@etcd:2379", "password and no user"},
		{"http://us%3Aer:secret@etcd:2379", "user has a colon"},
		{"http://root%3Asecret@etcd:2379", "user has a colon"},
		{"http://root:secret", "not a URL"},
		{"root:secret", "not a URL"},
		{"http://root:secret%40etcd:2379", "not a URL"},
		{"https://root:12?secret@etcd:2379", "more than"},
		{"https://root:12#secret@", "more than"},
		{"http://etcd:2379?token=secret", "more than"},
		{"http://etcd:2379/?token=a@secret", "more than"},
		{"http://etcd:2379#secret", "more than"},

		// net/url takes these, in some versions of Go.
		{"::1", ""},
		{"etcd:2379:2379", ""},
		{"http:etcd:2379", ""},
		// The password would be taken for a path and shown, or for a scheme.
		{"http://root:12/secret@etcd:2379", ""},
		{"root:secret://secret@etcd", ""},
	}
	for _, tt := range tests {
		t.Run(tt.raw, func(t *testing.T) {
			_, err := parseEndpoint(tt.raw)
			var invalid *InvalidInputError
			if !errors.As(err, &invalid) || invalid.Field != "endpoint" {
				t.Fatalf("got %v, want an *InvalidInputError about the endpoint", err)
			}
			host, _, _ := strings.Cut(strings.TrimPrefix(tt.raw[strings.LastIndexByte(tt.raw, '@')+1:], "http://"), "/")
			if host, _, _ = strings.Cut(host, "?"); !strings.Contains(host, "]") {
				host, _, _ = strings.Cut(host, ":")
			}
			if host, _, _ = strings.Cut(host, "#"); !strings.Contains(invalid.Value, host) && !strings.HasSuffix(invalid.Value, "://…") {
				t.Errorf("%q does not name the endpoint", invalid.Value)
			}
			if !strings.Contains(err.Error(), tt.reason) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want it to say %q on one line", err, tt.reason)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("%q has the password", err)
			}
		})
	}
}

// However a server is written, it is one endpoint.
func TestParseEndpoints_spellings(t *testing.T) {
	for _, spellings := range [][]string{
		{"http://a:2379", "http://a:2379/", "http://A:2379", "http://a.:2379", "http://a:2379//", "a:2379", "http://a:02379"},
		{"http://[::1]:2379", "http://[0:0::1]:2379", "http://[0:0:0:0:0:0:0:1]:2379/"},
		{"https://[FE80::1]", "https://[fe80::1]:443"},
		{"http://10.0.0.1", "http://[::ffff:10.0.0.1]:80", "http://[::ffff:a00:1]"},
		{"http://a/base", "http://a:80/base/", "http://A/base"},
	} {
		endpoints, err := parseEndpoints(spellings)
		if err != nil || len(endpoints) != 1 {
			t.Errorf("%q are %d endpoints, %v", spellings, len(endpoints), err)
		}
	}
	if endpoints, err := parseEndpoints([]string{"http://a/x", "http://a/y", "http://a/X", "http://[fe80::1%25a]", "http://[fe80::1%25b]"}); err != nil || len(endpoints) != 5 {
		t.Errorf("got %d endpoints, %v", len(endpoints), err)
	}
}

func TestParseEndpointsTakesAServerOnce(t *testing.T) {
	endpoints, err := parseEndpoints([]string{
		"http://a:80", "http://b", "http://A", "a", "https://a:443", "https://a", "http://a/base", "http://a/base",
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ep := range endpoints {
		names = append(names, ep.name)
	}
	if got, want := strings.Join(names, " "), "http://a:80 http://b https://a:443 http://a/base"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseEndpointsRefusesAListWithOneBadEntry(t *testing.T) {
	if _, err := parseEndpoints(nil); !errors.Is(err, ErrNoEndpoints) {
		t.Errorf("an empty list: got %v", err)
	}
	_, err := parseEndpoints([]string{"http://good", "http://bad:0", "ftp://worse"})
	var invalid *InvalidInputError
	if !errors.As(err, &invalid) || invalid.Value != "http://bad:0" {
		t.Errorf("got %v, want it to name the first bad endpoint", err)
	}
}

func FuzzEndpoint(f *testing.F) {
	for _, raw := range []string{
		"", "etcd", "etcd:2379", "http://etcd:2379/base", "https://[::1]:2379", "unix:///run/etcd", "http://root:pw@etcd",
		"root:pw12@etcd:0", "ftp://root:p@ss@etcd", "u:pw12://x@etcd", "http://root:12/34@etcd:2379", "http://u:%zz@etcd", "a:b:c",
	} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		ep, err := parseEndpoint(raw)
		var shown string
		if err == nil {
			shown = ep.name
			if ep.base.Scheme == "" || ep.base.Host == "" && (ep.base.Path == "" || !strings.HasPrefix(ep.base.Scheme, "unix")) {
				t.Errorf("%q became %+v", raw, ep.base)
			}
			if ep.base.User != nil || ep.base.RawQuery != "" || ep.base.Fragment != "" {
				t.Errorf("%q became %+v, of which parts would go along with each request", raw, ep.base)
			}
			again, againErr := parseEndpoint(ep.name)
			if againErr != nil || again.name != ep.name || again.origin() != ep.origin() {
				t.Errorf("%q is named %q, which is not the same endpoint: %v", raw, ep.name, againErr)
			}
		} else {
			shown = err.Error()
			var invalid *InvalidInputError
			if !errors.As(err, &invalid) {
				t.Errorf("got %T %v, want an *InvalidInputError", err, err)
			}
		}
		before, password, after := cutPassword(raw)
		if password != "" && strings.Contains(shown, password) && !strings.Contains(before+after, password) {
			t.Errorf("%q has the password %q", shown, password)
		}
	})
}

// cutPassword finds what is between the first colon and the last @ behind the
// scheme, where people write a password, escaped or not. One of fewer than four
// characters, or without a digit, may be in the reason by chance: it is none.
func cutPassword(raw string) (before, password, after string) {
	start := strings.Index(raw, "://")
	if start < 0 || strings.Contains(raw[:start], ":") {
		start = 0
	} else {
		start += len("://")
	}
	end := strings.LastIndexByte(raw, '@')
	if end < start {
		return raw, "", ""
	}
	_, password, _ = strings.Cut(raw[start:end], ":")
	if len(password) < 4 || !strings.ContainsAny(password, "0123456789") {
		return raw, "", ""
	}
	return raw[:end-len(password)], password, raw[end:]
}

func TestWithoutRootDot(t *testing.T) {
	for host, want := range map[string]string{
		"a.example.com.:2379": "a.example.com:2379",
		"a.example.com.":      "a.example.com",
		"a.example.com:2379":  "a.example.com:2379",
		"a.":                  "a",
		"a":                   "a",
		".":                   ".",
		".:80":                ".:80",
		"":                    "",
		"[::1]:2379":          "[::1]:2379",
		"[::1]":               "[::1]",
	} {
		if got := withoutRootDot(host); got != want {
			t.Errorf("%q became %q, want %q", host, got, want)
		}
	}
}
