package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// newTransport makes a transport that is closed with the test.
func newTransport(t *testing.T, o client.TransportOptions) *client.Transport {
	t.Helper()
	transport, err := client.NewTransport(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { transport.Close() })
	client.LookAtCAFile(transport)
	return transport
}

// fetch returns the body that a GET of the URL brings.
func fetch(ctx context.Context, transport http.RoundTripper, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// wantBody fetches by a new connection.
func wantBody(t *testing.T, transport *client.Transport, url, want string) {
	t.Helper()
	transport.CloseIdleConnections()
	if got, err := fetch(t.Context(), transport, url); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// sayPeer answers with the name in the client's certificate.
func sayPeer(w http.ResponseWriter, req *http.Request) {
	if certs := req.TLS.PeerCertificates; len(certs) > 0 {
		io.WriteString(w, certs[0].Subject.CommonName)
	}
}

// reports are what ReloadError was told.
type reports chan error

func newReports() reports { return make(reports, 100) }

func (r reports) tell(err error) { r <- err }

// want takes the one report there is, which names the field, the file and the
// reason.
func (r reports) want(t *testing.T, words ...string) {
	t.Helper()
	if len(r) != 1 {
		t.Fatalf("told %d times, want once", len(r))
	}
	wantWords(t, <-r, words...)
}

func wantWords(t *testing.T, err error, words ...string) {
	t.Helper()
	var invalid *client.InvalidInputError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %T (%v), want an *InvalidInputError", err, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestTransportReloadsTheClientCertificate(t *testing.T) {
	ca := newAuthority(t, "ca")
	pair := ca.pair(t, "")
	server := serveTLS(t, nil, func() *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool()}
	}, sayPeer)

	dir := t.TempDir()
	certPEM, keyPEM := ca.issue(t, "first")
	certFile, keyFile := write(t, dir, "cert", certPEM), write(t, dir, "key", keyPEM)
	told := newReports()
	transport := newTransport(t, client.TransportOptions{CAPEM: ca.pem, CertFile: certFile, KeyFile: keyFile, ReloadError: told.tell})
	wantBody(t, transport, server.URL, "first")

	// Half of the change is there: the last good pair is used.
	certPEM, keyPEM = ca.issue(t, "second")
	write(t, dir, "cert", certPEM)
	wantBody(t, transport, server.URL, "first")
	wantBody(t, transport, server.URL, "first")
	told.want(t, "KeyFile", keyFile, "private key does not match public key")

	// The open connection stays as it is, a new one shows the new certificate.
	write(t, dir, "key", keyPEM)
	if got, err := fetch(t.Context(), transport, server.URL); err != nil || got != "first" {
		t.Errorf("got %q, %v on the open connection", got, err)
	}
	wantBody(t, transport, server.URL, "second")

	write(t, dir, "cert", certPEM[:len(certPEM)/2])
	wantBody(t, transport, server.URL, "second")
	told.want(t, "CertFile", certFile, "breaks off")
	os.Remove(keyFile)
	write(t, dir, "cert", certPEM)
	wantBody(t, transport, server.URL, "second")
	if err := <-told; !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v of a file that is not there", err)
	}

	// Written in place, as by a shell.
	certPEM, keyPEM = ca.issue(t, "third")
	for file, content := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantBody(t, transport, server.URL, "third")
	if len(told) > 0 {
		t.Errorf("told of %v, and all was well", <-told)
	}
}

