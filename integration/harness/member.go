package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

const (
	heartbeatMillis = 50
	electionMillis  = 500 // Ten heartbeats: stable while other packages' tests load the machine.

	// noSync lets no slow disk decide a test. What a killed process wrote is there
	// all the same.
	noSync          = "--unsafe-no-fsync"
	logTailBytes    = 4 << 10
	healthBodyBytes = 64 << 10
)

// A Member is one server of a cluster.
type Member struct {
	cluster *Cluster
	name    string
	process *process // nil before the first start and after Kill

	clientURL, peerURL       string // where others find it
	listenClient, listenPeer string // where it listens: the same, unless there are proxies
	ports                    []int  // all of them; nil once they are given back
	proxy, peerProxy         *Proxy // nil without Options.Proxied or RawProxies
	id                       string // hexadecimal; known once it is healthy, and with proxies only
}

// Name returns the member's name.
func (m *Member) Name() string { return m.name }

// ClientURL returns where the member serves clients.
func (m *Member) ClientURL() string { return m.clientURL }

// DirectURL returns where the member itself listens for clients, behind the proxy
// if there is one.
func (m *Member) DirectURL() string { return m.listenClient }

// PeerURL returns where the member serves its peers.
func (m *Member) PeerURL() string { return m.peerURL }

// Proxy returns the proxy before the member's client port, or nil where there is
// none.
func (m *Member) Proxy() *Proxy { return m.proxy }

// putProxies puts proxies, on these ports, before the member.
func (m *Member) putProxies(ctx context.Context, clientPort, peerPort int) error {
	scheme := m.cluster.scheme() + "://"
	m.proxy = &Proxy{target: strings.TrimPrefix(m.listenClient, scheme), raw: m.cluster.options.RawProxies}
	if err := m.proxy.start(ctx, clientPort); err != nil {
		return err
	}
	m.peerProxy = &Proxy{
		target: strings.TrimPrefix(m.listenPeer, "http://"),
		cut:    func(from string) bool { return m.cluster.partition.cuts(from, m) },
	}
	if err := m.peerProxy.start(ctx, peerPort); err != nil {
		m.proxy.close()
		return err
	}
	m.clientURL, m.peerURL = scheme+m.proxy.addr, "http://"+m.peerProxy.addr
	return nil
}

// Kill ends the member as kill -9 does; a proxy before its client port refuses
// connections from then on. Killing a killed member does nothing.
func (m *Member) Kill() {
	if m.process == nil {
		return
	}
	if m.proxy != nil {
		m.proxy.deafen() // First, or it would accept connections for nobody.
	}
	m.process.kill()
	m.process = nil
	if m.proxy != nil {
		m.proxy.Reset()
	}
}

// openProxy lets the proxy accept connections as soon as the server does.
func (m *Member) openProxy(ctx context.Context) error {
	if m.proxy == nil {
		return nil
	}
	err := Until(ctx, func(ctx context.Context) error {
		conn, err := m.proxy.dial(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		return err
	}
	return m.proxy.Accept(ctx)
}

// Ended returns a channel that is closed when the member's server has ended. The
// member must be running.
func (m *Member) Ended() <-chan struct{} { return m.process.ended }

// close kills the member, ends its proxies and gives its ports back.
func (m *Member) close() {
	m.Kill()
	if m.proxy != nil {
		m.proxy.close()
		m.peerProxy.close()
	}
	ports.give(m.ports...)
	m.ports = nil
}

// Stop makes the member stand still (SIGSTOP): the kernel still accepts
// connections for it, and nothing answers.
func (m *Member) Stop() error { return m.onProcess((*process).stop) }

// Cont lets a stopped member go on (SIGCONT).
func (m *Member) Cont() error { return m.onProcess((*process).cont) }

func (m *Member) onProcess(do func(*process) error) error {
	if m.process == nil {
		return fmt.Errorf("harness: member %s is not running", m.name)
	}
	return do(m.process)
}

// Restart starts the member again on its ports and its data, after killing it
// if need be, and returns when it is healthy.
func (m *Member) Restart(ctx context.Context) error {
	m.Kill()
	return m.runUntilHealthy(ctx)
}

// Join starts a member made by [Cluster.NewMember] after its PeerURL was added
// to the cluster, and returns when it is healthy.
func (m *Member) Join(ctx context.Context) error { return m.runUntilHealthy(ctx) }

// runUntilHealthy starts the member as one of an existing cluster. A port that
// is taken for a moment, by an outgoing connection of another process, is waited for.
func (m *Member) runUntilHealthy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if err := m.run(ctx, "existing"); err != nil {
			return err
		}
		err := m.waitHealthy(ctx)
		if !errors.Is(err, errPortTaken) || ctx.Err() != nil {
			return err
		}
		m.Kill()
	}
}

