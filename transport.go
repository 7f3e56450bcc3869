package client

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
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

// attemptDelay is how long one address of a host has before the next is tried as
// well (RFC 8305, "Connection Attempt Delay", with the delay of net.Dialer).
const attemptDelay = 300 * time.Millisecond

// dialFunc opens a connection.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// hostDialer opens connections to hosts with several addresses, some of which may
// be dead. net.Dialer tries the addresses of one family one after the other, each
// for its share of the time-out.
type hostDialer struct {
	timeout time.Duration
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	connect dialFunc // to one address
}

func newHostDialer(timeout time.Duration, keepAlive net.KeepAliveConfig) *hostDialer {
	d := &net.Dialer{Timeout: timeout, KeepAliveConfig: keepAlive}
	return &hostDialer{
		timeout: timeout,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		connect: d.DialContext,
	}
}

// dial opens a connection to the first address of the host that answers. Its error
// is that of net.Dialer.
func (d *hostDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || network != "tcp" {
		return d.connect(ctx, network, address)
	}
	if _, isAddress := addressOf(host); isAddress {
		return d.connect(ctx, network, address)
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if len(addrs) == 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "no suitable address", Addr: host}}
	}
	return d.race(ctx, network, port, alternated(addrs))
}

// race starts with the next address when one fails, or after attemptDelay.
func (d *hostDialer) race(ctx context.Context, network, port string, addrs []netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, len(addrs))
	started, pending := 0, 0
	delay := time.NewTimer(attemptDelay)
	defer delay.Stop()
	start := func() {
		address := net.JoinHostPort(addrs[started].String(), port)
		started, pending = started+1, pending+1
		delay.Reset(attemptDelay)
		go func() { // ends with ctx, and never blocks
			conn, err := d.connect(ctx, network, address)
			results <- result{conn, err}
		}()
	}
	start()
	var first error
	for pending > 0 {
		var next <-chan time.Time
		if started < len(addrs) {
			next = delay.C
		}
		select {
		case <-next:
			start()
		case r := <-results:
			pending--
			if r.err == nil {
				go func() { // ends as soon as the others do
					for range pending {
						if late := <-results; late.err == nil {
							closeQuietly(late.conn)
						}
					}
				}()
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			if started < len(addrs) && ctx.Err() == nil {
				start()
			}
		}
	}
	return nil, first
}

// alternated returns the addresses in their order, by turns of the two families.
func alternated(addrs []netip.Addr) []netip.Addr {
	var families [2][]netip.Addr
	for _, addr := range addrs {
		addr = addr.Unmap()
		i := 0
		if addr.Is4() != addrs[0].Unmap().Is4() {
			i = 1
		}
		families[i] = append(families[i], addr)
	}
	var all []netip.Addr
	for i := range max(len(families[0]), len(families[1])) {
		for _, family := range families {
			if i < len(family) {
				all = append(all, family[i])
			}
		}
	}
	return all
}

