package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// What ends one call must not end another, over TCP as over sockets, though the
// means to it are used again.
func TestCallsOfOwnTransportsEndByThemselves(t *testing.T) {
	dir := socketDir(t)
	answer := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/keys/hang" {
			<-req.Context().Done()
			return
		}
		fmt.Fprintf(w, `{"action":"get","node":{"key":%q,"value":"1"}}`, req.URL.Path)
	}
	serveAt(t, dir+"/etcd", answer)
	tcp := httptest.NewServer(http.HandlerFunc(answer))
	defer tcp.Close()
	for _, endpoint := range []string{tcp.URL, "unix://" + dir + "/etcd"} {
		kapi := client.NewKeysAPI(newClient(t, newTransport(t, client.TransportOptions{}), endpoint))
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for n := range 40 {
					key := fmt.Sprintf("/k%d-%d", i, n)
					if resp, err := kapi.Get(t.Context(), key, nil); err != nil || resp.Node.Key != "/v2/keys"+key {
						t.Errorf("%s: got %+v, %v", key, resp, err)
					}
				}
			})
			all.Go(func() {
				for range 10 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					if _, err := kapi.Get(ctx, "/hang", nil); !same(err, context.DeadlineExceeded) {
						t.Errorf("a call that is not answered: %v", err)
					}
					cancel()
				}
			})
		}
		all.Wait()
	}
}

// Whether an endpoint is alive is asked on a connection of its own: one that was
// kept may be dead while the server is not.
func TestProbesOfOwnTransportsTakeAFreshConnection(t *testing.T) {
	known, probed := make(chan string, 10), make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/health":
			probed <- req.RemoteAddr
			io.WriteString(w, healthy)
		case "/v2/keys/hang":
			<-req.Context().Done()
		default:
			known <- req.RemoteAddr
			io.WriteString(w, setReply)
		}
	}))
	defer server.Close()
	kapi := client.NewKeysAPI(newClientOf(t, client.Config{
		Endpoints: []string{server.URL}, Transport: newTransport(t, client.TransportOptions{}), StallInterval: 20 * time.Millisecond,
	}))
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { kapi.Get(ctx, "/hang", nil) }) // takes a connection
	first := <-probed
	if _, err := kapi.Get(t.Context(), "/a", nil); err != nil { // leaves one idle
		t.Error(err)
	}
	if kept, second := <-known, <-probed; kept == second || first == second {
		t.Errorf("probes came from %s and %s, a call from %s", first, second, kept)
	}
	cancel()
	all.Wait()
}

// A front that speaks HTTP/2 only answers probes, each on one connection of its own,
// also where calls have used up MaxConnsPerHost.
func TestTransport_probesHTTP2Only(t *testing.T) {
	ca := newAuthority(t, "ca")
	pair := ca.pair(t, "etcd.example")
	var conns, probes atomic.Int32
	probed := make(chan struct{}, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case req.ProtoMajor != 2:
			t.Errorf("%s by %s", req.URL.Path, req.Proto)
		case req.URL.Path == "/health":
			probes.Add(1)
			io.WriteString(w, healthy)
			probed <- struct{}{}
		default:
			<-req.Context().Done()
		}
	}))
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		conns.Add(1)
		return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{pair}}, nil
	}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	closed := make(chan struct{}, 100)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.StartTLS()
	defer server.Close()

	transport := newTransport(t, client.TransportOptions{CAPEM: ca.pem, ServerName: "etcd.example", MaxConnsPerHost: 1})
	c := newClientOf(t, client.Config{Endpoints: []string{server.URL}, Transport: transport, StallInterval: 100 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := client.NewKeysAPI(c).Get(ctx, "/hang", nil)
		ended <- err
	}()
	for range 3 {
		select {
		case <-probed:
		case err := <-ended:
			t.Fatalf("given up: %v", err)
		}
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("a probe's connection stays open")
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got, want := conns.Load(), probes.Load()+1; got > want+1 || got < want {
		t.Errorf("%d connections for %d probes and a call", got, want-1)
	}
}

// What was not made by NewTransport fails, and does not panic. Nor do absurd sizes.
func TestTransport_zeroAndAbsurdValues(t *testing.T) {
	for name, transport := range map[string]*client.Transport{"zero": {}, "nil": nil} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://a", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		_, err = transport.RoundTrip(req)
		wantInvalidInput(t, err, "Transport")
		transport.CloseIdleConnections()
		if config := transport.TLSConfig(); config == nil {
			t.Errorf("%s: no TLS configuration", name)
		}
		if text := fmt.Sprintf("%v %+v", transport, transport); strings.Contains(text, "PANIC") {
			t.Error(text)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "https://b", "unix:///c"}, Transport: transport, StallInterval: time.Millisecond})
		if _, err := client.NewKeysAPI(c).Get(ctx, "/a", nil); !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
	}

	ca, dir := newAuthority(t, "ca"), t.TempDir()
	certPEM, keyPEM := ca.issue(t, "joe")
	files := newTransport(t, client.TransportOptions{CertFile: write(t, dir, "cert", certPEM), KeyFile: write(t, dir, "key", keyPEM)})
	if cert, err := files.TLSConfig().GetClientCertificate(&tls.CertificateRequestInfo{}); err != nil || cert == nil {
		t.Errorf("got %v, %v without a handshake", cert, err)
	}

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "served") }))
	defer server.Close()
	transport := newTransport(t, client.TransportOptions{
		DialTimeout: math.MaxInt64, TLSHandshakeTimeout: math.MaxInt64, KeepAlive: &net.KeepAliveConfig{Enable: true, Idle: math.MaxInt64, Interval: math.MaxInt64, Count: math.MaxInt},
		MaxIdleConnsPerHost: math.MaxInt, MaxIdleConns: math.MaxInt, IdleConnTimeout: math.MaxInt64, MaxConnsPerHost: math.MaxInt,
		HTTP2PingInterval: math.MaxInt64, HTTP2PingTimeout: math.MaxInt64,
	})
	wantBody(t, transport, strings.Replace(server.URL, "127.0.0.1", "localhost", 1), "served")
	for _, req := range []*http.Request{{}, {URL: &url.URL{}}, {URL: &url.URL{Scheme: "https", Host: "a"}}, {URL: &url.URL{Scheme: "unix", Host: "+a"}}, {URL: &url.URL{Scheme: "unixs"}, Header: http.Header{}}} {
		if _, err := transport.RoundTrip(req); err == nil {
			t.Errorf("%+v has brought a reply", req)
		}
	}
	for _, o := range []client.TransportOptions{{Proxy: &url.URL{}}, {Proxy: &url.URL{Scheme: "http"}}, {Proxy: &url.URL{Opaque: "a"}}} {
		_, err := client.NewTransport(o)
		wantInvalidInput(t, err, "Proxy")
	}
	newClientOf(t, client.Config{Endpoints: []string{"http://a"}, MaxResponseBytes: math.MaxInt64, HeaderTimeoutPerRequest: math.MaxInt64, StallInterval: math.MaxInt64})
	_, err := client.New(client.Config{Endpoints: []string{strings.Repeat("http://a", 1<<17)}})
	wantInvalidInput(t, err, "endpoint")
	_, err = client.NewFromSRV(t.Context(), client.SRV{}, client.Config{})
	wantInvalidInput(t, err, "domain")
}
