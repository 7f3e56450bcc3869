package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// startTimeout bounds the time from a start to all members healthy.
	startTimeout = 60 * time.Second
	// startTries is how often a start is tried when a chosen port is taken.
	startTries = 5
)

// errPortTaken says that another process took a port before the server did.
var errPortTaken = errors.New("harness: port taken")

// Options describe a cluster. The zero value is one member that serves v2 over
// plain HTTP.
type Options struct {
	// Members is how many members the cluster starts with; zero means one.
	Members int
	// DisableV2 starts servers that do not serve the v2 API.
	DisableV2 bool
	// TLS makes the client side https. Peers talk plain HTTP always.
	TLS *ServerTLS
	// Proxied puts a [Proxy] before each member's client port and peer port. The
	// members advertise the proxies' addresses. It does not go with TLS.
	Proxied bool
	// RawProxies is Proxied with proxies before the client ports that pass on bytes
	// of any kind, gRPC and TLS among them, and so know nothing of requests: of the
	// faults they make those of whole connections.
	RawProxies bool
	// ClientPort is where the first member serves clients, without a proxy before it;
	// zero means a port that is free. StartCluster returns an error when it is taken.
	ClientPort int
	// Flags are given to each server after those of the harness.
	Flags []string
	// Advertise is what every member tells clients in place of its own URL; an
	// empty one stands for that.
	Advertise []string
	// Dir keeps data and logs. Empty means a temporary directory, which Close removes.
	Dir string
}

func (o *Options) proxies() bool { return o.Proxied || o.RawProxies }

// A Cluster is a set of running members on loopback.
//
// Its methods, and those of its members, are for one goroutine at a time.
type Cluster struct {
	server  Server
	options Options
	dir     string
	ownDir  bool
	members []*Member
	named   int       // how many members have got a name
	files   *tlsFiles // nil before they are written, and without TLS
	health  *http.Client

	partition partition
}

// StartCluster starts a cluster and returns it when every member is healthy.
// The caller must call [Cluster.Close].
func StartCluster(ctx context.Context, s Server, o Options) (*Cluster, error) {
	if o.Proxied && o.TLS != nil {
		return nil, errors.New("harness: Proxied does not go with TLS; RawProxies do")
	}
	if o.ClientPort != 0 {
		if o.proxies() {
			return nil, errors.New("harness: ClientPort does not go with proxies")
		}
		l, err := listenOn(ctx, o.ClientPort)
		if err != nil {
			return nil, fmt.Errorf("harness: port %d can't be used: %w", o.ClientPort, err)
		}
		_ = l.Close() // Nothing came in.
	}
	o.Members = max(o.Members, 1)
	c := &Cluster{server: s, options: o, dir: o.Dir}
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "etcd-cluster-")
		if err != nil {
			return nil, fmt.Errorf("harness: %w", err)
		}
		c.dir, c.ownDir = dir, true
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: c.tlsConfig()}
	c.health = &http.Client{Transport: transport, Timeout: 2 * time.Second}

	for try := 1; ; try++ {
		err := c.start(ctx)
		if err == nil {
			return c, nil
		}
		switch {
		case ctx.Err() != nil: // The caller gave up: no word about the servers.
			return nil, errors.Join(context.Cause(ctx), c.Close())
		case try < startTries && errors.Is(err, errPortTaken):
			c.abandon()
		default:
			return nil, errors.Join(fmt.Errorf("%w\n%s", err, c.Logs()), c.Close())
		}
	}
}

// start creates the first members, starts them and waits for their health.
func (c *Cluster) start(ctx context.Context) error {
	for range c.options.Members {
		if _, err := c.NewMember(ctx); err != nil {
			return err
		}
	}
	for _, m := range c.members {
		if err := m.run(ctx, "new"); err != nil {
			return err
		}
	}
	return c.WaitHealthy(ctx)
}

// abandon forgets all members, and their data, for another try.
func (c *Cluster) abandon() {
	for _, m := range c.members {
		m.close()
		_ = os.RemoveAll(m.dataDir()) // At worst it stays until Close.
	}
	c.members, c.named = nil, 0
}

