package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// ErrTransportClosed means that a request was made by a [Transport] after its
// Close, or was under way then.
var ErrTransportClosed = errors.New("client: the transport is closed")

// Transport sends HTTP requests, for Transport of [Config] or an http.Client, by
// connections and certificates of its own. Make it with NewTransport, use one for
// many clients, and Close it when none is left. It may be wrapped by any other
// http.RoundTripper.
//
// It is safe for concurrent use.
type Transport struct {
	options TransportOptions
	dialer  *hostDialer
	getCert func(*tls.CertificateRequestInfo) (*tls.Certificate, error) // nil: there is none
	roots   *reloader                                                   // nil: they never change

	pool   atomic.Pointer[caPool] // nil: the Transport was not made by NewTransport
	closed atomic.Bool
	life   context.Context // ends with Close
	end    context.CancelFunc

	retired sync.WaitGroup // what closes the connections of former pools

	mu    sync.Mutex // guards the field below, setting closed, and adding to retired
	conns map[*ownConn]struct{}
}

// caPool is a pool of connections to servers that these authorities have signed.
type caPool struct {
	*http.Transport
	roots *x509.CertPool // nil: the system's
	inUse atomic.Int64   // requests until their header is there, dials, and open connections
}

// errNotMade is the error of requests by a Transport that NewTransport has not made.
var errNotMade = &InvalidInputError{Field: "Transport", Reason: "it was not made by NewTransport"}

// NewTransport returns a Transport. It reads the files and sends nothing.
//
// An option that can't be, or a file that can't be used, is an
// *InvalidInputError that names the field, the file and the reason, and wraps
// the system's error: for a file that is not there errors.Is(err,
// fs.ErrNotExist) holds. It has no part of a key.
func NewTransport(o TransportOptions) (*Transport, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	t := &Transport{options: o.withDefaults(), conns: map[*ownConn]struct{}{}}
	t.dialer = newHostDialer(t.options.DialTimeout, *t.options.KeepAlive)
	if err := t.readPair(); err != nil {
		return nil, err
	}
	t.life, t.end = context.WithCancel(context.Background())
	if err := t.readRoots(); err != nil {
		t.end()
		return nil, err
	}
	t.options.CAPEM, t.options.CertPEM, t.options.KeyPEM = nil, nil, nil // no part of t when that is printed
	return t, nil
}

