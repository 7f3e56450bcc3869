package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// exchangeBy makes an exchange of a transport whose connections end with the
// test.
func exchangeBy(t *testing.T, transport *http.Transport) *exchange {
	t.Helper()
	t.Cleanup(transport.CloseIdleConnections)
	return newExchange(transport)
}

func newExchange(transport http.RoundTripper) *exchange {
	return &exchange{
		transport: transport, checkRedirect: DefaultCheckRedirect, maxBytes: defaultMaxResponseBytes, liveness: &liveness{},
	}
}

// put makes one attempt at a write, which no transport repeats by itself once a
// part of it is out.
func put(x *exchange, target string) (sent bool, err error) {
	ep, err := parseEndpoint(target)
	if err != nil {
		return false, err
	}
	act := &actionCall{action{spec: requestSpec{method: http.MethodPut, path: "/v2/keys/a"}}}
	act.setForm("value=1")
	view := &endpointView{endpointList: newEndpointList([]*endpoint{ep}, 1)}
	info := act.info()
	e := x.do(context.Background(), ep, act, &info, stallTerms{}, view)
	return e.sent, e.err
}

// refusingAddress returns an address at which nobody listens.
func refusingAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

func TestRefusedDialIsNotSent(t *testing.T) {
	sent, err := put(exchangeBy(t, &http.Transport{}), refusingAddress(t))
	if sent || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("sent %t, %v", sent, err)
	}
}

func TestUnknownHostIsNotSent(t *testing.T) {
	lookup := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "etcd", IsNotFound: true}
	}
	if sent, err := put(exchangeBy(t, &http.Transport{DialContext: lookup}), "http://etcd"); sent || err == nil {
		t.Errorf("sent %t, %v", sent, err)
	}
}

func TestRefusedProxyConnectIsNotSent(t *testing.T) {
	proxy := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	proxyURL, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	sent, err := put(exchangeBy(t, &http.Transport{Proxy: http.ProxyURL(proxyURL)}), "https://etcd:2379")
	if sent || err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("sent %t, %v", sent, err)
	}
}

func TestFailedTLSHandshakeIsNotSent(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the client that hangs up
	server.StartTLS()
	t.Cleanup(server.Close)
	if sent, err := put(exchangeBy(t, &http.Transport{}), server.URL); sent || err == nil {
		t.Errorf("sent %t, %v", sent, err)
	}
}

func TestHangingDialIsNotSent(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	x := exchangeBy(t, &http.Transport{DialContext: hang})
	x.headerTimeout = time.Millisecond
	if sent, err := put(x, "http://etcd"); sent || !errors.Is(err, ErrHeaderTimeout) {
		t.Errorf("sent %t, %v", sent, err)
	}
}

func TestResetAfterTheRequestIsSent(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0) // a reset in place of a farewell
		}
		conn.Close()
	})
	if sent, err := put(exchangeBy(t, &http.Transport{}), server.URL); !sent || err == nil {
		t.Errorf("sent %t, %v", sent, err)
	}
}

func TestHeaderTimeoutIsSent(t *testing.T) {
	server := serve(t, func(_ http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body) // only then the server sees the client leave
		<-req.Context().Done()
	})
	x := exchangeBy(t, &http.Transport{})
	x.headerTimeout = 50 * time.Millisecond
	if sent, err := put(x, server.URL); !sent || !errors.Is(err, ErrHeaderTimeout) {
		t.Errorf("sent %t, %v", sent, err)
	}
}

// staleConn is a connection whose peer is found to be gone at the next write,
// before a byte is out.
type staleConn struct {
	net.Conn
	stale *atomic.Bool
}

func (c staleConn) Write(p []byte) (int, error) {
	if c.stale.Load() {
		return 0, syscall.EPIPE
	}
	return c.Conn.Write(p)
}

