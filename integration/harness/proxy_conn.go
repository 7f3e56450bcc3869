package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"
)

// A proxyConn is one connection of a client to a proxy, with the proxy's own one
// to the server, made for the first request.
type proxyConn struct {
	proxy  *Proxy
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	client net.Conn
	server net.Conn // nil before the first request
	reader *bufio.Reader

	mu       sync.Mutex // guards the fields below
	from     string     // the ID of the peer, from its X-Server-From header
	swallows bool
}

func newProxyConn(p *Proxy, client net.Conn) *proxyConn {
	c := &proxyConn{proxy: p, client: client}
	c.ctx, c.cancel = context.WithCancel(p.ctx)
	return c
}

// serve handles one request after the other until either side ends.
func (c *proxyConn) serve() {
	requests := make(chan *http.Request)
	c.proxy.serving.Go(func() { c.read(requests) })
	for open := true; open; {
		select {
		case <-c.ctx.Done():
			open = false
		case req := <-requests:
			open = c.handle(req)
		}
	}
	c.cancel()
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
	c.proxy.forget(c)
}

// read reads requests whole. While one is handled it waits for the next, and so
// finds out when the client goes away.
func (c *proxyConn) read(requests chan<- *http.Request) {
	defer c.cancel()
	r := bufio.NewReader(c.client)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		select {
		case requests <- req:
		case <-c.ctx.Done():
			return
		}
	}
}

// handle passes one request on and its answer back, or makes the fault that
// befalls it. It is false when the connection is of no more use.
func (c *proxyConn) handle(req *http.Request) bool {
	p := c.proxy
	s, fault := p.record(req)
	defer p.update(s, func(s *seen) { s.ended = time.Now() })
	c.learn(req.Header.Get("X-Server-From"))
	switch {
	case fault.Kind == Stall || c.isSwallowing():
		<-c.ctx.Done()
		return false
	case fault.Kind == ResetBeforeHeaders || c.isCut():
		c.reset()
		return false
	}
	p.update(s, func(s *seen) { s.forwarded = true })
	resp, err := c.forward(req)
	if err != nil {
		c.reset() // As the server, which is gone, did with this one's.
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	p.update(s, func(s *seen) { s.answered = true })
	if err := c.answer(resp, fault); err != nil {
		if !errors.Is(err, errCut) {
			c.reset()
		}
		c.cancel() // Close reads a body to its end, and a stream of events has none.
		return false
	}
	return !resp.Close && !req.Close
}

// forward sends the request to the server and returns its answer.
func (c *proxyConn) forward(req *http.Request) (*http.Response, error) {
	if c.server == nil {
		conn, err := c.proxy.dial(c.ctx)
		if err != nil {
			return nil, err
		}
		c.server, c.reader = conn, bufio.NewReader(conn)
		// Whoever waits for the server stops when the client is gone.
		context.AfterFunc(c.ctx, func() { _ = conn.Close() })
	}
	if err := req.Write(c.server); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.reader, req)
}

// errFault ends a connection by a fault.
var errFault = errors.New("harness: fault")

func (c *proxyConn) answer(resp *http.Response, fault Fault) error {
	switch fault.Kind {
	case LoseAnswer:
		_, err := io.Copy(io.Discard, resp.Body)
		return errors.Join(errFault, err)
	case ResetMidBody, StallMidBody:
		return c.answerHalf(resp, fault.Kind)
	case Slow:
		if err := c.wait(fault.Delay); err != nil {
			return err
		}
	case CutMidEvent, CutAfterHeader, EmptyAnswer:
		return c.answerStart(resp, fault)
	case ResetBeforeHeaders, Stall: // Handled before.
	}
	return resp.Write(toClient{c})
}

// wait returns after d, or with the error of the connection that ended first.
func (c *proxyConn) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
}

// errCut ends a connection in an orderly way.
var errCut = errors.New("harness: cut")

// answerStart passes the header, with CutMidEvent half of the first line, and with
// EmptyAnswer the end of the body.
func (c *proxyConn) answerStart(resp *http.Response, fault Fault) error {
	if err := c.wait(fault.Delay); err != nil {
		return err
	}
	start, err := httputil.DumpResponse(resp, false)
	if err != nil {
		return err
	}
	if fault.Kind == CutMidEvent {
		line, err := bufio.NewReader(resp.Body).ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		half := line[:len(line)/2]
		start = fmt.Appendf(start, "%x\r\n%s\r\n", len(half), half) // Replies of watches are chunked.
	}
	if fault.Kind == EmptyAnswer {
		start = append(start, "0\r\n\r\n"...)
	}
	if _, err := (toClient{c}).Write(start); err != nil {
		return err
	}
	return errCut
}

// answerHalf passes the header and half the body.
func (c *proxyConn) answerHalf(resp *http.Response, kind FaultKind) error {
	header, err := httputil.DumpResponse(resp, false)
	if err != nil {
		return err
	}
	whole, err := httputil.DumpResponse(resp, true)
	if err != nil {
		return err
	}
	if _, err := (toClient{c}).Write(whole[:(len(header)+len(whole))/2]); err != nil {
		return err
	}
	if kind == StallMidBody {
		<-c.ctx.Done()
	}
	return errFault
}

// toClient writes to the client unless the connection swallows.
type toClient struct{ conn *proxyConn }

// Write implements io.Writer.
func (w toClient) Write(b []byte) (int, error) {
	if w.conn.isSwallowing() {
		<-w.conn.ctx.Done()
	}
	return w.conn.client.Write(b)
}

// reset ends the connection with a RST to the client.
func (c *proxyConn) reset() {
	resetConn(c.client)
	c.cancel()
}

// resetConn closes with a RST.
func resetConn(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) //nolint:errcheck // It fails only for a connection that is gone.
	}
	_ = conn.Close()
}

func (c *proxyConn) swallow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.swallows = true
}

// loseAnswers does nothing: this kind of connection loses answers by [LoseAnswer].
func (c *proxyConn) loseAnswers() {}

func (c *proxyConn) isSwallowing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.swallows
}

// learn notes who is at the other end.
func (c *proxyConn) learn(from string) {
	if from == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from = from
}

func (c *proxyConn) isCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.proxy.cut != nil && c.proxy.cut(c.from)
}