// NewMember makes a member that is not running yet, with ports of its own. Add
// its PeerURL to the cluster through the API, then call its Join.
func (c *Cluster) NewMember(ctx context.Context) (*Member, error) {
	own, err := ports.take(ctx, 4) // the last two for proxies
	if err != nil {
		return nil, err
	}
	clientPort := own[0]
	if c.named == 0 && c.options.ClientPort != 0 {
		clientPort = c.options.ClientPort
	}
	m := &Member{
		cluster:      c,
		name:         fmt.Sprintf("m%d", c.named),
		listenClient: fmt.Sprintf("%s://127.0.0.1:%d", c.scheme(), clientPort),
		listenPeer:   fmt.Sprintf("http://127.0.0.1:%d", own[1]),
		ports:        own,
	}
	m.clientURL, m.peerURL = m.listenClient, m.listenPeer
	if c.options.proxies() {
		if err := m.putProxies(ctx, own[2], own[3]); err != nil {
			ports.give(own...)
			return nil, err
		}
	}
	c.members = append(c.members, m)
	c.named++
	return m, nil
}

// Forget kills a member that was removed from the cluster through the API, and
// leaves it out of what members that join later are told.
func (c *Cluster) Forget(m *Member) {
	m.close()
	c.members = slices.DeleteFunc(slices.Clone(c.members), func(other *Member) bool { return other == m })
}

// WaitHealthy returns when every member that has not been killed is healthy.
func (c *Cluster) WaitHealthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, m := range c.members {
		if m.process == nil {
			continue
		}
		if err := m.waitHealthy(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Restart starts every member again, after killing those that run, and returns
// when all are healthy. A port that is taken for a moment is waited for.
func (c *Cluster) Restart(ctx context.Context) error {
	for _, m := range c.members {
		m.Kill()
	}
	for {
		for _, m := range c.members {
			if m.process != nil && m.process.running() {
				continue
			}
			if err := m.run(ctx, "existing"); err != nil {
				return err
			}
		}
		err := c.WaitHealthy(ctx)
		if !errors.Is(err, errPortTaken) || ctx.Err() != nil {
			return err
		}
	}
}

// Close ends all members and removes what StartCluster created. It may be
// called twice.
func (c *Cluster) Close() error {
	for _, m := range c.members {
		m.close()
	}
	c.health.CloseIdleConnections()
	if !c.ownDir {
		return nil
	}
	if err := os.RemoveAll(c.dir); err != nil {
		return fmt.Errorf("harness: %w", err)
	}
	return nil
}

// Endpoints returns the client URL of every member, killed ones included.
func (c *Cluster) Endpoints() []string {
	urls := make([]string, 0, len(c.members))
	for _, m := range c.members {
		urls = append(urls, m.clientURL)
	}
	return urls
}

// Members returns all members in the order of their start.
func (c *Cluster) Members() []*Member { return c.members }

// Member returns the i-th member, counted from zero.
func (c *Cluster) Member(i int) *Member { return c.members[i] }

// MemberAt returns the member that serves the client URL, or nil.
func (c *Cluster) MemberAt(clientURL string) *Member {
	for _, m := range c.members {
		if m.clientURL == strings.TrimSuffix(clientURL, "/") {
			return m
		}
	}
	return nil
}

// Logs returns the end of every member's log.
func (c *Cluster) Logs() string {
	var b strings.Builder
	for _, m := range c.members {
		fmt.Fprintf(&b, "--- etcd %s, member %s (%s):\n%s\n", c.server.Version, m.name, m.clientURL, m.logTail())
	}
	return b.String()
}

// tlsConfig is that of the harness itself as a client; nil without TLS.
func (c *Cluster) tlsConfig() *tls.Config {
	if c.options.TLS == nil {
		return nil
	}
	return c.options.TLS.clientConfig()
}

func (c *Cluster) scheme() string {
	if c.options.TLS != nil {
		return "https"
	}
	return "http"
}

// initialCluster is the value of --initial-cluster: every member's name and peer URL.
func (c *Cluster) initialCluster() string {
	pairs := make([]string, 0, len(c.members))
	for _, m := range c.members {
		pairs = append(pairs, m.name+"="+m.peerURL)
	}
	return strings.Join(pairs, ",")
}

// tlsFlags returns the flags of the servers' certificates, whose files are written
// once: a server may be reading them while another is started.
func (c *Cluster) tlsFlags() ([]string, error) {
	if c.options.TLS == nil {
		return nil, nil
	}
	if c.files == nil {
		files, err := c.options.TLS.write(c.dir)
		if err != nil {
			return nil, err
		}
		c.files = &files
	}
	return c.files.flags(), nil
}

// file names a file in the cluster's directory.
func (c *Cluster) file(name string) string { return filepath.Join(c.dir, name) }