// TransportOptions are the options of NewTransport. The zero value makes a transport
// like [DefaultTransport], except for proxies: none is taken from the environment
// unless ProxyFromEnvironment is set. Printed, it shows no key and no password.
type TransportOptions struct {
	// CAFile or CAPEM are the certificates, in PEM, of the authorities that may
	// sign those of servers; with neither they are the system's. Requests over TLS
	// look at the file, at most once a second and without waiting for a file system
	// that hangs. When it has changed they use it, on new connections; older ones
	// are closed within a second after what is under way on them is done.
	CAFile string
	CAPEM  []byte

	// CertFile and KeyFile, or CertPEM and KeyPEM, are the certificate that the
	// client shows to servers that ask for one, with its chain, and its key, in
	// PEM; with neither it has none. Files are looked at in each TLS handshake:
	// when they have changed, new connections use the new pair, and open ones
	// keep theirs.
	CertFile, KeyFile string
	CertPEM, KeyPEM   []byte

	// ReloadError is called, once for each reason, when files have changed and
	// can't be used, because they are half-written for instance. What was read
	// last stays in use and the files are read again until they are good. Nil
	// disables it. It may be called by several goroutines at a time.
	ReloadError func(error)

	// ServerName is the name that the certificates of all servers must hold, and
	// of an https proxy as well. Empty: the host of each endpoint, or localhost
	// for a socket whose name has a slash.
	ServerName string

	// MinTLSVersion is the lowest version that is spoken, such as
	// tls.VersionTLS13. Zero means TLS 1.2.
	MinTLSVersion uint16

	// DialTimeout bounds making a connection, with the look-up of the host and over
	// all of its addresses, TLSHandshakeTimeout the handshake on it. Zero means 30
	// and 10 seconds.
	DialTimeout         time.Duration
	TLSHandshakeTimeout time.Duration

	// KeepAlive configures how the system probes idle TCP connections. Nil means that
	// one whose other end is gone ends within about 10 seconds. The system sends no
	// probe while data is unacknowledged: a request on a dead connection is left to
	// HTTP/2's pings and to the client's probes.
	KeepAlive *net.KeepAliveConfig

	// MaxIdleConnsPerHost bounds the connections that are kept for reuse for
	// each host or socket, MaxIdleConns those for all together. Zero means 256
	// per host, and no bound for all. IdleConnTimeout is how long they are kept;
	// zero means 90 seconds.
	MaxIdleConnsPerHost int
	MaxIdleConns        int
	IdleConnTimeout     time.Duration

	// MaxConnsPerHost bounds all connections to each host or socket: requests
	// wait for one. Without HTTP/2 each watch holds one, so that a bound must be
	// above the number of watches. Zero means no bound.
	MaxConnsPerHost int

	// Proxy is the proxy for all requests but those to sockets: an http, https,
	// socks5 or socks5h URL, with a user and a password where it wants them. Nil
	// means none.
	Proxy *url.URL

	// ProxyFromEnvironment takes the proxy from HTTP_PROXY, HTTPS_PROXY and
	// NO_PROXY, as they are at the first request, and otherwise as
	// http.ProxyFromEnvironment does. It excludes Proxy.
	ProxyFromEnvironment bool

	// DisableHTTP2 keeps TLS connections to HTTP/1.1.
	DisableHTTP2 bool

	// HTTP2PingInterval is how long an HTTP/2 connection may be silent before
	// the server is sent a ping, HTTP2PingTimeout how long it has for the answer.
	// Without one the connection is closed, and requests on it fail. Zero means
	// 10 and 5 seconds.
	HTTP2PingInterval time.Duration
	HTTP2PingTimeout  time.Duration
}

const (
	defaultPingInterval = 10 * time.Second
	defaultPingTimeout  = 5 * time.Second
)

// check returns an error for the first option that can't be, or nil. It opens no file.
func (o *TransportOptions) check() error {
	refuse := func(field, reason string) error { return &InvalidInputError{Field: field, Reason: reason} }
	switch {
	case o.CAFile != "" && o.CAPEM != nil:
		return refuse("CAPEM", "there is a CAFile as well")
	case o.CertFile != "" && o.CertPEM != nil:
		return refuse("CertPEM", "there is a CertFile as well")
	case o.KeyFile != "" && o.KeyPEM != nil:
		return refuse("KeyPEM", "there is a KeyFile as well")
	case o.CertFile != "" && o.KeyFile == "":
		return refuse("CertFile", "it needs a KeyFile")
	case o.KeyFile != "" && o.CertFile == "":
		return refuse("KeyFile", "it needs a CertFile")
	case o.CertPEM != nil && o.KeyPEM == nil:
		return refuse("CertPEM", "it needs a KeyPEM")
	case o.KeyPEM != nil && o.CertPEM == nil:
		return refuse("KeyPEM", "it needs a CertPEM")
	case o.MinTLSVersion != 0 && (o.MinTLSVersion < tls.VersionTLS10 || o.MinTLSVersion > tls.VersionTLS13):
		return &InvalidInputError{Field: "MinTLSVersion", Value: tls.VersionName(o.MinTLSVersion), Reason: "it is not one of TLS 1.0 to 1.3"}
	case o.Proxy != nil && o.ProxyFromEnvironment:
		return refuse("ProxyFromEnvironment", "there is a Proxy as well")
	}
	if err := o.checkNegatives(); err != nil {
		return err
	}
	return o.checkProxy()
}

