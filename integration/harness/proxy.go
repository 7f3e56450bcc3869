package harness

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// A Proxy stands before a port of a member and makes faults, and passes on what
// it has no fault for. It speaks plain HTTP/1.1, so that it knows where a request
// begins and ends; one of [Options.RawProxies] passes on bytes, and makes the
// faults of whole connections only. It is safe for concurrent use.
type Proxy struct {
	ctx    context.Context // of all that it does; never ends
	addr   string
	target string
	// cut reports whether the traffic of the peer with this ID is cut; the ID is
	// empty for those who have not told it. Nil means never.
	cut     func(from string) bool
	raw     bool // passes on bytes, not requests
	link    Link // of a raw proxy
	port    int  // to be given back; zero: it is its member's
	serving sync.WaitGroup

	mu       sync.Mutex   // guards the fields below
	listener net.Listener // nil: connections are refused
	conns    map[passing]struct{}
	faults   []*Fault
	log      []*seen
	accepted int
	swallows bool // new connections, too
	turn     int  // of the targets of the link
}

// A passing is one connection of a client through a proxy.
type passing interface {
	serve()
	reset()
	swallow()
	loseAnswers()
	isCut() bool
}

// start listens on the port and passes on to p.target.
func (p *Proxy) start(ctx context.Context, port int) error {
	p.ctx, p.conns = context.WithoutCancel(ctx), map[passing]struct{}{}
	p.addr = fmt.Sprintf("127.0.0.1:%d", port)
	if err := p.listen(ctx, p.addr); err != nil {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return nil
}

func (p *Proxy) listen(ctx context.Context, addr string) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("harness: proxy: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = l
	p.serving.Go(func() { p.serve(l) })
	return nil
}

func (p *Proxy) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return // Closed.
		}
		c := p.pass(conn)
		p.mu.Lock()
		p.accepted++
		p.conns[c] = struct{}{}
		refuses, swallows := p.listener != l, p.swallows
		p.mu.Unlock()
		if swallows {
			c.swallow()
		}
		if refuses {
			c.reset() // It came in at the last moment.
		}
		p.serving.Go(c.serve)
	}
}

func (p *Proxy) pass(conn net.Conn) passing {
	if p.raw {
		return newRawConn(p, conn)
	}
	return newProxyConn(p, conn)
}

// Refuse ends the proxy's part: existing connections are reset, new ones refused.
func (p *Proxy) Refuse() {
	p.deafen()
	p.Reset()
}

// deafen stops listening.
func (p *Proxy) deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

// Accept ends Refuse. A port that another process has taken for an outgoing
// connection is waited for.
func (p *Proxy) Accept(ctx context.Context) error {
	p.mu.Lock()
	accepts := p.listener != nil
	p.mu.Unlock()
	if accepts {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return Until(ctx, func(ctx context.Context) error { return p.listen(ctx, p.addr) })
}

// Reset resets all existing connections.
func (p *Proxy) Reset() { p.each(passing.reset) }

// Blackhole makes all existing connections swallow what comes, from both sides,
// for ever. New ones are served.
func (p *Proxy) Blackhole() { p.each(passing.swallow) }

// BlackholeAll makes all connections, and all new ones until [Proxy.Clear],
// swallow what comes.
func (p *Proxy) BlackholeAll() {
	p.mu.Lock()
	p.swallows = true
	p.mu.Unlock()
	p.Blackhole()
}

// LoseAnswers makes all existing connections swallow what comes from the server,
// for ever, while they pass on what comes from the client: what is asked for is
// done, and nobody hears of it. New ones are served. It is for raw proxies;
// others have the fault [LoseAnswer].
func (p *Proxy) LoseAnswers() { p.each(passing.loseAnswers) }

// resetCut resets the connections whose traffic is cut.
func (p *Proxy) resetCut() {
	p.each(func(c passing) {
		if c.isCut() {
			c.reset()
		}
	})
}

func (p *Proxy) each(do func(passing)) {
	p.mu.Lock()
	conns := make([]passing, 0, len(p.conns))
	for c := range p.conns {
		conns = append(conns, c)
	}
	p.mu.Unlock()
	for _, c := range conns {
		do(c)
	}
}

func (p *Proxy) forget(c passing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// close ends the proxy and waits for it.
func (p *Proxy) close() {
	p.Refuse()
	p.serving.Wait()
}

// dialTimeout bounds how long a proxy waits for its server to accept.
const dialTimeout = 10 * time.Second

// dial connects to the target, or to the next one of the link's that accepts.
func (p *Proxy) dial(ctx context.Context) (conn net.Conn, err error) {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if len(p.link.Targets) == 0 {
		return dialer.DialContext(ctx, "tcp", p.target)
	}
	for range p.link.Targets {
		p.mu.Lock()
		target := p.link.Targets[p.turn%len(p.link.Targets)]
		p.turn++
		p.mu.Unlock()
		if conn, err = dialer.DialContext(ctx, "tcp", target); err == nil {
			return conn, nil
		}
	}
	return nil, err
}
