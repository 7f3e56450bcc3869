package integration

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A faultyNetwork is between one program and all members. Cut, it swallows
// what is sent, and nothing ends a connection.
type faultyNetwork struct {
	transport *http.Transport
	down, up  atomic.Bool // whether answers and requests are cut
}

func newFaultyNetwork(t *testing.T) *faultyNetwork {
	t.Helper()
	c := &faultyNetwork{}
	c.transport = &http.Transport{DialContext: c.dial}
	t.Cleanup(c.transport.CloseIdleConnections)
	return c
}

// keysBy returns the keys API of a new client that reaches the members by the
// faultyNetwork only.
func keysBy(t *testing.T, c *harness.Cluster, network *faultyNetwork) client.KeysAPI {
	t.Helper()
	return freshKeys(t, c, func(cfg *client.Config) { cfg.Transport = network.transport })
}

func (c *faultyNetwork) cut() {
	c.up.Store(true)
	c.down.Store(true)
}

// cutAnswers lets the members get what is sent.
func (c *faultyNetwork) cutAnswers() { c.down.Store(true) }

// mend is for new connections, and for those that have not been used meanwhile.
func (c *faultyNetwork) mend() {
	c.transport.CloseIdleConnections()
	c.up.Store(false)
	c.down.Store(false)
}

func (c *faultyNetwork) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.up.Load() || c.down.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &faultyConn{Conn: conn, faultyNetwork: c, closed: make(chan struct{})}, nil
}

type faultyConn struct {
	net.Conn
	faultyNetwork *faultyNetwork
	once          sync.Once
	closed        chan struct{}
}

// Read implements net.Conn.
func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.faultyNetwork.down.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

// Write implements net.Conn.
func (c *faultyConn) Write(b []byte) (int, error) {
	if c.faultyNetwork.up.Load() {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

// Close implements net.Conn.
func (c *faultyConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
