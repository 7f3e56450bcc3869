package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTransportClosed means that a request was made by a [Transport] after its
// Close, or was under way then.
var ErrTransportClosed = errors.New("client: the transport is closed")

// Transport makes HTTP requests, for Transport of [Config] or an http.Client, by
// connections and certificates of its own. Make it with NewTransport, use one for
// many clients, and Close it when none is left. It may be wrapped by any other
// http.RoundTripper.
//
// It is safe for concurrent use.
type Transport struct {
	options TransportOptions
	dialer  net.Dialer
	getCert func(*tls.CertificateRequestInfo) (*tls.Certificate, error) // nil: there is none
	roots   *authorities                                                // nil: they never change

	pool   atomic.Pointer[rootedPool]
	closed atomic.Bool
	life   context.Context // ends with Close
	end    context.CancelFunc

	mu    sync.Mutex // guards the field below, and setting closed
	conns map[*ownConn]struct{}
}

// rootedPool is a pool of connections to servers that authorities have signed.
type rootedPool struct {
	*http.Transport
	roots *x509.CertPool // nil: the system's
}

// NewTransport makes a Transport. It reads the files and sends nothing.
//
// An option that can't be, or a file that can't be used, is an
// *InvalidInputError that names the field, the file and the reason, and wraps
// what the system said: for a file that is not there errors.Is(err,
// fs.ErrNotExist) holds. It has no part of a key.
func NewTransport(o TransportOptions) (*Transport, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	t := &Transport{options: o.withDefaults(), conns: map[*ownConn]struct{}{}}
	t.dialer = net.Dialer{Timeout: t.options.DialTimeout, KeepAliveConfig: *t.options.KeepAlive}
	if err := t.readPair(); err != nil {
		return nil, err
	}
	roots, err := t.readRoots()
	if err != nil {
		return nil, err
	}
	t.life, t.end = context.WithCancel(context.Background())
	t.pool.Store(&rootedPool{t.newPool(roots), roots})
	return t, nil
}

// readPair reads the client certificate.
func (t *Transport) readPair() error {
	o := &t.options
	switch {
	case o.CertFile != "":
		files := &clientPair{
			complaints: complaints{tell: o.ReloadError},
			cert:       watchedFile{field: "CertFile", name: o.CertFile},
			key:        watchedFile{field: "KeyFile", name: o.KeyFile},
		}
		if _, err := files.reload(); err != nil {
			return err
		}
		t.getCert = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return files.current(), nil
		}
	case o.CertPEM != nil:
		pair, field, err := parsePair(o.CertPEM, o.KeyPEM)
		if err != nil {
			return &InvalidInputError{Field: field + "PEM", Reason: reasonOf(err), Err: err}
		}
		t.getCert = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair, nil }
	}
	return nil
}

// readRoots reads the authorities; nil: the system's.
func (t *Transport) readRoots() (roots *x509.CertPool, err error) {
	o := &t.options
	switch {
	case o.CAFile != "":
		t.roots = &authorities{
			complaints: complaints{tell: o.ReloadError},
			file:       watchedFile{field: "CAFile", name: o.CAFile},
		}
		err = t.roots.reload(func(read *x509.CertPool) { roots = read })
	case o.CAPEM != nil:
		if roots, err = parseCertificates(o.CAPEM); err != nil {
			err = &InvalidInputError{Field: "CAPEM", Reason: reasonOf(err), Err: err}
		}
	}
	return roots, err
}

// TLSConfig makes a TLS configuration with the certificates and options of t, for
// what speaks to the same servers in another way, such as gRPC. It is the caller's to
// change, and stays of use after Close.
//
// The client certificate follows its files as that of t does. The authorities are those
// that CAFile has when TLSConfig is called: when they change, ask again.
func (t *Transport) TLSConfig() *tls.Config {
	t.freshlyRooted()
	return t.tlsConfig(t.pool.Load().roots)
}

func (t *Transport) tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		RootCAs:              roots,
		GetClientCertificate: t.getCert,
		ServerName:           t.options.ServerName,
		MinVersion:           t.options.MinTLSVersion,
	}
}

// newPool makes a pool that trusts whom these authorities have signed.
func (t *Transport) newPool(roots *x509.CertPool) *http.Transport {
	o := &t.options
	config := t.tlsConfig(roots)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!o.DisableHTTP2)
	pool := &http.Transport{
		Proxy:                 o.proxy(),
		DialContext:           t.dial,
		TLSClientConfig:       config.Clone(), // it becomes the pool's own
		TLSHandshakeTimeout:   o.TLSHandshakeTimeout,
		MaxIdleConns:          o.MaxIdleConns,
		MaxIdleConnsPerHost:   o.MaxIdleConnsPerHost,
		MaxConnsPerHost:       o.MaxConnsPerHost,
		IdleConnTimeout:       o.IdleConnTimeout,
		ExpectContinueTimeout: time.Second,
		Protocols:             &protocols,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: o.HTTP2PingInterval, PingTimeout: o.HTTP2PingTimeout},
	}
	serveSockets(pool, config.Clone, o.TLSHandshakeTimeout)
	return pool
}

// fresh makes a pool that reuses nothing, not even a connection to ask by.
func (t *Transport) fresh() *http.Transport {
	pool := t.newPool(t.pool.Load().roots)
	pool.DisableKeepAlives = true
	pool.Protocols.SetHTTP2(false)
	return pool
}

// RoundTrip implements http.RoundTripper. Unix sockets are asked by the schemes
// unix and unixs; a Client makes such URLs of its endpoints. After Close the error
// is ErrTransportClosed.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.closed.Load() {
		closeQuietly(req.Body)
		return nil, ErrTransportClosed
	}
	resp, err := t.freshlyRooted().RoundTrip(req)
	if err != nil && t.closed.Load() && req.Context().Err() == nil && !errors.Is(err, ErrTransportClosed) {
		err = fmt.Errorf("%w: %w", ErrTransportClosed, err)
	}
	return resp, err
}

// freshlyRooted gives the pool, a new one when the file of the authorities has
// changed.
func (t *Transport) freshlyRooted() *http.Transport {
	if t.roots != nil {
		t.roots.complaints.note(t.roots.reload(func(roots *x509.CertPool) {
			old := t.pool.Swap(&rootedPool{t.newPool(roots), roots})
			old.CloseIdleConnections()
		}))
	}
	return t.pool.Load().Transport
}

// CloseIdleConnections closes the connections on which nothing is under way.
func (t *Transport) CloseIdleConnections() { t.pool.Load().CloseIdleConnections() }

// Close closes all connections, those on which something is under way too, which
// then fails. It returns nil, the second time as well.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed.Store(true)
	conns := t.conns
	t.conns = nil
	t.mu.Unlock()
	t.end()
	t.CloseIdleConnections()
	for conn := range conns {
		closeQuietly(conn)
	}
	return nil
}

// dial makes a connection that ends with t.
func (t *Transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)() //nolint:contextcheck // whichever ends first
	conn, err := t.dialer.DialContext(ctx, network, address)
	if err != nil {
		if t.closed.Load() {
			return nil, ErrTransportClosed
		}
		return nil, err
	}
	own := &ownConn{Conn: conn, owner: t}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		closeQuietly(conn)
		return nil, ErrTransportClosed
	}
	t.conns[own] = struct{}{}
	return own, nil
}

// ownConn is a connection that its owner closes when it is closed itself.
type ownConn struct {
	net.Conn
	owner *Transport
}

// Close implements net.Conn.
func (c *ownConn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
