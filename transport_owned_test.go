package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// trustedServer is a server by TLS, and the options to trust it.
func trustedServer(t *testing.T, listener net.Listener, config *tls.Config, handler http.HandlerFunc) (*httptest.Server, client.TransportOptions) {
	t.Helper()
	ca := newAuthority(t, "ca")
	config.Certificates = []tls.Certificate{ca.pair(t, "")}
	return serveTLS(t, listener, config.Clone, handler), client.TransportOptions{CAPEM: ca.pem}
}

func TestTransportSpeaksHTTP2(t *testing.T) {
	server, options := trustedServer(t, nil, &tls.Config{MinVersion: tls.VersionTLS12}, func(w http.ResponseWriter, req *http.Request) {
		io.WriteString(w, req.Proto)
	})
	wantBody(t, newTransport(t, options), server.URL, "HTTP/2.0")
	options.DisableHTTP2 = true
	wantBody(t, newTransport(t, options), server.URL, "HTTP/1.1")
}

func TestTransportMinTLSVersion(t *testing.T) {
	server, options := trustedServer(t, nil, &tls.Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12}, func(w http.ResponseWriter, req *http.Request) {
		io.WriteString(w, tls.VersionName(req.TLS.Version))
	})
	wantBody(t, newTransport(t, options), server.URL, "TLS 1.2")
	options.MinTLSVersion = tls.VersionTLS13
	if _, err := fetch(t.Context(), newTransport(t, options), server.URL); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("got %v of a server that speaks TLS 1.2", err)
	}
}

// swallowing is a listener whose connections swallow all that comes, as those of a
// host do that is gone, once they are told to.
type swallowing struct {
	net.Listener
	gone atomic.Bool
}

func (l *swallowing) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return swallowingConn{conn, l}, err
}

type swallowingConn struct {
	net.Conn
	listener *swallowing
}

func (c swallowingConn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.listener.gone.Load() {
			return n, err
		}
	}
}

func (c swallowingConn) Write(p []byte) (int, error) {
	if c.listener.gone.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// A watch over HTTP/2 whose server is gone without a farewell ends.
func TestTransportFindsADeadPeerByPings(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &swallowing{Listener: tcp}
	began := make(chan struct{})
	server, options := trustedServer(t, listener, &tls.Config{MinVersion: tls.VersionTLS12}, func(w http.ResponseWriter, req *http.Request) {
		http.NewResponseController(w).Flush()
		close(began)
		<-req.Context().Done()
	})
	options.HTTP2PingInterval, options.HTTP2PingTimeout = 50*time.Millisecond, 50*time.Millisecond
	transport := newTransport(t, options)
	ended := make(chan error, 1)
	go func() {
		_, err := fetch(context.Background(), transport, server.URL)
		ended <- err
	}()
	<-began
	select { // its pings are answered
	case err := <-ended:
		t.Fatal(err)
	case <-time.After(300 * time.Millisecond):
	}
	listener.gone.Store(true)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "connection lost") {
		t.Errorf("got %v", err)
	}
}

func TestTransportClose(t *testing.T) {
	began := make(chan struct{}, 1)
	server, options := trustedServer(t, nil, &tls.Config{MinVersion: tls.VersionTLS12}, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/header":
			began <- struct{}{}
			<-req.Context().Done()
		case "/body":
			io.WriteString(w, "a part")
			http.NewResponseController(w).Flush()
			began <- struct{}{}
			<-req.Context().Done()
		}
	})
	for _, options.DisableHTTP2 = range []bool{true, false} {
		for path, wait := range map[string]bool{"/header": true, "/body": true, "/idle": false} {
			transport := newTransport(t, options)
			ended := make(chan error, 1)
			go func() {
				_, err := fetch(context.Background(), transport, server.URL+path)
				ended <- err
			}()
			if wait {
				<-began
			} else if err := <-ended; err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := transport.Close(); err != nil {
					t.Error(err)
				}
			}
			if wait {
				if err := <-ended; err == nil || path == "/header" && !errors.Is(err, client.ErrTransportClosed) {
					t.Errorf("%s: got %v of a request under way", path, err)
				}
			}
			wantClosed(t, transport)
		}
	}
}

