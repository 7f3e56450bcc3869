package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestHostDialer has hosts with dead and live addresses: 10.0.0.x drops packets,
// 10.1.0.x refuses, anything else answers after 50 ms.
func TestHostDialer(t *testing.T) {
	tests := []struct {
		addrs  string
		dialed string // in this order
		took   time.Duration
		err    string
	}{
		{addrs: "192.0.2.1", dialed: "192.0.2.1", took: 50 * time.Millisecond},
		{addrs: "10.0.0.1 192.0.2.1", dialed: "10.0.0.1 192.0.2.1", took: 350 * time.Millisecond},
		{addrs: "10.0.0.1 10.0.0.2 10.0.0.3 192.0.2.1", dialed: "10.0.0.1 10.0.0.2 10.0.0.3 192.0.2.1", took: 950 * time.Millisecond},
		{addrs: "10.1.0.1 192.0.2.1", dialed: "10.1.0.1 192.0.2.1", took: 50 * time.Millisecond},
		{addrs: "2001:db8::1 2001:db8::2 192.0.2.1", dialed: "2001:db8::1", took: 50 * time.Millisecond},
		{addrs: "10.0.0.1 10.0.0.2 2001:db8::1", dialed: "10.0.0.1 2001:db8::1", took: 350 * time.Millisecond},
		{addrs: "10.1.0.1 10.1.0.2", dialed: "10.1.0.1 10.1.0.2", err: "refused 10.1.0.1"},
		{addrs: "10.0.0.1 10.0.0.2", dialed: "10.0.0.1 10.0.0.2", took: 30 * time.Second, err: "deadline"},
		{addrs: "", err: "no suitable address"},
		{addrs: "unknown", err: "dial tcp: lookup"},
	}
	for _, tt := range tests {
		t.Run(tt.addrs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var dialed []string
				open := 0
				d := newHostDialer(defaultDialTimeout, defaultKeepAlive())
				d.lookup = func(context.Context, string) (addrs []netip.Addr, err error) {
					if tt.addrs == "unknown" {
						return nil, &net.DNSError{Err: "no such host", Name: "etcd", IsNotFound: true}
					}
					for addr := range strings.FieldsSeq(tt.addrs) {
						addrs = append(addrs, netip.MustParseAddr(addr))
					}
					return addrs, nil
				}
				d.connect = func(ctx context.Context, _, address string) (net.Conn, error) {
					host, _, _ := net.SplitHostPort(address)
					mu.Lock()
					dialed = append(dialed, host)
					mu.Unlock()
					switch {
					case strings.HasPrefix(host, "10.0."):
						<-ctx.Done()
						return nil, ctx.Err()
					case strings.HasPrefix(host, "10.1."):
						return nil, fmt.Errorf("refused %s", host)
					}
					<-time.After(50 * time.Millisecond)
					mu.Lock()
					open++
					mu.Unlock()
					here, there := net.Pipe()
					there.Close()
					return here, nil
				}
				start := time.Now()
				conn, err := d.dial(t.Context(), "tcp", "etcd:2379")
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				if conn != nil {
					conn.Close()
				}
				synctest.Wait()
				if got := strings.Join(dialed, " "); got != strings.TrimSpace(tt.dialed) {
					t.Errorf("dialed %s, want %s", got, tt.dialed)
				}
			})
		})
	}
}

// A cancelled dial leaves no connection behind, nor does one that comes too late.
func TestHostDialer_closesLateConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan string, 2)
		d := newHostDialer(defaultDialTimeout, defaultKeepAlive())
		d.lookup = func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")}, nil
		}
		d.connect = func(_ context.Context, _, address string) (net.Conn, error) { // does not look at its context
			<-time.After(time.Second)
			here, _ := net.Pipe()
			return reportingConn{here, address, closed}, nil
		}
		conn, err := d.dial(t.Context(), "tcp", "etcd:2379")
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if len(closed) != 1 || <-closed != "192.0.2.2:2379" {
			t.Error("the late connection is open")
		}
		conn.Close()
	})
}

type reportingConn struct {
	net.Conn
	address string
	closed  chan string
}

func (c reportingConn) Close() error {
	c.closed <- c.address
	return c.Conn.Close()
}

// What is one address already, or no host, is left to net.Dialer.
func TestHostDialer_addresses(t *testing.T) {
	d := newHostDialer(defaultDialTimeout, defaultKeepAlive())
	d.lookup = func(context.Context, string) ([]netip.Addr, error) {
		t.Error("looked up")
		return nil, errors.New("looked up")
	}
	var got []string
	d.connect = func(_ context.Context, network, address string) (net.Conn, error) {
		got = append(got, network+" "+address)
		return nil, nil
	}
	for _, address := range []string{"tcp 192.0.2.1:80", "tcp [::1]:80", "tcp [fe80::1%lo]:80", "tcp :80", "tcp odd", "unix /run/etcd"} {
		network, host, _ := strings.Cut(address, " ")
		if _, err := d.dial(t.Context(), network, host); err != nil || got[len(got)-1] != address {
			t.Errorf("%s: dialed %s, %v", address, got[len(got)-1], err)
		}
	}
}
