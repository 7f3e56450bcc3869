package client

import (
	"net/http"
	"net/url"
	"testing"
)

// NO_PROXY knows no dots at the end of names.
func TestProxyIsChosenByTheNameWithoutTheDot(t *testing.T) {
	for host, want := range map[string]string{"a.example.com.:2379": "a.example.com:2379", "b:2379": "b:2379"} {
		req := &http.Request{URL: &url.URL{Scheme: "http", Host: host}}
		seen := ""
		_, err := proxyByName(func(req *http.Request) (*url.URL, error) {
			seen = req.URL.Host
			return nil, nil
		})(req)
		if err != nil || seen != want || req.URL.Host != host {
			t.Errorf("%s: chosen by %q: %v, and is %s now", host, seen, err, req.URL.Host)
		}
	}
}