// run starts the server. State is "new" or "existing", as etcd means it.
func (m *Member) run(ctx context.Context, state string) error {
	c := m.cluster
	advertise := slices.Clone(c.options.Advertise)
	if len(advertise) == 0 {
		advertise = []string{""}
	}
	for i, u := range advertise {
		if u == "" {
			advertise[i] = m.clientURL
		}
	}
	args := []string{
		"--name", m.name,
		"--data-dir", m.dataDir(),
		"--listen-client-urls", m.listenClient,
		"--advertise-client-urls", strings.Join(advertise, ","),
		"--listen-peer-urls", m.listenPeer,
		"--initial-advertise-peer-urls", m.peerURL,
		"--initial-cluster", c.initialCluster(),
		"--initial-cluster-state", state,
		"--heartbeat-interval", strconv.Itoa(heartbeatMillis),
		"--election-timeout", strconv.Itoa(electionMillis),
		"--strict-reconfig-check=false", // Or changes of members are refused in the first five seconds.
		noSync,
	}
	if c.server.knowsV2() {
		args = append(args, "--enable-v2="+strconv.FormatBool(!c.options.DisableV2))
	}
	tlsFlags, err := c.tlsFlags()
	if err != nil {
		return err
	}
	args = append(args, tlsFlags...)
	p, err := startProcess(ctx, m.logFile(), c.server.Path, append(args, c.options.Flags...)...)
	if err != nil {
		return err
	}
	m.process = p
	return nil
}

// waitHealthy returns when the member takes requests, and at
// once when its server ends.
func (m *Member) waitHealthy(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := m.process.ended
	go func() {
		select {
		case <-ended:
			cancel(fmt.Errorf("harness: member %s ended", m.name))
		case <-ctx.Done():
		}
	}()
	err := m.openProxy(ctx)
	if err == nil {
		err = Until(ctx, m.healthy)
	}
	if err == nil {
		return m.learnID(ctx)
	}
	if !m.process.running() && bytes.Contains(m.logTail(), []byte("address already in use")) {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return fmt.Errorf("harness: member %s is not healthy: %w", m.name, err)
}

// healthy asks the member once for its health, and whether its cluster has
// settled on a version, before which it refuses some requests.
func (m *Member) healthy(ctx context.Context) error {
	var health struct {
		Health any `json:"health"` // "true", or true in some builds.
	}
	if err := m.askJSON(ctx, http.MethodGet, "/health", &health); err != nil {
		return err
	}
	if fmt.Sprint(health.Health) != "true" {
		return fmt.Errorf("health is %v", health.Health)
	}
	var version struct {
		Cluster string `json:"etcdcluster"`
	}
	if err := m.askJSON(ctx, http.MethodGet, "/version", &version); err != nil {
		return err
	}
	if version.Cluster == "" || version.Cluster == "not_decided" {
		return fmt.Errorf("cluster version is %q", version.Cluster)
	}
	return nil
}

// askJSON sends a request that says nothing more: {} where it has a body.
func (m *Member) askJSON(ctx context.Context, method, path string, into any) error {
	var body io.Reader = http.NoBody
	if method != http.MethodGet {
		body = strings.NewReader("{}")
	}
	req, err := http.NewRequestWithContext(ctx, method, m.listenClient+path, body)
	if err != nil {
		return err
	}
	resp, err := m.cluster.health.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // Only read from.
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, healthBodyBytes)).Decode(into)
}

// logTail returns the end of the member's log.
func (m *Member) logTail() []byte {
	log, err := os.ReadFile(m.logFile())
	if err != nil {
		return []byte(err.Error())
	}
	return log[max(0, len(log)-logTailBytes):]
}

func (m *Member) logFile() string { return m.cluster.file(m.name + ".log") }

func (m *Member) dataDir() string { return m.cluster.file(m.name) }
