package harness

import (
	"context"
	"time"
)

// A Link is the network between clients and what they connect to, as a proxy of
// bytes that [StartLink] starts.
type Link struct {
	// Targets are the host:port of what is behind it. Each new connection goes to
	// the next one that accepts it.
	Targets []string
	// Delay is how long each byte takes, in each direction. The throughput is not
	// bounded by it. The first byte of a client waits for a round trip more, in
	// place of the handshake of TCP.
	Delay time.Duration
	// IdleTimeout ends connections without a byte in either direction for as
	// long, at both ends; zero means never.
	IdleTimeout time.Duration
	// SwallowAfter is the age at which a connection becomes a black hole: what
	// comes from either side is acknowledged and lost. Zero means never.
	SwallowAfter time.Duration
}

// StartLink starts a proxy on a port of its own. The caller must Close it.
func StartLink(ctx context.Context, l Link) (*Proxy, error) {
	own, err := ports.take(ctx, 1)
	if err != nil {
		return nil, err
	}
	p := &Proxy{raw: true, link: l}
	if err := p.start(ctx, own[0]); err != nil {
		ports.give(own...)
		return nil, err
	}
	p.port = own[0]
	return p, nil
}

// Addr returns the host:port at which clients find the proxy.
func (p *Proxy) Addr() string { return p.addr }

// Close ends a proxy of [StartLink] and waits for it.
func (p *Proxy) Close() {
	p.close()
	if p.port != 0 {
		ports.give(p.port)
		p.port = 0
	}
}
