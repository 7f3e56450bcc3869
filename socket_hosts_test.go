package client

import (
	"net/url"
	"strings"
	"testing"
)

// Whatever the name of the file, its host stands for it alone, and survives being
// written and read again with a path behind it.
func FuzzSocketHosts(f *testing.F) {
	for _, seed := range []string{"/run/etcd.sock", "localhost:2379", "a b", "+", "$", "a+b:c", "[::1]:80", "ü", "a:", ":1", "..", "%2F"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		if strings.Trim(file, "/") == "" || strings.HasSuffix(file, "/") {
			return
		}
		host := socketHost(&url.URL{Path: file})
		if got := unescapeSocket(host); got != file {
			t.Errorf("%q became %q", file, got)
		}
		u, err := url.Parse((&url.URL{Scheme: "unix", Host: host, Path: "/v2/keys"}).String())
		if err != nil || u.Host != host || u.Path != "/v2/keys" {
			t.Errorf("%q was read again as %+v, %v", host, u, err)
		}
		ep, err := parseEndpoint((&url.URL{Scheme: "unix", Host: "", Path: "/" + strings.TrimLeft(file, "/")}).String())
		if err != nil {
			return // names that no endpoint may have
		}
		if got := unescapeSocket(ep.base.Host); got != "/"+strings.TrimLeft(file, "/") || ep.path != "" {
			t.Errorf("%q became %q with the path %q", file, got, ep.path)
		}
	})
}
