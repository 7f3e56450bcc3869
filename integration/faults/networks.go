package faults

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A Network is what is between the clients of a scenario and the three members,
// and how the clients' transport is made.
type Network struct {
	Name string
	// TLS makes the members serve https. The faults are then those of whole
	// connections, and nobody counts requests but the clients.
	TLS bool
	// HTTP2 is what the transport must speak, else HTTP/1.1.
	HTTP2 bool
	// Link is before each member's proxy; nil means none.
	Link *harness.Link
	// OneAddress puts a link before all members, to which new connections go in
	// turn, and which is the clients' only endpoint.
	OneAddress bool
	// Gateways puts a gateway before each member.
	Gateways bool
	// Transport makes the transport of all clients. Nil means that they use the
	// default one.
	Transport func(n *connected) (http.RoundTripper, error)
	// QuietWatches is how many watches there are, by one client, besides the loads
	// of the scenario.
	QuietWatches int
	// CatchUp is how long watches may take to report what was written, if that is
	// longer than everywhere else.
	CatchUp time.Duration
	// Only are the scenarios that are run; nil means all that apply.
	Only []string
	// Exceptions are where the promises of scenarios don't hold.
	Exceptions []Exception
	// Short are the scenarios of the short form.
	Short []string
	// Full makes `make faults` run scenarios at their full length, else the short.
	Full bool
}

// An Exception is of some scenarios, or of all if none is named.
type Exception struct {
	Scenarios []string
	// Skip leaves the scenarios out.
	Skip bool
	// Load is whose promises the others replace; empty means all loads.
	Load string
	// MayFail is the share of calls that may fail where none may else.
	MayFail float64
	// Call and Stall replace bounds, where there are bounds.
	Call, Stall time.Duration
	// Why is the reason.
	Why string
}

// matches reports whether the exception is of the scenario.
func (x Exception) matches(scenario string) bool {
	return len(x.Scenarios) == 0 || contains(x.Scenarios, scenario)
}

// connected is a network that was started before a cluster.
type connected struct {
	Network
	tls       *harness.ServerTLS // nil without TLS
	transport http.RoundTripper  // nil: the default one
	endpoints []string
	members   map[string]*harness.Member // by endpoint; none with OneAddress
	links     []*harness.Proxy
	gateways  map[*harness.Member]*harness.Gateway
}

// newTLS makes what the servers of a cluster prove themselves by.
func newTLS() (*harness.ServerTLS, error) {
	ca, err := harness.NewCA()
	if err != nil {
		return nil, err
	}
	cert, err := ca.Issue("server")
	if err != nil {
		return nil, err
	}
	return &harness.ServerTLS{CA: ca, Cert: cert}, nil
}

// start starts a cluster, and the network before it. The caller closes both.
func (n Network) start(ctx context.Context, server harness.Server) (_ *harness.Cluster, _ *connected, err error) {
	c := &connected{Network: n, members: map[string]*harness.Member{}, gateways: map[*harness.Member]*harness.Gateway{}}
	options := harness.Options{Members: 3, Proxied: !n.TLS, RawProxies: n.TLS}
	if n.TLS {
		if c.tls, err = newTLS(); err != nil {
			return nil, nil, err
		}
		options.TLS = c.tls
	}
	cluster, err := harness.StartCluster(ctx, server, options)
	if err != nil {
		return nil, nil, err
	}
	if err := c.connect(ctx, cluster); err != nil {
		c.close()
		return nil, nil, errors.Join(err, cluster.Close())
	}
	return cluster, c, nil
}

// connect puts what the network consists of before the members.
func (c *connected) connect(ctx context.Context, cluster *harness.Cluster) error {
	var targets []string
	for _, m := range cluster.Members() {
		u, err := url.Parse(m.ClientURL())
		if err != nil {
			return err
		}
		if targets = append(targets, u.Host); c.OneAddress {
			continue
		}
		if c.Link != nil {
			if u.Host, err = c.startLink(ctx, u.Host); err != nil {
				return err
			}
		}
		endpoint := u.String()
		if c.Gateways {
			g, err := harness.StartGateway(ctx, endpoint)
			if err != nil {
				return err
			}
			c.gateways[m] = g
			endpoint = g.URL()
		}
		c.members[endpoint] = m
		c.endpoints = append(c.endpoints, endpoint)
	}
	if c.OneAddress {
		addr, err := c.startLink(ctx, targets...)
		if err != nil {
			return err
		}
		scheme := "http://"
		if c.TLS {
			scheme = "https://"
		}
		c.endpoints = []string{scheme + addr}
	}
	return c.makeTransport(ctx)
}

func (c *connected) startLink(ctx context.Context, targets ...string) (addr string, err error) {
	var l harness.Link
	if c.Link != nil {
		l = *c.Link
	}
	l.Targets = targets
	p, err := harness.StartLink(ctx, l)
	if err != nil {
		return "", err
	}
	c.links = append(c.links, p)
	return p.Addr(), nil
}

// makeTransport makes the transport, and checks that it speaks what it must.
func (c *connected) makeTransport(ctx context.Context) (err error) {
	if c.Transport != nil {
		if c.transport, err = c.Transport(c); err != nil {
			return err
		}
	}
	rt := c.transport
	if rt == nil {
		rt = client.DefaultTransport
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.endpoints[0]+"/version", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		return err
	}
	if isHTTP2 := resp.ProtoMajor == 2; isHTTP2 != c.HTTP2 {
		err = fmt.Errorf("faults: the network %q has %s", c.Name, resp.Proto)
	}
	return errors.Join(err, resp.Body.Close())
}

// options adds the authority of the servers.
func (c *connected) options(o client.TransportOptions) client.TransportOptions {
	if c.tls != nil {
		o.CAPEM = c.tls.CA.PEM()
	}
	return o
}

// memberAt returns the member behind an endpoint, nil if it is not one member.
func (c *connected) memberAt(endpoint string) *harness.Member { return c.members[endpoint] }

func (c *connected) close() {
	switch t := c.transport.(type) {
	case nil:
	case interface{ Close() error }:
		_ = t.Close() //nolint:errcheck // It returns nil.
	case interface{ CloseIdleConnections() }:
		t.CloseIdleConnections()
	}
	for _, g := range c.gateways {
		g.Close()
	}
	for _, l := range c.links {
		l.Close()
	}
}

// newTransport makes transports of client.NewTransport.
func newTransport(o client.TransportOptions) func(*connected) (http.RoundTripper, error) {
	return func(c *connected) (http.RoundTripper, error) { return client.NewTransport(c.options(o)) }
}

// clone makes a clone of the default transport that trusts the servers.
func clone(c *connected) (http.RoundTripper, error) {
	base, ok := client.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, fmt.Errorf("faults: the default transport is a %T", client.DefaultTransport)
	}
	t := base.Clone()
	if c.tls != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: c.tls.CA.Pool(), MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

// A wrapped transport closes what it wraps.
type wrapped struct {
	http.RoundTripper
	base *client.Transport
}

// Close closes the transport below.
func (w wrapped) Close() error { return w.base.Close() }

// traced wraps a transport of client.NewTransport by otelhttp.
func traced(c *connected) (http.RoundTripper, error) {
	base, err := client.NewTransport(c.options(client.TransportOptions{}))
	if err != nil {
		return nil, err
	}
	return wrapped{otelhttp.NewTransport(base), base}, nil
}
