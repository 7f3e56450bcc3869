package client

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// How requests come to unix sockets. The file of the socket is in the host of the
// URL, in a form that survives being written and read again, so that the URL has
// room for a path and relative redirects stay with the server. http.Transport
// knows hosts only, so on its way the request is one for a host that stands for
// the socket, which DialContext knows: the connections are in the same pool as all
// others, and bounded, reused and closed with them.

// socketMark ends the hosts that stand for sockets. No server can guess it, or it
// could send the client to the sockets of its machine.
var socketMark = "." + rand.Text() //nolint:gochecknoglobals // a constant that must be drawn

const (
	plainSocket  = ".plain"
	secureSocket = ".tls"
)

// socketHost returns the host that stands for the socket in u, an endpoint's URL as
// it was given: its host and path together are the name of the file. Names like
// localhost:2379, as etcd takes them, stay as they are.
func socketHost(u *url.URL) string {
	path := strings.TrimRight(u.Path, "/")
	host, port, found := strings.Cut(u.Host, ":")
	if path == "" && host == escapeSocket(host) && (!found || port != "" && strings.Trim(port, "0123456789") == "") {
		return u.Host
	}
	return escapeSocket(u.Host + path)
}

// escapeSocket returns the host that stands for a file.
func escapeSocket(file string) string {
	var b strings.Builder
	for _, c := range []byte(file) {
		switch {
		case c == '/':
			b.WriteByte('+')
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '-', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('$')
			b.WriteString(hex.EncodeToString([]byte{c}))
		}
	}
	return b.String()
}

// unescapeSocket returns the name of the file that the host stands for; empty: it
// stands for none.
func unescapeSocket(host string) string {
	var b strings.Builder
	for i := 0; i < len(host); i++ {
		switch host[i] {
		case '+':
			b.WriteByte('/')
		case '$':
			if i+3 > len(host) {
				return ""
			}
			c, err := hex.DecodeString(host[i+1 : i+3])
			if err != nil {
				return ""
			}
			b.Write(c)
			i += 2
		default:
			b.WriteByte(host[i])
		}
	}
	return b.String()
}

// serveSockets registers unix sockets with t, in whose pool their connections are. Proxy and
// DialContext are set by now.
func serveSockets(t *http.Transport, config func() *tls.Config, handshake time.Duration) {
	d := &socketDialer{dial: t.DialContext, config: config, handshake: handshake}
	t.DialContext = d.dialContext
	if proxy := t.Proxy; proxy != nil {
		t.Proxy = func(req *http.Request) (*url.URL, error) {
			if strings.HasSuffix(req.URL.Host, socketMark) {
				return nil, nil
			}
			return proxy(req)
		}
	}
	t.RegisterProtocol("unix", socketProtocol{t, plainSocket})
	t.RegisterProtocol("unixs", socketProtocol{t, secureSocket})
}

// socketProtocol is the scheme unix or unixs.
type socketProtocol struct {
	pool *http.Transport
	kind string
}

// RoundTrip implements http.RoundTripper.
func (p socketProtocol) RoundTrip(req *http.Request) (*http.Response, error) {
	file := unescapeSocket(req.URL.Host)
	if file == "" {
		closeQuietly(req.Body)
		return nil, &InvalidInputError{Field: "URL", Value: (&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}).String(), Reason: "its host names no socket"}
	}
	through, u := *req, *req.URL
	u.Scheme, u.User = "http", nil
	u.Host = escapeSocket(file) + p.kind + socketMark
	through.URL, through.Host = &u, "localhost"
	resp, err := p.pool.RoundTrip(&through)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// socketDialer dials what dial does, and the hosts that stand for sockets.
type socketDialer struct {
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	config    func() *tls.Config // the caller's own; may be nil
	handshake time.Duration      // its bound; 0: none
}

func (d *socketDialer) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return d.dial(ctx, network, address) // its error names what is wrong
	}
	host, isSocket := strings.CutSuffix(host, socketMark)
	if !isSocket {
		return d.dial(ctx, network, address)
	}
	if escaped, secure := strings.CutSuffix(host, secureSocket); secure {
		return d.dialTLS(ctx, unescapeSocket(escaped))
	}
	return d.dial(ctx, "unix", unescapeSocket(strings.TrimSuffix(host, plainSocket)))
}

// dialTLS speaks HTTP/1.1 alone: to a machine's own sockets a connection for each
// request under way costs little.
func (d *socketDialer) dialTLS(ctx context.Context, file string) (net.Conn, error) {
	conn, err := d.dial(ctx, "unix", file)
	if err != nil {
		return nil, err
	}
	config := d.config()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config.NextProtos = []string{"http/1.1"}
	if config.ServerName == "" {
		config.ServerName = socketServerName(file)
	}
	if d.handshake > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.handshake)
		defer cancel()
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		closeQuietly(conn)
		return nil, err
	}
	return secured, nil
}

// socketServerName returns the name that the certificate of a server on a socket must have: the host of a
// name like etcd's own localhost:2379, and localhost where it is a path.
func socketServerName(file string) string {
	if host, _, err := net.SplitHostPort(file); err == nil && !strings.Contains(file, "/") {
		return host
	}
	return "localhost"
}