// wantClosed checks that a request is refused, and what it brought is closed.
func wantClosed(t *testing.T, transport *client.Transport) {
	t.Helper()
	body := &closeCounter{Reader: strings.NewReader("value=1")}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://etcd", body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = transport.RoundTrip(req)
	if err != client.ErrTransportClosed || body.closed != 1 { //nolint:errorlint // it is given bare
		t.Errorf("got %v, and the body closed %d times", err, body.closed)
	}
	transport.CloseIdleConnections()
}

type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

// A call says why it failed, and that nothing was sent.
func TestClientOfAClosedTransport(t *testing.T) {
	transport := newTransport(t, client.TransportOptions{})
	transport.Close()
	kapi := client.NewKeysAPI(newClient(t, transport, "http://a", "unix:///b"))
	_, err := kapi.Create(t.Context(), "/a", "1")
	var failed *client.ClusterError
	if !errors.As(err, &failed) || !errors.Is(err, client.ErrTransportClosed) || errors.Is(err, client.ErrOutcomeUnknown) || len(failed.Attempts) != 2 {
		t.Errorf("got %v", err)
	}
}

// A handshake that is under way ends with the transport.
func TestTransportCloseEndsHandshakes(t *testing.T) {
	full, err := net.Listen("tcp", "127.0.0.1:0") // who accepts, and never shakes hands
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	transport := newTransport(t, client.TransportOptions{})
	go func() {
		if conn, failed := full.Accept(); failed == nil {
			defer conn.Close()
		}
		transport.Close()
	}()
	if _, err = fetch(t.Context(), transport, "https://"+full.Addr().String()); !errors.Is(err, client.ErrTransportClosed) {
		t.Errorf("got %v", err)
	}
}

func TestTransportTimeouts(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	transport := newTransport(t, client.TransportOptions{TLSHandshakeTimeout: 20 * time.Millisecond})
	if _, err = fetch(t.Context(), transport, "https://"+silent.Addr().String()); err == nil || !strings.Contains(err.Error(), "handshake timeout") {
		t.Errorf("got %v", err)
	}
	transport = newTransport(t, client.TransportOptions{DialTimeout: time.Nanosecond})
	if _, err = fetch(t.Context(), transport, "http://"+silent.Addr().String()); err == nil || !strings.Contains(err.Error(), "i/o timeout") {
		t.Errorf("got %v", err)
	}
}

// sayProxied is a proxy: it answers with the URL that it was asked for.
func sayProxied(w http.ResponseWriter, req *http.Request) {
	user, _, _ := strings.Cut(req.Header.Get("Proxy-Authorization"), " ")
	io.WriteString(w, strings.TrimSpace(user+" "+req.RequestURI))
}

func TestTransportProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(sayProxied))
	defer proxy.Close()
	u := parsed(t, strings.Replace(proxy.URL, "http://", "http://joe:secret@", 1))
	transport := newTransport(t, client.TransportOptions{Proxy: u})
	u.Host = "elsewhere" // it is the caller's
	wantBody(t, transport, "http://etcd.invalid/a", "Basic http://etcd.invalid/a")
}

// The environment is read once by a process, so it takes another one.
func TestTransportProxyFromEnvironment(t *testing.T) {
	if how, ok := os.LookupEnv("ETCD_TEST_PROXY"); ok {
		got, err := fetch(t.Context(), newTransport(t, client.TransportOptions{ProxyFromEnvironment: how == "environment"}), "http://etcd.invalid/a")
		var dns *net.DNSError
		if how == "environment" && got != "http://etcd.invalid/a" || how == "" && !errors.As(err, &dns) {
			t.Errorf("got %q, %v", got, err)
		}
		return
	}
	proxy := httptest.NewServer(http.HandlerFunc(sayProxied))
	defer proxy.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []string{"environment", ""} {
		cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestTransportProxyFromEnvironment$")
		cmd.Env = append(os.Environ(), "ETCD_TEST_PROXY="+how, "HTTP_PROXY="+proxy.URL, "NO_PROXY=", "REQUEST_METHOD=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%q: %v\n%s", how, err, out)
		}
	}
}