func (o *TransportOptions) checkNegatives() error {
	for _, d := range []struct {
		field string
		value time.Duration
	}{
		{"DialTimeout", o.DialTimeout},
		{"TLSHandshakeTimeout", o.TLSHandshakeTimeout},
		{"IdleConnTimeout", o.IdleConnTimeout},
		{"HTTP2PingInterval", o.HTTP2PingInterval},
		{"HTTP2PingTimeout", o.HTTP2PingTimeout},
	} {
		if d.value < 0 {
			return &InvalidInputError{Field: d.field, Value: d.value.String(), Reason: "it is negative"}
		}
	}
	for _, n := range []struct {
		field string
		value int
	}{
		{"MaxIdleConnsPerHost", o.MaxIdleConnsPerHost},
		{"MaxIdleConns", o.MaxIdleConns},
		{"MaxConnsPerHost", o.MaxConnsPerHost},
	} {
		if n.value < 0 {
			return &InvalidInputError{Field: n.field, Reason: "it is negative"}
		}
	}
	return nil
}

func (o *TransportOptions) checkProxy() error {
	if o.Proxy == nil {
		return nil
	}
	reason := ""
	switch o.Proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
		if o.Proxy.Hostname() == "" {
			reason = "it has no host"
		}
	default:
		reason = "its scheme is not http, https, socks5 or socks5h"
	}
	if reason == "" {
		return nil
	}
	return &InvalidInputError{Field: "Proxy", Value: withoutUserinfo(o.Proxy.Scheme + "://" + o.Proxy.Host), Reason: reason}
}

// proxy returns the function that chooses the proxy; nil: there is none.
func (o *TransportOptions) proxy() func(*http.Request) (*url.URL, error) {
	switch {
	case o.ProxyFromEnvironment:
		return proxyFromEnvironment()
	case o.Proxy != nil:
		u := *o.Proxy
		return http.ProxyURL(&u)
	}
	return nil
}

// newPool returns a pool of connections with these options, which must have their
// defaults, that dials by dial. It becomes the owner of config, which may be nil.
func (o *TransportOptions) newPool(dial dialFunc, config *tls.Config) *http.Transport {
	t := &http.Transport{
		Proxy:                 o.proxy(),
		DialContext:           dial,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   o.TLSHandshakeTimeout,
		MaxIdleConns:          o.MaxIdleConns,
		MaxIdleConnsPerHost:   o.MaxIdleConnsPerHost,
		MaxConnsPerHost:       o.MaxConnsPerHost,
		IdleConnTimeout:       o.IdleConnTimeout,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: o.HTTP2PingInterval, PingTimeout: o.HTTP2PingTimeout},
	}
	if o.DisableHTTP2 {
		t.ForceAttemptHTTP2, t.Protocols = false, &http.Protocols{}
		t.Protocols.SetHTTP1(true)
	}
	return t
}

// mayUseTLS reports whether a request to u may make a TLS connection, be it to a
// proxy.
func (o *TransportOptions) mayUseTLS(u *url.URL) bool {
	return u != nil && isEncrypted(u) || o.ProxyFromEnvironment || o.Proxy != nil && o.Proxy.Scheme == schemeHTTPS
}

// withDefaults returns o with the values that zero stands for.
func (o TransportOptions) withDefaults() TransportOptions {
	o.MinTLSVersion = cmp.Or(o.MinTLSVersion, tls.VersionTLS12)
	o.DialTimeout = cmp.Or(o.DialTimeout, defaultDialTimeout)
	o.TLSHandshakeTimeout = cmp.Or(o.TLSHandshakeTimeout, defaultHandshakeTimeout)
	o.MaxIdleConnsPerHost = cmp.Or(o.MaxIdleConnsPerHost, idleConnsPerHost)
	o.IdleConnTimeout = cmp.Or(o.IdleConnTimeout, defaultIdleConnTimeout)
	o.HTTP2PingInterval = cmp.Or(o.HTTP2PingInterval, defaultPingInterval)
	o.HTTP2PingTimeout = cmp.Or(o.HTTP2PingTimeout, defaultPingTimeout)
	if o.KeepAlive == nil {
		keepAlive := defaultKeepAlive()
		o.KeepAlive = &keepAlive
	}
	return o
}
