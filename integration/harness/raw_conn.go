package harness

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// A rawConn is one connection of a client through a raw proxy, with the proxy's
// own one to the server.
type rawConn struct {
	proxy  *Proxy
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	client net.Conn
	idle   *time.Timer // ends the connection; nil without Link.IdleTimeout

	swallowsRequests, swallowsAnswers atomic.Bool
}

func newRawConn(p *Proxy, client net.Conn) *rawConn {
	c := &rawConn{proxy: p, client: client}
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	if p.link.IdleTimeout > 0 {
		c.idle = time.AfterFunc(p.link.IdleTimeout, c.cancel)
	}
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
		if c.idle != nil {
			c.idle.Stop()
		}
	})
	link := c.proxy.link
	if link.SwallowAfter > 0 {
		swallow := time.AfterFunc(link.SwallowAfter, c.swallow)
		defer swallow.Stop()
	}
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		c.pass(c.client, server, &c.swallowsAnswers, 0)
	}()
	// The client's handshake was with this proxy; the way to the server and back
	// that it would have taken is waited for before the first byte.
	c.pass(server, c.client, &c.swallowsRequests, 2*link.Delay)
	<-answers
}

// A piece is what was read at once, and when it is due at the other end.
type piece struct {
	bytes []byte
	due   time.Time
}

// maxPieces bounds what is on its way in one direction.
const maxPieces = 1024

// pass copies until either connection ends, and then ends both. What comes while
// swallows holds is lost; after a loss nothing may follow, or the other side
// would read nonsense. Each byte arrives after the link's delay, and none sooner
// than after setup.
func (c *rawConn) pass(to io.Writer, from io.Reader, swallows *atomic.Bool, setup time.Duration) {
	defer c.cancel()
	delay := c.proxy.link.Delay
	if delay == 0 {
		c.read(from, func(b []byte) error { return c.write(to, b, swallows) })
		return
	}
	ready := time.Now().Add(setup + delay)
	pieces, written := make(chan piece, maxPieces), make(chan struct{})
	go func() {
		defer close(written)
		for p := range pieces {
			select {
			case <-time.After(time.Until(p.due)):
			case <-c.ctx.Done():
				continue
			}
			if c.write(to, p.bytes, swallows) != nil {
				c.cancel()
			}
		}
	}()
	c.read(from, func(b []byte) error {
		due := time.Now().Add(delay)
		if due.Before(ready) {
			due = ready
		}
		select {
		case pieces <- piece{append([]byte(nil), b...), due}:
			return nil
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		}
	})
	close(pieces)
	<-written // What was read before the end still arrives.
}

// read calls do with what comes, until either side has ended.
func (c *rawConn) read(from io.Reader, do func([]byte) error) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if c.idle != nil {
				c.idle.Reset(c.proxy.link.IdleTimeout)
			}
			if do(buffer[:n]) != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *rawConn) write(to io.Writer, b []byte, swallows *atomic.Bool) error {
	if swallows.Load() {
		return nil
	}
	_, err := to.Write(b)
	return err
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