func TestStaleIdleConnectionIsNotSent(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{}`) })
	var stale, refuse atomic.Bool
	dials := 0
	x := exchangeBy(t, &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		dials++
		if refuse.Load() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if dials == 1 {
			conn = staleConn{conn, &stale}
		}
		return conn, err
	}})
	if sent, err := put(x, server.URL); !sent || err != nil {
		t.Fatalf("the connection is not there to go stale: sent %t, %v", sent, err)
	}
	stale.Store(true)
	refuse.Store(true)
	if sent, err := put(x, server.URL); sent || !errors.Is(err, syscall.ECONNREFUSED) || dials != 2 {
		t.Errorf("sent %t, %v, after %d dials: the transport's second dial was refused", sent, err, dials)
	}
	refuse.Store(false)
	if sent, err := put(x, server.URL); !sent || err != nil {
		t.Errorf("sent %t, %v: the server is there again", sent, err)
	}
}

func TestSilentTransportCountsAsSent(t *testing.T) {
	tests := []struct {
		why  string
		err  error
		sent bool
	}{
		{"nothing is known", errors.New("it broke"), true},
		{"reading failed, so something was written", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{"a dial that failed may be the second", &url.Error{Op: "Put", Err: &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, true},
		{"so may a look-up", &net.DNSError{Name: "etcd"}, true},
	}
	for _, tt := range tests {
		x := newExchange(transportFunc(func(*http.Request) (*http.Response, error) { return nil, tt.err }))
		if sent, err := put(x, "http://etcd"); sent != tt.sent || !errors.Is(err, tt.err) {
			t.Errorf("%s: sent %t, %v", tt.why, sent, err)
		}
	}
	neither := newExchange(transportFunc(func(*http.Request) (*http.Response, error) { return nil, nil }))
	if sent, err := put(neither, "http://etcd"); !sent || err == nil {
		t.Errorf("neither reply nor error: sent %t, %v", sent, err)
	}
}

// A reply that comes as the time is up is closed, and the time is up.
func TestConnReport_RetryingTransport(t *testing.T) {
	// The first try was sent, and the second failed to dial: only the first counts.
	retrying := newExchange(transportFunc(func(req *http.Request) (*http.Response, error) {
		trace := httptrace.ContextClientTrace(req.Context())
		trace.GetConn("etcd:80")
		trace.GotConn(httptrace.GotConnInfo{})
		trace.GetConn("etcd:80")
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}))
	if sent, err := put(retrying, "http://etcd"); !sent || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("sent %t, %v", sent, err)
	}
}

func TestReplyAfterTheHeaderTimeoutIsClosed(t *testing.T) {
	body := &closeCounter{Reader: strings.NewReader("{}")}
	x := newExchange(transportFunc(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
	}))
	x.headerTimeout = time.Millisecond
	if sent, err := put(x, "http://etcd"); !sent || !errors.Is(err, ErrHeaderTimeout) || body.closed != 1 {
		t.Errorf("sent %t, %v, closed %d times", sent, err, body.closed)
	}
}

type closeCounter struct {
	io.Reader
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

func TestReplyOfAForeignClient(t *testing.T) {
	req := requestFor(t, http.MethodGet, "http://joe:secret@etcd:2379/base/v2/keys/a?b=c", "")
	resp := &http.Response{StatusCode: http.StatusTeapot, Header: http.Header{"X": {"y"}}, Request: req}
	r := replyOf(resp, []byte("body"))
	if r.endpoint != "http://etcd:2379" || r.status != http.StatusTeapot || r.header.Get("X") != "y" || string(r.body) != "body" {
		t.Errorf("got %+v", r)
	}
	if r = replyOf(nil, nil); r.endpoint != "" || r.status != 0 {
		t.Errorf("got %+v of nothing", r)
	}
	if r = replyOf(&http.Response{StatusCode: http.StatusOK}, nil); r.endpoint != "" || r.status != http.StatusOK {
		t.Errorf("got %+v of a response without a request", r)
	}
}

// lyingServer answers with these bytes and hangs up.
func lyingServer(t *testing.T, answer string) string {
	t.Helper()
	server := serve(t, func(w http.ResponseWriter, req *http.Request) {
		io.Copy(io.Discard, req.Body)
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		writeAll(t, buf.Writer, answer)
	})
	return server.URL
}

func writeAll(t *testing.T, w *bufio.Writer, text string) {
	t.Helper()
	if _, err := w.WriteString(text); err != nil {
		t.Error(err)
	}
	if err := w.Flush(); err != nil {
		t.Error(err)
	}
}

func TestContentLengthLies(t *testing.T) {
	x := exchangeBy(t, &http.Transport{})
	_, err := put(x, lyingServer(t, "HTTP/1.1 200 OK\r\nContent-Length: 9000000000000000000\r\n\r\n{}"))
	if !isReadError(err) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("more was promised: got %v", err)
	}
	if _, err = put(x, lyingServer(t, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{} and more")); err != nil {
		t.Errorf("less was promised: got %v", err)
	}
}
