package client

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DefaultTransport is used where Config.Transport is nil. It dials within 30
// seconds, shakes hands within 10, speaks HTTP/2 over TLS, takes proxies from
// the environment, and keeps up to 256 idle connections per host for 90 seconds,
// so that many watches and callers on one client don't dial for each request. TCP
// keepalive ends a connection whose other end is gone within about 10 seconds.
// Endpoints on unix sockets work too. It is an *http.Transport, shared by all
// clients that use it; NewTransport makes others.
var DefaultTransport CancelableTransport = newDefaultTransport()

const (
	idleConnsPerHost        = 256
	defaultDialTimeout      = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultIdleConnTimeout  = 90 * time.Second
)

func newDefaultTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: defaultDialTimeout, KeepAliveConfig: defaultKeepAlive()}
	t := &http.Transport{
		Proxy:                 proxyByName(http.ProxyFromEnvironment),
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   defaultHandshakeTimeout,
		MaxIdleConnsPerHost:   idleConnsPerHost,
		IdleConnTimeout:       defaultIdleConnTimeout,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
	serveSockets(t, func() *tls.Config { return t.TLSClientConfig.Clone() }, defaultHandshakeTimeout)
	return t
}

// defaultKeepAlive finds a dead connection within 10 seconds: a quiet watch can't
// tell it from a live one.
func defaultKeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 2 * time.Second, Count: 3}
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
