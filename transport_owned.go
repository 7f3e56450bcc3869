package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
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
			var ended <-chan struct{} // an info that is not of a handshake has no context
			if ctx := info.Context(); ctx != nil {
				ended = ctx.Done()
			}
			look.refresh(ended)
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
		t.roots.refresh(nil)
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
		t.roots.refresh(req.Context().Done())
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

// settledAfter is how old a file must be for its time to tell that it is the same:
// the clocks of file systems tick slowly, and a new file may get the number of the
// one that it replaces.
const settledAfter = 2 * time.Second

// watchedFile is a file that is looked at now and then, and read when it may be
// another than it was.
type watchedFile struct {
	field, name string

	good    os.FileInfo // of when it was read last and found good; nil: never
	settled bool        // it was old then
}

// look returns what the file is now, and whether it may be another than the one that
// was found good.
func (f *watchedFile) look() (now os.FileInfo, changed bool, err error) {
	now, err = os.Stat(f.name)
	if err != nil {
		return nil, false, f.refuse(err)
	}
	same := f.settled && os.SameFile(f.good, now) && f.good.Size() == now.Size() && f.good.ModTime().Equal(now.ModTime())
	return now, !same, nil
}

// keep notes that the file was read after this look, and is good.
func (f *watchedFile) keep(look os.FileInfo) {
	f.good, f.settled = look, time.Since(look.ModTime()) > settledAfter
}

func (f *watchedFile) content() ([]byte, error) {
	text, err := os.ReadFile(filepath.Clean(f.name))
	if err != nil {
		return nil, f.refuse(err)
	}
	return text, nil
}

// refuse returns the error of a file that can't be used for this reason.
func (f *watchedFile) refuse(err error) error {
	return &InvalidInputError{Field: f.field, Value: f.name, Reason: reasonOf(err), Err: err}
}

// reasonOf leaves out what the name of the file, which stands beside it, says.
func reasonOf(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return strings.TrimPrefix(err.Error(), "tls: ")
}

// reloadErrors reports each reason why files can't be used once, until they are good.
type reloadErrors struct {
	report func(error) // nil: to nobody

	mu   sync.Mutex // guards the field below
	last string     // empty: the files are good
}

// note reports err, unless it was the last already. Nil means that all files are good.
func (r *reloadErrors) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	r.mu.Lock()
	isNew := r.last != text
	r.last = text
	r.mu.Unlock()
	if isNew && err != nil && r.report != nil {
		r.report(err)
	}
}

const (
	// reloadInterval is how often requests look at the file of authorities.
	reloadInterval = time.Second
	// reloadWait is how long a caller waits for its look at files, which are read in
	// far less, unless the file system hangs.
	reloadWait = 250 * time.Millisecond
)

// reloader looks at files in a goroutine of its own, one look at a time, so that a
// file system that hangs holds up nobody for longer than reloadWait, and no more than
// one caller. What was read last stays in use meanwhile.
type reloader struct {
	load     func() error // looks, and stores what it reads when that is new and good
	interval time.Duration
	errors   reloadErrors

	mu      sync.Mutex // guards the fields below
	running bool
	last    time.Time // when the last look ended
}

// refresh looks at the files, unless somebody does or the last look is not longer ago
// than the interval. It returns when the look has ended, when the caller has, or after
// reloadWait.
func (r *reloader) refresh(ended <-chan struct{}) {
	done := r.begin()
	if done == nil {
		return
	}
	timer := time.NewTimer(reloadWait)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	case <-ended:
	}
}

// begin starts a look; nil: none is due.
func (r *reloader) begin() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running || r.interval > 0 && time.Since(r.last) < r.interval {
		return nil
	}
	r.running = true
	done := make(chan struct{})
	go func() { // ends with the look
		defer close(done)
		r.errors.note(r.load())
		r.mu.Lock()
		defer r.mu.Unlock()
		r.running, r.last = false, time.Now()
	}()
	return done
}

// clientPair is a client certificate in files.
type clientPair struct {
	cert, key watchedFile                     // used by one look at a time
	good      atomic.Pointer[tls.Certificate] // the last good one
}

// load reads the files when one of them has changed.
func (c *clientPair) load() error {
	// Before they are read: a change meanwhile is then seen the next time.
	cert, certChanged, err := c.cert.look()
	if err != nil {
		return err
	}
	key, keyChanged, err := c.key.look()
	if err != nil || !certChanged && !keyChanged {
		return err
	}
	certPEM, err := c.cert.content()
	if err != nil {
		return err
	}
	keyPEM, err := c.key.content()
	if err != nil {
		return err
	}
	pair, field, err := parsePair(certPEM, keyPEM)
	switch {
	case err == nil:
		c.good.Store(pair)
		c.cert.keep(cert)
		c.key.keep(key)
		return nil
	case field == "Key":
		return c.key.refuse(err)
	default:
		return c.cert.refuse(err)
	}
}

// parsePair reads a certificate and its key. An error comes with the one it is in,
// "Cert" or "Key", and quotes neither.
func parsePair(certPEM, keyPEM []byte) (pair *tls.Certificate, field string, err error) {
	if _, err = parseCertificates(certPEM); err != nil {
		return nil, "Cert", err
	}
	if bytes.Contains(keyPEM, []byte("BEGIN ENCRYPTED")) || bytes.Contains(keyPEM, []byte("4,ENCRYPTED")) {
		return nil, "Key", errors.New("it is encrypted")
	}
	parsed, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, "Key", err
	}
	return &parsed, "", nil
}

// parseCertificates reads certificates in PEM. A bundle may have some that Go
// does not know; a part that breaks off makes it a bad one as a whole.
func parseCertificates(text []byte) (*x509.CertPool, error) {
	found, usable := false, false
	var reason error
	pool := x509.NewCertPool()
	rest := text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		found = true
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			reason = err
			continue
		}
		usable = true
		pool.AddCert(cert)
	}
	switch {
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return nil, errors.New("it breaks off within a PEM block")
	case !found:
		return nil, errors.New("it has no certificate in PEM")
	case !usable:
		return nil, reason
	}
	return pool, nil
}

// authorities are certificates of authorities in a file.
type authorities struct {
	use func(*x509.CertPool) // called with what is new and good

	// Used by one look at a time.
	file watchedFile
	text []byte // the last that was good
}

// load reads the file when it has changed.
func (a *authorities) load() error {
	now, changed, err := a.file.look()
	if err != nil || !changed {
		return err
	}
	text, err := a.file.content()
	if err != nil {
		return err
	}
	if a.text != nil && bytes.Equal(text, a.text) {
		a.file.keep(now)
		return nil
	}
	pool, err := parseCertificates(text)
	if err != nil {
		return a.file.refuse(err)
	}
	a.use(pool)
	a.text = text
	a.file.keep(now)
	return nil
}