// What TLSConfig gives has the options of the transport and follows the files of the
// client certificate; it is made again for other authorities.
func TestTransportTLSConfig(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	signer := before
	server := serveTLS(t, nil, func() *tls.Config {
		return &tls.Config{
			MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{signer.pair(t, "etcd.example")},
			ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: before.pool(),
		}
	}, sayPeer)
	dir := t.TempDir()
	certPEM, keyPEM := before.issue(t, "first")
	o := client.TransportOptions{
		CAFile: write(t, dir, "ca", before.pem), CertFile: write(t, dir, "cert", certPEM), KeyFile: write(t, dir, "key", keyPEM),
		ServerName: "etcd.example", MinTLSVersion: tls.VersionTLS13,
	}
	transport := newTransport(t, o)
	config := transport.TLSConfig()
	if config.MinVersion != tls.VersionTLS13 {
		t.Errorf("got the least version %s", tls.VersionName(config.MinVersion))
	}
	peer := func(config *tls.Config) (string, error) {
		other := &http.Transport{TLSClientConfig: config.Clone(), DisableKeepAlives: true}
		return fetch(t.Context(), other, server.URL)
	}
	if got, err := peer(config); err != nil || got != "first" {
		t.Errorf("got %q, %v; want the first certificate", got, err)
	}
	certPEM, keyPEM = before.issue(t, "second")
	write(t, dir, "cert", certPEM)
	write(t, dir, "key", keyPEM)
	if got, err := peer(config); err != nil || got != "second" {
		t.Errorf("got %q, %v; want the second certificate", got, err)
	}

	signer = after
	write(t, dir, "ca", after.pem)
	var unknown x509.UnknownAuthorityError
	if _, err := peer(config); !errors.As(err, &unknown) {
		t.Errorf("got %v, want that the authority is unknown", err)
	}
	config.ServerName = "changed"
	transport.Close()
	if got, err := peer(transport.TLSConfig()); err != nil || got != "second" {
		t.Errorf("got %q, %v after the authorities have changed", got, err)
	}
}

// The clocks of file systems tick slowly: what was replaced a moment ago may look
// the same. What is old and looks the same is not read.
func TestTransportReloadsWhatLooksTheSame(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	pair := after.pair(t, "")
	server := serveTLS(t, nil, func() *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") })
	padded := bytes.Repeat([]byte("\n"), 2000)
	file := filepath.Join(t.TempDir(), "ca")
	put := func(a *authority, age time.Duration) {
		content := append(bytes.Clone(a.pem), padded...)[:2000]
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Unix(time.Now().Unix(), 0).Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	for age, trusted := range map[time.Duration]bool{0: true, time.Hour: false} {
		put(before, age)
		transport := newTransport(t, client.TransportOptions{CAFile: file})
		put(after, age)
		if _, err := fetch(t.Context(), transport, server.URL); (err == nil) != trusted {
			t.Errorf("%s old: got %v", age, err)
		}
	}
}

func TestTransportReloadsTheAuthorities(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	var serving atomic.Pointer[tls.Certificate]
	useCertificate := func(a *authority) {
		pair := a.pair(t, "")
		serving.Store(&pair)
	}
	useCertificate(before)
	server := serveTLS(t, nil, func() *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*serving.Load()}}
	}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") })

	dir := t.TempDir()
	caFile := write(t, dir, "ca", before.pem)
	told := newReports()
	transport := newTransport(t, client.TransportOptions{CAFile: caFile, ReloadError: told.tell})
	wantBody(t, transport, server.URL, "served")

	write(t, dir, "ca", after.pem[:len(after.pem)-10])
	wantBody(t, transport, server.URL, "served")
	wantBody(t, transport, server.URL, "served")
	told.want(t, "CAFile", caFile, "breaks off")

	write(t, dir, "ca", append(before.pem, after.pem...))
	wantBody(t, transport, server.URL, "served")
	useCertificate(after)
	wantBody(t, transport, server.URL, "served")

	// One that is trusted no more is not asked on a connection of before either.
	write(t, dir, "ca", before.pem)
	_, err := fetch(t.Context(), transport, server.URL)
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("got %v, want it to be of an unknown authority", err)
	}
	// Trusting is not all: the host must be right too, after a reload as before.
	write(t, dir, "ca", after.pem)
	if _, err = fetch(t.Context(), transport, strings.Replace(server.URL, "127.0.0.1", "localhost", 1)); !isHostnameError(err) {
		t.Errorf("got %v of a host that is not in the certificate", err)
	}
	wantBody(t, transport, server.URL, "served")
}

