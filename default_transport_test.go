package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// pipeListener accepts the connections that dial makes, all in memory.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	gone  atomic.Bool // what is sent by connections gets lost
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.done); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return lossyConn{here, &l.gone}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lossyConn loses what is written once its network is gone.
type lossyConn struct {
	net.Conn
	gone *atomic.Bool
}

func (c lossyConn) Write(p []byte) (int, error) {
	if c.gone.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// An HTTP/2 connection of a clone of DefaultTransport, as the documentation
// recommends it, that has lost its network ends within 15 seconds, and the next call
// makes a new one.
func TestDefaultTransport_leavesADeadHTTP2Connection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := newAuthority(t, "ca")
		serverPair := ca.pair(t, "etcd.example")
		listener := newPipeListener()
		server := &http.Server{
			TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{serverPair}},
			ErrorLog:  log.New(io.Discard, "", 0),
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				if req.ProtoMajor != 2 {
					t.Errorf("got %s", req.Proto)
				}
				if req.URL.Path == "/hang" {
					<-req.Context().Done()
				}
			}),
		}
		go server.ServeTLS(listener, "", "")

		transport := client.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: ca.pool()}
		transport.DialContext = listener.dial
		if _, err := fetch(t.Context(), transport, "https://etcd.example/"); err != nil {
			t.Fatal(err)
		}
		listener.gone.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := fetch(ctx, transport, "https://etcd.example/hang"); err == nil || errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 16*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		listener.gone.Store(false)
		if _, err := fetch(ctx, transport, "https://etcd.example/"); err != nil {
			t.Errorf("on a new connection: %v", err)
		}
		transport.CloseIdleConnections()
		server.Close()
	})
}
