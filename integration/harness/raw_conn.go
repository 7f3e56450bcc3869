package harness

import (
	"context"
	"io"
	"net"
	"sync/atomic"
)

// A rawConn is one connection of a client through a raw proxy, with the proxy's
// own one to the server.
type rawConn struct {
	proxy  *Proxy
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	client net.Conn

	swallowsRequests, swallowsAnswers atomic.Bool
}

func newRawConn(p *Proxy, client net.Conn) *rawConn {
	c := &rawConn{proxy: p, client: client}
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	return c
}

// serve passes on bytes until either side ends. It resets the client's
// connection where the server can't be reached.
func (c *rawConn) serve() {
	defer c.proxy.forget(c)
	defer c.cancel()
	server, err := c.proxy.dial(c.ctx)
	if err != nil {
		resetConn(c.client)
		return
	}
	context.AfterFunc(c.ctx, func() {
		_ = server.Close()
		_ = c.client.Close()
	})
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		c.pass(c.client, server, &c.swallowsAnswers)
	}()
	c.pass(server, c.client, &c.swallowsRequests)
	<-answers
}

// pass copies until either connection ends, and then ends both. What comes while
// swallows holds is lost; after a loss nothing may follow, or the other side
// would read nonsense.
func (c *rawConn) pass(to io.Writer, from io.Reader, swallows *atomic.Bool) {
	defer c.cancel()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !swallows.Load() {
			if _, failed := to.Write(buffer[:n]); failed != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// reset implements passing, with a RST to the client.
func (c *rawConn) reset() {
	resetConn(c.client)
	c.cancel()
}

// swallow implements passing.
func (c *rawConn) swallow() {
	c.swallowsRequests.Store(true)
	c.swallowsAnswers.Store(true)
}

// loseAnswers implements passing.
func (c *rawConn) loseAnswers() { c.swallowsAnswers.Store(true) }

// isCut implements passing: clients are never cut off.
func (c *rawConn) isCut() bool { return false }
