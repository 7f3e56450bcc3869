package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

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
// than the interval. It returns when the look has ended, when ctx has, or after
// reloadWait.
func (r *reloader) refresh(ctx context.Context) {
	done := r.begin()
	if done == nil {
		return
	}
	var ended <-chan struct{}
	if ctx != nil { // a tls.CertificateRequestInfo that is not a handshake's has none
		ended = ctx.Done()
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