func isHostnameError(err error) bool {
	var hostname x509.HostnameError
	return errors.As(err, &hostname)
}

func TestTransportServerName(t *testing.T) {
	ca := newAuthority(t, "ca")
	pair := ca.pair(t, "etcd.example")
	server := serveTLS(t, nil, func() *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}, func(w http.ResponseWriter, req *http.Request) { io.WriteString(w, req.TLS.ServerName) })
	wantBody(t, newTransport(t, client.TransportOptions{CAPEM: ca.pem, ServerName: "etcd.example"}), server.URL, "etcd.example")
	if _, err := fetch(t.Context(), newTransport(t, client.TransportOptions{CAPEM: ca.pem}), server.URL); !isHostnameError(err) {
		t.Errorf("got %v of a host that is not in the certificate", err)
	}
	var unknown x509.UnknownAuthorityError
	if _, err := fetch(t.Context(), newTransport(t, client.TransportOptions{ServerName: "etcd.example"}), server.URL); !errors.As(err, &unknown) {
		t.Errorf("got %v of an authority that the system does not know", err)
	}
}

// A file that is dated in the future is not read in each request.
func TestTransport_CAFileOfTheFuture(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for more than a second")
	}
	ca := newAuthority(t, "ca")
	pair := ca.pair(t, "")
	server := serveTLS(t, nil, func() *tls.Config {
		return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	}, func(http.ResponseWriter, *http.Request) {})
	bundle := bytes.Repeat(append(ca.pem, '\n'), 400)
	file := write(t, t.TempDir(), "ca", bundle)
	if err := os.Chtimes(file, time.Time{}, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	transport, err := client.NewTransport(client.TransportOptions{CAFile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer transport.Close()
	bytesPerRequest := testing.Benchmark(func(b *testing.B) {
		b.Helper()
		for b.Loop() {
			if _, err := fetch(b.Context(), transport, server.URL); err != nil {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if bytesPerRequest > 50_000 {
		t.Errorf("a request costs %d bytes; the file has %d", bytesPerRequest, len(bundle))
	}
}

// After a change of the authorities a connection on which a request was under way is
// closed soon after that is done, over HTTP/1.1 and HTTP/2.
func TestTransport_closesConnectionsOfFormerAuthorities(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a second")
	}
	for _, http2 := range []bool{false, true} {
		ca := newAuthority(t, "ca")
		pair := ca.pair(t, "")
		arrived, release, closed := make(chan struct{}, 1), make(chan struct{}), make(chan struct{}, 10)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == "/slow" {
				arrived <- struct{}{}
				<-release
			}
			io.WriteString(w, req.Proto)
		}))
		server.EnableHTTP2 = http2
		server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed <- struct{}{}
			}
		}
		server.StartTLS()
		dir := t.TempDir()
		o := client.TransportOptions{CAFile: write(t, dir, "ca", ca.pem), DisableHTTP2: !http2}
		transport := newTransport(t, o)
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := fetch(t.Context(), transport, server.URL+"/slow"); err != nil {
				t.Error(err)
			}
		})
		<-arrived
		write(t, dir, "ca", append(bytes.Clone(ca.pem), newAuthority(t, "other").pem...))
		got, err := fetch(t.Context(), transport, server.URL)
		if err != nil || (got == "HTTP/2.0") != http2 {
			t.Errorf("got %s, %v", got, err)
		}
		select {
		case <-closed:
			t.Error("a connection was closed under a request")
		default:
		}
		close(release)
		all.Wait()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Errorf("HTTP/2 %v: the former connection is open", http2)
		}
		if _, err := fetch(t.Context(), transport, server.URL); err != nil || len(closed) != 0 {
			t.Errorf("the new connection is closed too: %v", err)
		}
		server.Close()
	}
}
