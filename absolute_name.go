package client

import (
	"net/http"
	"net/url"
	"strings"
)

// withoutRootDot gives host, which may have a port, without the dot that makes its
// name absolute: that is for look-ups alone (RFC 9110 knows of none).
func withoutRootDot(host string) string {
	name, port := host, ""
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		name, port = host[:colon], host[colon:]
	}
	if len(name) < 2 || name[len(name)-1] != '.' {
		return host
	}
	return name[:len(name)-1] + port
}

// proxyByName makes choose see the names of hosts without the dot that makes them
// absolute: those of NO_PROXY have none.
func proxyByName(choose func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(req *http.Request) (*url.URL, error) {
		host := withoutRootDot(req.URL.Host)
		if host == req.URL.Host {
			return choose(req)
		}
		named, u := *req, *req.URL
		u.Host = host
		named.URL = &u
		return choose(&named)
	}
}
