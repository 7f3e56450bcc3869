package client

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// attemptDelay is how long one address of a host has before the next is tried as
// well (RFC 8305, "Connection Attempt Delay", with the delay of net.Dialer).
const attemptDelay = 300 * time.Millisecond

// dialFunc opens a connection.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// hostDialer opens connections to hosts with several addresses, some of which may
// be dead. net.Dialer tries the addresses of one family one after the other, each
// for its share of the time-out.
type hostDialer struct {
	timeout time.Duration
	lookup  func(ctx context.Context, host string) ([]netip.Addr, error)
	connect dialFunc // to one address
}

func newHostDialer(timeout time.Duration, keepAlive net.KeepAliveConfig) *hostDialer {
	d := &net.Dialer{Timeout: timeout, KeepAliveConfig: keepAlive}
	return &hostDialer{
		timeout: timeout,
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		connect: d.DialContext,
	}
}

// dial opens a connection to the first address of the host that answers. Its error
// is that of net.Dialer.
func (d *hostDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || network != "tcp" {
		return d.connect(ctx, network, address)
	}
	if _, isAddress := addressOf(host); isAddress {
		return d.connect(ctx, network, address)
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	addrs, err := d.lookup(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if len(addrs) == 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: &net.AddrError{Err: "no suitable address", Addr: host}}
	}
	return d.race(ctx, network, port, alternated(addrs))
}

// race starts with the next address when one fails, or after attemptDelay.
func (d *hostDialer) race(ctx context.Context, network, port string, addrs []netip.Addr) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result, len(addrs))
	started, pending := 0, 0
	delay := time.NewTimer(attemptDelay)
	defer delay.Stop()
	start := func() {
		address := net.JoinHostPort(addrs[started].String(), port)
		started, pending = started+1, pending+1
		delay.Reset(attemptDelay)
		go func() { // ends with ctx, and never blocks
			conn, err := d.connect(ctx, network, address)
			results <- result{conn, err}
		}()
	}
	start()
	var first error
	for pending > 0 {
		var next <-chan time.Time
		if started < len(addrs) {
			next = delay.C
		}
		select {
		case <-next:
			start()
		case r := <-results:
			pending--
			if r.err == nil {
				go func() { // ends as soon as the others do
					for range pending {
						if late := <-results; late.err == nil {
							closeQuietly(late.conn)
						}
					}
				}()
				return r.conn, nil
			}
			if first == nil {
				first = r.err
			}
			if started < len(addrs) && ctx.Err() == nil {
				start()
			}
		}
	}
	return nil, first
}

// alternated returns the addresses in their order, by turns of the two families.
func alternated(addrs []netip.Addr) []netip.Addr {
	var families [2][]netip.Addr
	for _, addr := range addrs {
		addr = addr.Unmap()
		i := 0
		if addr.Is4() != addrs[0].Unmap().Is4() {
			i = 1
		}
		families[i] = append(families[i], addr)
	}
	var all []netip.Addr
	for i := range max(len(families[0]), len(families[1])) {
		for _, family := range families {
			if i < len(family) {
				all = append(all, family[i])
			}
		}
	}
	return all
}
