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

// handDeadline is the deadline of a call of the stage hand, which tries again.
const handDeadline = 2 * time.Second

// A stage is a cluster on which a scenario is played.
type stage struct {
	cluster *harness.Cluster
	strict  bool
	victim  *harness.Member
	// last is on whom the last step was, turns how many were on the next one.
	last  *harness.Member
	turns int
	// hand prepares and reads what callers are not to be measured by.
	hand client.Client
	keys client.KeysAPI // the hand's
	// ledgers are those of the loads, by name.
	ledgers map[string]*ledger
	loads   []Load
	index   uint64 // of the store, before the loads began
	asked   int

	mu   sync.Mutex     // guards the field below
	lost map[string]int // answers, by the path of the request
}

func newStage(c *harness.Cluster, strict bool) (*stage, error) {
	hand, err := client.New(client.Config{Endpoints: c.Endpoints()})
	if err != nil {
		return nil, err
	}
	return &stage{cluster: c, strict: strict, hand: hand, keys: client.NewKeysAPI(hand), ledgers: map[string]*ledger{}, lost: map[string]int{}}, nil
}

// eventually makes a call of the stage hand until it succeeds.
func (s *stage) eventually(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return harness.Until(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, handDeadline)
		defer cancel()
		return do(ctx)
	})
}

// leader returns the member that leads at this time.
func (s *stage) leader(ctx context.Context) (leader *harness.Member, err error) {
	err = s.eventually(ctx, func(ctx context.Context) error {
		m, askErr := client.NewMembersAPI(s.hand).Leader(ctx)
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

// choose makes a member the victim.
func (s *stage) choose(ctx context.Context, r Role) error {
	leader, err := s.leader(ctx)
	if err != nil {
		return err
	}
	s.victim = leader
	if r == Leader {
		return nil
	}
	for _, m := range s.cluster.Members() {
		if m != leader {
			s.victim = m
			break
		}
	}
	return nil
}

// newClient makes a client whose calls begin with the victim.
func (s *stage) newClient(ctx context.Context) (client.Client, error) {
	for {
		c, err := client.New(client.Config{Endpoints: s.cluster.Endpoints(), StrictWrites: s.strict})
		if err != nil {
			return nil, err
		}
		pinned, err := s.pinned(ctx, c)
		if err != nil {
			return nil, err
		}
		if pinned == s.victim {
			return c, nil
		}
	}
}

// pinned finds out with which member a client's calls begin.
func (s *stage) pinned(ctx context.Context, c client.Client) (*harness.Member, error) {
	s.asked++
	key := fmt.Sprintf("/who-%d-", s.asked)
	err := s.eventually(ctx, func(ctx context.Context) error {
		if _, err := client.NewKeysAPI(c).Get(ctx, key, nil); !client.IsKeyNotFound(err) {
			return fmt.Errorf("get of a key that is not there: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, m := range s.cluster.Members() {
		if m.Proxy().Requests(harness.Match{Method: http.MethodGet, Path: "/v2/keys" + key}) > 0 {
			return m, nil
		}
	}
	return nil, errors.New("faults: no member was asked")
}

// mayLose says which answers to the requests of a load may be lost.
func (s *stage) mayLose(l Load) func(path string) bool {
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
func (s *stage) contents(ctx context.Context, dir string) (map[string]*client.Node, error) {
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
// that their path ends with.
func (s *stage) sent(matches ...harness.Match) map[string]int {
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
