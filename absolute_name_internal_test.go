package client

import (
	"net/http"
	"net/url"
	"testing"
)

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

// Within a rank calls go round from the pin; suspects come last, those of a lower
// rank first among themselves.
func TestRankedListsAreTriedByRank(t *testing.T) {
	var p endpointPool
	list := inOrder(t, "http://a", "http://b", "http://c", "http://d")
	for i, ep := range list.given {
		ep.rank = []int{1, 1, 2, unannounced}[i]
	}
	list.ranked = true
	p.replace(list)
	turns := func(suspects string) string {
		got, view := "", p.view()
		tried := make([]bool, len(view.order))
		isSuspect := func(ep *endpoint) bool {
			for _, s := range suspects {
				if ep.base.Host == string(s) {
					return true
				}
			}
			return false
		}
		for i, ok := view.choose(tried, isSuspect); ok; i, ok = view.choose(tried, isSuspect) {
			tried[i] = true
			got += view.at(i).base.Host
		}
		return got
	}
	want := func(suspects, want string) {
		t.Helper()
		if got := turns(suspects); got != want {
			t.Errorf("pinned %s, suspects %q: tried %s, want %s", p.view().at(0).name, suspects, got, want)
		}
	}
	want("", "abcd")
	want("a", "bcda")
	want("dcba", "abcd")
	p.pin(p.view(), 1)
	want("", "bacd")
	want("ba", "cdba")
	p.pin(p.view(), 2) // d
	want("", "abcd")
	want("a", "bcda")
}
