package keystest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

const (
	firstIndex  = 3 // that of a new server with one member
	historySize = 1000

	// ClusterID is that of all Responses.
	ClusterID = "cdf818194e3a8c32"
)

// Store is a [client.KeysAPI] whose keys are in memory. It is safe for concurrent
// use. Make it with [New] and set its fields before its first request.
//
// It refuses what the server refuses, with the same [client.Error] but for the
// Endpoint, which is empty. What it returns shares no memory with it.
//
// Keys expire at their time, not up to half a second later as on a server.
type Store struct {
	// History is how many events are remembered for watches. Zero means 1,000,
	// as on a server.
	History int

	// DirUpdates makes an update of a directory renew or drop its TTL, as on etcd
	// 3.4. Otherwise it fails as on 3.5, whose 500 a client takes for an unknown
	// outcome.
	DirUpdates bool

	// Fault decides what becomes of a request. Nil means that nothing fails. It
	// is called by the goroutine of each request and may use the Store.
	Fault func(Request) Fault

	// Before is called before each request, by its goroutine, and may use the
	// Store: for writes by somebody else at the worst moment. Nil: nothing.
	Before func(Request)

	mu         sync.Mutex // guards the fields below
	root       *entry
	index      uint64
	history    []*event // the last one has the index
	soonest    time.Time
	waiting    map[*waiter]struct{}
	cuts       map[string]FaultKind
	requests   map[string]int
	quorumGets int

	late arrivals
}

var _ client.KeysAPI = (*Store)(nil)

// New makes an empty Store, at the index of a new server.
func New() *Store {
	s := &Store{
		root:  &entry{path: "/", children: map[string]*entry{}},
		index: firstIndex, waiting: map[*waiter]struct{}{}, cuts: map[string]FaultKind{}, requests: map[string]int{},
	}
	for range firstIndex { // A server's own writes, which no watch sees.
		s.history = append(s.history, &event{silent: true})
	}
	return s
}

// Get implements [client.KeysAPI]. Reads are never stale, with Quorum or without.
func (s *Store) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	var o client.GetOptions
	if opts != nil {
		o = *opts
	}
	path, err := cleanKey(key)
	if err != nil {
		return nil, err
	}
	return s.carry(ctx, Request{Op: OpGet, Key: path, Quorum: o.Quorum}, func() (*client.Response, error) { return s.get(path, o) })
}

// Set implements [client.KeysAPI].
func (s *Store) Set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	var o client.SetOptions
	if opts != nil {
		o = *opts
	}
	path, err := cleanKey(key)
	if err == nil {
		err = checkSet(key, value, &o)
	}
	if err != nil {
		return nil, err
	}
	return s.carry(ctx, Request{Op: OpSet, Key: path, Value: value, TTL: o.TTL}, func() (*client.Response, error) {
		resp, err := s.set(path, value, &o)
		if err == nil && o.NoValueOnSuccess {
			resp.Node, resp.PrevNode = nil, nil
		}
		return resp, err
	})
}

// Create implements [client.KeysAPI].
func (s *Store) Create(ctx context.Context, key, value string) (*client.Response, error) {
	return s.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevNoExist})
}

// Update implements [client.KeysAPI].
func (s *Store) Update(ctx context.Context, key, value string) (*client.Response, error) {
	return s.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevExist})
}

// CreateInOrder implements [client.KeysAPI].
func (s *Store) CreateInOrder(ctx context.Context, dir, value string, opts *client.CreateInOrderOptions) (*client.Response, error) {
	var o client.CreateInOrderOptions
	if opts != nil {
		o = *opts
	}
	path, err := cleanKey(dir)
	if err == nil {
		err = checkText("value", value)
	}
	if err != nil {
		return nil, err
	}
	return s.carry(ctx, Request{Op: OpCreateInOrder, Key: path, Value: value, TTL: o.TTL}, func() (*client.Response, error) {
		return s.create(below(path, inOrderName(s.index+1)), value, &client.SetOptions{TTL: o.TTL})
	})
}

// Delete implements [client.KeysAPI].
func (s *Store) Delete(ctx context.Context, key string, opts *client.DeleteOptions) (*client.Response, error) {
	var o client.DeleteOptions
	if opts != nil {
		o = *opts
	}
	path, err := cleanKey(key)
	if err == nil {
		err = checkText("PrevValue", o.PrevValue)
	}
	if err != nil {
		return nil, err
	}
	return s.carry(ctx, Request{Op: OpDelete, Key: path}, func() (*client.Response, error) { return s.remove(path, &o) })
}

// Index gives the index of the last write or expiry.
func (s *Store) Index() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return s.index
}

// Dump gives all nodes but the root, hidden ones too, each without Nodes, sorted by
// key. It is no request.
func (s *Store) Dump() []*client.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	var nodes []*client.Node
	s.root.visit(func(e *entry) {
		if e != s.root {
			nodes = append(nodes, e.node())
		}
	})
	slices.SortFunc(nodes, func(a, b *client.Node) int { return strings.Compare(a.Key, b.Key) })
	return nodes
}

// Requests gives how many requests there were of an operation, such as [OpGet],
// those that failed too. Each call of Watcher.Next is one.
func (s *Store) Requests(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[op]
}

// QuorumGets gives how many requests of [OpGet] asked for a quorum.
func (s *Store) QuorumGets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quorumGets
}

// Waiting gives how many calls of Watcher.Next wait for an event.
func (s *Store) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting)
}
