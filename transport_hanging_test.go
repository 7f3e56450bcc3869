//go:build unix

package client_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// A CAFile on a file system that hangs holds up no request: those over TLS trust what
// was read last. A FIFO without a writer hangs its readers as such a file system does.
func TestTransport_hangingCAFile(t *testing.T) {
	ca := newAuthority(t, "ca")
	pair := ca.pair(t, "")
	secure := serveTLS(t, nil, func() *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") })
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") }))
	t.Cleanup(plain.Close)
	certPEM, keyPEM := ca.issue(t, "joe")
	dir := t.TempDir()
	o := client.TransportOptions{CAFile: write(t, dir, "ca", ca.pem), CertFile: write(t, dir, "cert", certPEM), KeyFile: write(t, dir, "key", keyPEM)}
	transport := newTransport(t, o)
	for _, file := range []string{o.CAFile, o.CertFile} {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(file, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { // lets the reader go
			if f, err := os.OpenFile(file, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
				f.Close()
			}
		})
	}
	begin := time.Now()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, url := range []string{plain.URL, secure.URL, secure.URL} {
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				if got, err := fetch(ctx, transport, url); err != nil || got != "served" {
					t.Errorf("%s: got %q, %v", url, got, err)
				}
				cancel()
				transport.CloseIdleConnections()
			}
		})
	}
	all.Wait()
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
}
