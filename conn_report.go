package client

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"
)

// urlBuffer is room for the URL of a request.
type urlBuffer = url.URL

// connReport is what the transport reports of the connection of one attempt, by
// the hooks of package httptrace.
//
// A request was not sent only where a connection was asked for (GetConn) and none
// was handed over (GotConn): the look-up, the dial, the TLS handshake or the proxy
// failed. A transport that tries again by itself may have sent the request on its
// first connection, so one connection is enough to count as sent, and so is a
// transport that reports nothing. Only of net/http's own is it known that it asks
// for a second connection for a write when the first has taken not one byte.
type connReport struct {
	isNetHTTP bool // the transport is net/http's, and nothing is around it

	mu     sync.Mutex // guards the fields below
	asked  time.Time  // when a connection was last asked for; zero: never
	opened bool       // one was handed over
	health *endpointHealth
	hooks  httptrace.ClientTrace
}

// observe returns ctx with hooks that report to a, besides those of the caller.
func (a *attempt) observe(ctx context.Context) context.Context {
	switch a.exchange.transport.(type) {
	case *http.Transport, *Transport:
		a.conn.isNetHTTP = true
	}
	a.conn.hooks = httptrace.ClientTrace{GetConn: a.conn.onGetConn, GotConn: a.conn.onGotConn}
	return httptrace.WithClientTrace(ctx, &a.conn.hooks)
}

func (c *connReport) onGetConn(string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = time.Now()
	if c.isNetHTTP {
		c.opened = false
	}
}

func (c *connReport) onGotConn(info httptrace.GotConnInfo) {
	c.mu.Lock()
	c.opened = true
	took, health := time.Since(c.asked), c.health
	c.mu.Unlock()
	if !info.Reused && health != nil {
		health.onDial(took)
	}
}

// maySent reports whether a part of the request may have left.
func (c *connReport) maySent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened || c.asked.IsZero()
}

// isOpen reports whether the request is known to have a connection.
func (c *connReport) isOpen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened
}
