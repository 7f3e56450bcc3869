package harness

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// Servers returns the server programs that serve the v2 API: etcd 3.5, which
// is built if need be, and the installed 3.4. Without an installed 3.4 the
// tests run on 3.5 alone, and fail where ETCD_REQUIRE_34=1 is set.
func Servers(tb testing.TB) []Server {
	tb.Helper()
	ctx := tb.Context()
	etcd35, err := BuildEtcd35(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	return append([]Server{etcd35}, installed(tb)...)
}

// ServersV3 returns the server programs that serve the v3 API: etcd 3.5, 3.6 and
// 3.7, which are built one after the other if need be, and the installed 3.4,
// for which the same holds as in [Servers].
func ServersV3(tb testing.TB) []Server {
	tb.Helper()
	servers := installed(tb)
	for _, build := range []func(context.Context) (Server, error){BuildEtcd35, BuildEtcd36, BuildEtcd37} {
		s, err := build(tb.Context())
		if err != nil {
			tb.Fatal(err)
		}
		servers = append(servers, s)
	}
	return servers
}

// installed returns the installed etcd 3.4, or nothing where it may be missing.
func installed(tb testing.TB) []Server {
	tb.Helper()
	etcd34, err := InstalledEtcd34(tb.Context())
	switch {
	case err == nil:
		return []Server{etcd34}
	case errors.Is(err, ErrNoInstalledServer) && os.Getenv("ETCD_REQUIRE_34") != "1":
		tb.Log(err)
	default:
		tb.Fatal(err)
	}
	return nil
}

// Start starts a cluster that ends with the test. The ends of the members' logs
// are printed when the test fails.
func Start(tb testing.TB, s Server, o Options) *Cluster {
	tb.Helper()
	o.Dir = tb.TempDir()
	c, err := StartCluster(tb.Context(), s, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Log(c.Logs())
		}
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// WaitFor calls try again and again until it returns nil, and fails the test
// when that takes longer than timeout.
func WaitFor(tb testing.TB, timeout time.Duration, try func() error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	if err := Until(ctx, func(context.Context) error { return try() }); err != nil {
		tb.Fatalf("after %v: %v", timeout, err)
	}
}

// UseDNS answers the look-ups of [net.DefaultResolver] from records until the
// test ends. Such a test must not run in parallel with others, nor replace that
// resolver.
func UseDNS(tb testing.TB, records DNSRecords) *DNSServer {
	tb.Helper()
	s, err := StartDNS(tb.Context(), records)
	if err != nil {
		tb.Fatal(err)
	}
	dnsInUse.Store(s)
	tb.Cleanup(func() {
		dnsInUse.Store(nil)
		s.Close()
	})
	return s
}

// dnsInUse is what answers net.DefaultResolver; nil: who answers elsewhere. The
// resolver itself is replaced before anything runs, for a probe of an earlier
// test's client may still look at it at any time.
var dnsInUse = takeOverDNS() //nolint:gochecknoglobals // So is net.DefaultResolver.

func takeOverDNS() *atomic.Pointer[DNSServer] {
	inUse := new(atomic.Pointer[DNSServer])
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if s := inUse.Load(); s != nil {
				return s.dial(ctx, network)
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	return inUse
}
