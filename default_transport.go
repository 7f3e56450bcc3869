package client

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// CancelableTransport is any http.RoundTripper. Requests are cancelled by their
// context; the historic CancelRequest method is not needed.
type CancelableTransport = http.RoundTripper

// DefaultTransport is used where Config.Transport is nil. It is what NewTransport
// makes of the zero [TransportOptions], except that it takes proxies from the
// environment: it dials within 30 seconds, tries the next address of a host when one
// does not answer within 300 ms, completes TLS handshakes within 10 seconds, speaks
// HTTP/2 over TLS, and keeps up to 256 idle connections per host for 90 seconds, so
// that many watches and callers on one client don't dial for each request. Endpoints
// on unix sockets work too.
//
// An HTTP/2 connection that is silent for 10 seconds is sent a ping, and closed when
// that is not answered within 5. Over HTTP/1.1 TCP keepalive ends an idle connection
// whose other end is gone within about 10 seconds; it is not sent while a request or
// a part of one is unacknowledged.
//
// It is an *http.Transport, shared by all clients that use it. Its Clone has all of
// this but the unix sockets. NewTransport makes others.
var DefaultTransport CancelableTransport = newDefaultTransport()

const (
	idleConnsPerHost        = 256
	defaultDialTimeout      = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultIdleConnTimeout  = 90 * time.Second
)

func newDefaultTransport() *http.Transport {
	o := TransportOptions{ProxyFromEnvironment: true}.withDefaults()
	t := o.newPool(newHostDialer(o.DialTimeout, *o.KeepAlive).dial, nil)
	serveSockets(t, func() *tls.Config { return t.TLSClientConfig.Clone() }, o.TLSHandshakeTimeout)
	return t
}

// defaultKeepAlive detects within about 10 seconds that the other end of an idle
// connection is gone: an idle watch sends nothing that would show it.
func defaultKeepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: 4 * time.Second, Interval: 2 * time.Second, Count: 3}
}

// proxyFromEnvironment returns what http.ProxyFromEnvironment does, by the
// environment at the time of the first request.
func proxyFromEnvironment() func(*http.Request) (*url.URL, error) {
	environment := sync.OnceValue(func() func(*url.URL) (*url.URL, error) { return httpproxy.FromEnvironment().ProxyFunc() })
	return proxyByName(func(req *http.Request) (*url.URL, error) { return environment()(req.URL) })
}

// proxyByName returns choose for the names of hosts without the dot that makes them
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