// readPair reads the client certificate.
func (t *Transport) readPair() error {
	o := &t.options
	switch {
	case o.CertFile != "":
		files := &clientPair{
			cert: watchedFile{field: "CertFile", name: o.CertFile},
			key:  watchedFile{field: "KeyFile", name: o.KeyFile},
		}
		if err := files.load(); err != nil {
			return err
		}
		look := &reloader{load: files.load, errors: reloadErrors{report: o.ReloadError}}
		t.getCert = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			look.refresh(info.Context())
			return files.good.Load(), nil
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

// readRoots reads the authorities and makes the first pool.
func (t *Transport) readRoots() error {
	o := &t.options
	switch {
	case o.CAFile != "":
		file := &authorities{use: t.useRoots, file: watchedFile{field: "CAFile", name: o.CAFile}}
		if err := file.load(); err != nil {
			return err
		}
		t.roots = &reloader{load: file.load, interval: reloadInterval, errors: reloadErrors{report: o.ReloadError}}
	case o.CAPEM != nil:
		roots, err := parseCertificates(o.CAPEM)
		if err != nil {
			return &InvalidInputError{Field: "CAPEM", Reason: reasonOf(err), Err: err}
		}
		t.useRoots(roots)
	default:
		t.useRoots(nil)
	}
	return nil
}

// useRoots replaces the pool by one for these authorities.
func (t *Transport) useRoots(roots *x509.CertPool) {
	if old := t.pool.Swap(t.newPool(roots)); old != nil {
		t.retire(old)
	}
}

// retireInterval is how often the connections of a former pool are looked at.
const retireInterval = time.Second

// retire closes the connections of a former pool as they become idle, until none is
// left or t is closed.
func (t *Transport) retire(old *caPool) {
	old.CloseIdleConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		return
	}
	t.retired.Go(func() {
		ticker := time.NewTicker(retireInterval)
		defer ticker.Stop()
		for {
			select {
			case <-t.life.Done():
				return
			case <-ticker.C:
			}
			old.CloseIdleConnections()
			if old.inUse.Load() == 0 {
				return
			}
		}
	})
}

// TLSConfig returns a TLS configuration with the certificates and options of t, for
// what speaks to the same servers in another way, such as gRPC. It is the caller's to
// change, and stays of use after Close.
//
// The client certificate follows its files as that of t does. The authorities are those
// that CAFile has when TLSConfig is called: when they change, call it again.
func (t *Transport) TLSConfig() *tls.Config {
	if t == nil || t.pool.Load() == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if t.roots != nil {
		t.roots.refresh(context.Background())
	}
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

// newPool returns a pool for servers that these authorities have signed.
func (t *Transport) newPool(roots *x509.CertPool) *caPool {
	p := &caPool{roots: roots}
	config := t.tlsConfig(roots)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		return t.dial(ctx, p, network, address)
	}
	p.Transport = t.options.newPool(dial, config.Clone())
	serveSockets(p.Transport, config.Clone, t.options.TLSHandshakeTimeout)
	return p
}

// fresh returns a pool that reuses no connection, for one request by a new one. The
// protocols are those of t: a server that speaks HTTP/2 only is asked by that.
func (t *Transport) fresh() *http.Transport {
	if t == nil || t.pool.Load() == nil {
		refuse := func(context.Context, string, string) (net.Conn, error) { return nil, errNotMade }
		return &http.Transport{DialContext: refuse}
	}
	pool := t.newPool(t.pool.Load().roots).Transport
	pool.DisableKeepAlives = true
	return pool
}

// RoundTrip implements http.RoundTripper. Unix sockets are asked by the schemes
// unix and unixs; a Client makes such URLs of its endpoints. After Close the error
// is ErrTransportClosed.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	switch {
	case t == nil || t.pool.Load() == nil:
		closeQuietly(req.Body)
		return nil, errNotMade
	case t.closed.Load():
		closeQuietly(req.Body)
		if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GetConn != nil && req.URL != nil {
			trace.GetConn(req.URL.Host) // and there is none: nothing was sent
		}
		return nil, ErrTransportClosed
	}
	if t.roots != nil && t.options.mayUseTLS(req.URL) {
		t.roots.refresh(req.Context())
	}
	pool := t.currentPool()
	defer pool.inUse.Add(-1)
	resp, err := pool.RoundTrip(req)
	if err != nil && t.closed.Load() && req.Context().Err() == nil && !errors.Is(err, ErrTransportClosed) {
		err = fmt.Errorf("%w: %w", ErrTransportClosed, err)
	}
	return resp, err
}

// currentPool returns the pool for a request, which counts as a use of it.
func (t *Transport) currentPool() *caPool {
	for {
		pool := t.pool.Load()
		pool.inUse.Add(1)
		if pool == t.pool.Load() {
			return pool
		}
		pool.inUse.Add(-1) // it has been retired in between
	}
}

// CloseIdleConnections closes the connections on which nothing is under way.
func (t *Transport) CloseIdleConnections() {
	if t == nil {
		return
	}
	if pool := t.pool.Load(); pool != nil {
		pool.CloseIdleConnections()
	}
}

// Close closes all connections, those on which something is under way too, which
// then fails. It returns nil, the second time as well.
func (t *Transport) Close() error {
	if t == nil || t.pool.Load() == nil {
		return nil
	}
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
	t.retired.Wait()
	return nil
}

// dial opens a connection for the pool. It ends with t.
func (t *Transport) dial(ctx context.Context, pool *caPool, network, address string) (net.Conn, error) {
	pool.inUse.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.life, cancel)() //nolint:contextcheck // whichever ends first
	conn, err := t.dialer.dial(ctx, network, address)
	if err != nil {
		pool.inUse.Add(-1)
		if t.closed.Load() {
			return nil, ErrTransportClosed
		}
		return nil, err
	}
	own := &ownConn{Conn: conn, owner: t, pool: pool}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed.Load() {
		pool.inUse.Add(-1)
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
	pool  *caPool
}

// Close implements net.Conn.
func (c *ownConn) Close() error {
	c.owner.mu.Lock()
	if _, isOpen := c.owner.conns[c]; isOpen {
		delete(c.owner.conns, c)
		c.pool.inUse.Add(-1)
	}
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
