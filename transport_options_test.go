package client_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

func TestNewTransportRefuses(t *testing.T) {
	ca := newAuthority(t, "ca")
	certPEM, keyPEM := ca.issue(t, "joe")
	_, otherKey := ca.issue(t, "other")
	encrypted := bytes.ReplaceAll(keyPEM, []byte("EC PRIVATE"), []byte("ENCRYPTED PRIVATE"))
	dir := t.TempDir()
	cert, key, other := write(t, dir, "cert", certPEM), write(t, dir, "key", keyPEM), write(t, dir, "other", otherKey)
	locked := write(t, dir, "locked", encrypted)
	absent := filepath.Join(dir, "absent")
	half := write(t, dir, "half", ca.pem[:len(ca.pem)/2])
	rubbish := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("rubbish")})

	for name, tt := range map[string]struct {
		options client.TransportOptions
		words   []string
	}{
		"authorities that are not there":  {client.TransportOptions{CAFile: absent}, []string{"CAFile", absent, "no such file"}},
		"authorities that are a folder":   {client.TransportOptions{CAFile: dir}, []string{"CAFile", dir, "directory"}},
		"authorities that break off":      {client.TransportOptions{CAFile: half}, []string{"CAFile", half, "breaks off"}},
		"authorities that are a key":      {client.TransportOptions{CAFile: key}, []string{"CAFile", key, "no certificate"}},
		"no authorities":                  {client.TransportOptions{CAPEM: []byte{}}, []string{"CAPEM", "no certificate"}},
		"authorities that are rubbish":    {client.TransportOptions{CAPEM: rubbish}, []string{"CAPEM", "x509"}},
		"authorities twice":               {client.TransportOptions{CAFile: cert, CAPEM: ca.pem}, []string{"CAPEM", "CAFile"}},
		"a certificate that is not there": {client.TransportOptions{CertFile: absent, KeyFile: key}, []string{"CertFile", absent, "no such file"}},
		"a key that is not there":         {client.TransportOptions{CertFile: cert, KeyFile: absent}, []string{"KeyFile", absent, "no such file"}},
		"a certificate that is a key":     {client.TransportOptions{CertFile: key, KeyFile: key}, []string{"CertFile", key, "no certificate"}},
		"a key that is a certificate":     {client.TransportOptions{CertFile: cert, KeyFile: cert}, []string{"KeyFile", cert, "private key"}},
		"another's key":                   {client.TransportOptions{CertFile: cert, KeyFile: other}, []string{"KeyFile", other, "does not match"}},
		"an encrypted key":                {client.TransportOptions{CertFile: cert, KeyFile: locked}, []string{"KeyFile", locked, "encrypted"}},
		"another's key in memory":         {client.TransportOptions{CertPEM: certPEM, KeyPEM: otherKey}, []string{"KeyPEM", "does not match"}},
		"a certificate that is rubbish":   {client.TransportOptions{CertPEM: rubbish, KeyPEM: keyPEM}, []string{"CertPEM", "x509"}},
		"a certificate without a key":     {client.TransportOptions{CertFile: cert}, []string{"CertFile", "needs a KeyFile"}},
		"a key without a certificate":     {client.TransportOptions{KeyFile: key}, []string{"KeyFile", "needs a CertFile"}},
		"the same in memory":              {client.TransportOptions{CertPEM: certPEM}, []string{"CertPEM", "needs a KeyPEM"}},
		"and the other way round":         {client.TransportOptions{KeyPEM: keyPEM}, []string{"KeyPEM", "needs a CertPEM"}},
		"a certificate twice":             {client.TransportOptions{CertFile: cert, KeyFile: key, CertPEM: certPEM}, []string{"CertPEM", "CertFile"}},
		"a key twice":                     {client.TransportOptions{CertFile: cert, KeyFile: key, KeyPEM: keyPEM}, []string{"KeyPEM", "KeyFile"}},
		"a version of TLS that is none":   {client.TransportOptions{MinTLSVersion: 13}, []string{"MinTLSVersion", "TLS 1.0 to 1.3"}},
		"a negative dial":                 {client.TransportOptions{DialTimeout: -1}, []string{"DialTimeout", "negative"}},
		"a negative handshake":            {client.TransportOptions{TLSHandshakeTimeout: -time.Second}, []string{"TLSHandshakeTimeout", "-1s", "negative"}},
		"a negative idle time":            {client.TransportOptions{IdleConnTimeout: -1}, []string{"IdleConnTimeout", "negative"}},
		"a negative ping":                 {client.TransportOptions{HTTP2PingInterval: -1}, []string{"HTTP2PingInterval", "negative"}},
		"a negative ping timeout":         {client.TransportOptions{HTTP2PingTimeout: -1}, []string{"HTTP2PingTimeout", "negative"}},
		"a negative pool":                 {client.TransportOptions{MaxIdleConnsPerHost: -1}, []string{"MaxIdleConnsPerHost", "negative"}},
		"a negative pool for all":         {client.TransportOptions{MaxIdleConns: -1}, []string{"MaxIdleConns", "negative"}},
		"a negative bound":                {client.TransportOptions{MaxConnsPerHost: -1}, []string{"MaxConnsPerHost", "negative"}},
		"a proxy of another kind":         {client.TransportOptions{Proxy: parsed(t, "ftp://joe:secret@proxy")}, []string{"Proxy", "ftp://proxy", "scheme"}},
		"a proxy without a host":          {client.TransportOptions{Proxy: parsed(t, "http://joe:secret@:80")}, []string{"Proxy", "no host"}},
		"two proxies":                     {client.TransportOptions{Proxy: parsed(t, "http://proxy"), ProxyFromEnvironment: true}, []string{"ProxyFromEnvironment", "Proxy"}},
	} {
		t.Run(name, func(t *testing.T) {
			transport, err := client.NewTransport(tt.options)
			if err == nil || transport != nil {
				t.Fatalf("got %v, %v", transport, err)
			}
			wantWords(t, err, tt.words...)
			if strings.Contains(err.Error(), "no such file") != errors.Is(err, fs.ErrNotExist) {
				t.Errorf("errors.Is(%q, fs.ErrNotExist) is wrong", err)
			}
			if text := err.Error(); strings.Contains(text, "secret") || strings.Contains(text, strings.Split(string(keyPEM), "\n")[1]) {
				t.Errorf("a secret is in %q", text)
			}
		})
	}
}

func parsed(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
