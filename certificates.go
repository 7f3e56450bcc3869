package client

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
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

// look gives what the file is now, and whether it may be another than the one that
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

// refuse makes an error of the reason why the file can't be used.
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

// complaints tells of each reason once, until all is well again.
type complaints struct {
	tell func(error) // nil: nobody

	mu   sync.Mutex // guards the field below
	last string     // empty: all is well
}

// note tells of err, or that all is well by nil.
func (c *complaints) note(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	c.mu.Lock()
	isNew := c.last != text
	c.last = text
	c.mu.Unlock()
	if isNew && err != nil && c.tell != nil {
		c.tell(err)
	}
}

// clientPair is a client certificate in files.
type clientPair struct {
	complaints complaints

	mu        sync.Mutex // guards the fields below
	cert, key watchedFile
	pair      *tls.Certificate // the last good one
}

// current gives the pair that is in the files, or the last good one when they
// can't be used.
func (c *clientPair) current() *tls.Certificate {
	pair, err := c.reload()
	c.complaints.note(err)
	return pair
}

func (c *clientPair) reload() (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Before they are read: a change meanwhile is then seen the next time.
	cert, certChanged, err := c.cert.look()
	if err != nil {
		return c.pair, err
	}
	key, keyChanged, err := c.key.look()
	if err != nil || !certChanged && !keyChanged {
		return c.pair, err
	}
	certPEM, err := c.cert.content()
	if err != nil {
		return c.pair, err
	}
	keyPEM, err := c.key.content()
	if err != nil {
		return c.pair, err
	}
	pair, field, err := parsePair(certPEM, keyPEM)
	switch {
	case err == nil:
		c.pair = pair
		c.cert.keep(cert)
		c.key.keep(key)
		return pair, nil
	case field == "Key":
		return c.pair, c.key.refuse(err)
	default:
		return c.pair, c.cert.refuse(err)
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
	complaints complaints

	mu   sync.Mutex // guards the fields below
	file watchedFile
	text []byte // the last that was good
}

// reload gives use the authorities that are in the file when it has changed, one
// change after the other.
func (a *authorities) reload(use func(*x509.CertPool)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
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
	use(pool)
	a.text = text
	a.file.keep(now)
	return nil
}
