package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// fixtureDeadline is the deadline of a call of the fixture client, which tries
// again.
const fixtureDeadline = 2 * time.Second

// An env is what a scenario is run on: a cluster and the network before it.
type env struct {
	cluster   *harness.Cluster
	network   *connected
	strict    bool
	pinned    *harness.Member // by all clients, at first
	last      *harness.Member // the target of the step before
	turns     int             // how many steps had the target Next
	fixture   client.Client   // prepares and reads what is not measured
	keys      client.KeysAPI  // the fixture's
	ledgers   map[string]*ledger
	loads     []Load
	clients   []client.Client // of the loads
	index     uint64          // of the store, before the loads began
	asked     int
	ownConns  *client.Transport // the fixture's
	sentinels int               // how often writeSentinel was called
	mayElect  bool              // a step stopped a member or cut it off

	mu   sync.Mutex     // guards the field below
	lost map[string]int // answers, by the path of the request
}

func newEnv(c *harness.Cluster, n *connected, strict bool) (*env, error) {
	// The fixture asks the members themselves: faults are for the callers.
	transport, err := client.NewTransport(n.options(client.TransportOptions{}))
	if err != nil {
		return nil, err
	}
	var direct []string
	for _, m := range c.Members() {
		direct = append(direct, m.DirectURL())
	}
	fixture, err := client.New(client.Config{Endpoints: direct, Transport: transport})
	if err != nil {
		return nil, err
	}
	return &env{
		cluster: c, network: n, strict: strict, fixture: fixture, ownConns: transport, keys: client.NewKeysAPI(fixture),
		ledgers: map[string]*ledger{}, lost: map[string]int{},
	}, nil
}

func (s *env) close() error { return s.ownConns.Close() }

// eventually makes a call of the fixture client until it succeeds.
func (s *env) eventually(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return harness.Until(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, fixtureDeadline)
		defer cancel()
		return do(ctx)
	})
}

// leader returns the member that leads at this time.
func (s *env) leader(ctx context.Context) (leader *harness.Member, err error) {
	err = s.eventually(ctx, func(ctx context.Context) error {
		m, askErr := client.NewMembersAPI(s.fixture).Leader(ctx)
		if askErr != nil {
			return askErr
		}
		for _, url := range m.ClientURLs {
			if leader = s.cluster.MemberAt(url); leader != nil {
				return nil
			}
		}
		return fmt.Errorf("the leader %v is none of the members", m.ClientURLs)
	})
	return leader, err
}

// choose chooses the member that clients begin with.
func (s *env) choose(ctx context.Context, r Role) error {
	leader, err := s.leader(ctx)
	if err != nil {
		return err
	}
	s.pinned = leader
	if r == Leader {
		return nil
	}
	for _, m := range s.cluster.Members() {
		if m != leader {
			s.pinned = m
			break
		}
	}
	return nil
}

// newClient makes a client whose calls begin with the pinned member, unless all
// members have one address.
func (s *env) newClient(ctx context.Context) (client.Client, error) {
	for {
		c, err := client.New(client.Config{Endpoints: s.network.endpoints, Transport: s.network.transport, StrictWrites: s.strict})
		if err != nil {
			return nil, err
		}
		endpoint, err := s.firstEndpoint(ctx, c)
		if err != nil {
			return nil, err
		}
		if m := s.network.memberAt(endpoint); m == s.pinned || m == nil {
			s.clients = append(s.clients, c)
			return c, nil
		}
	}
}

// firstEndpoint returns the endpoint with which a client's calls begin.
func (s *env) firstEndpoint(ctx context.Context, c client.Client) (endpoint string, err error) {
	s.asked++
	key := fmt.Sprintf("/who-%d", s.asked)
	err = s.eventually(ctx, func(ctx context.Context) error {
		ctx = client.WithTrace(ctx, &client.Trace{AttemptStart: func(a client.AttemptInfo) { endpoint = a.Endpoint }})
		if _, getErr := client.NewKeysAPI(c).Get(ctx, key, nil); !client.IsKeyNotFound(getErr) {
			return fmt.Errorf("get of a key that is not there: %w", getErr)
		}
		return nil
	})
	if err == nil && endpoint == "" {
		err = errors.New("faults: no endpoint was asked")
	}
	return endpoint, err
}

// mayLose returns a function that reports whether the answer to a request of a
// load may be lost.
func (s *env) mayLose(l Load) func(path string) bool {
	if l.AtMostOnce {
		return nil // Any.
	}
	most := len(s.cluster.Members()) - 1
	return func(path string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lost[path]++
		return s.lost[path] <= most
	}
}

// contents reads all that is below a directory, by key.
func (s *env) contents(ctx context.Context, dir string) (map[string]*client.Node, error) {
	contents := map[string]*client.Node{}
	err := s.eventually(ctx, func(ctx context.Context) error {
		resp, err := s.keys.Get(ctx, dir, &client.GetOptions{Quorum: true, Recursive: true})
		if client.IsKeyNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		collect(contents, resp.Node)
		return nil
	})
	return contents, err
}

func collect(into map[string]*client.Node, n *client.Node) {
	if !n.Dir {
		into[n.Key] = n
	}
	for _, child := range n.Nodes {
		collect(into, child)
	}
}

// sent counts the requests that were passed on to a server, by the key or name
// that their path ends with. Over TLS the proxies see none.
func (s *env) sent(matches ...harness.Match) map[string]int {
	sent := map[string]int{}
	for _, member := range s.cluster.Members() {
		for _, m := range matches {
			for path, n := range member.Proxy().ForwardedTo(m) {
				sent[path[strings.LastIndexByte(path, '/')+1:]] += n
			}
		}
	}
	return sent
}

// probes returns how many probes the clients of the loads sent, as they count
// them and as the members' proxies do, whichever is more.
func (s *env) probes() int {
	counted, seen := 0, 0
	for _, c := range s.clients {
		if stats, ok := client.StatsOf(c); ok {
			counted += int(stats.Probes)
		}
	}
	for _, m := range s.cluster.Members() {
		seen += m.Proxy().Requests(harness.Match{Method: http.MethodGet, Path: "/health"})
	}
	return max(counted, seen)
}
