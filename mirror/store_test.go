package mirror_test

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// store is a KeysAPI without a server: the v2 store in memory, as it was measured
// on etcd 3.4. Nothing expires but by expire.
type store struct {
	mu        sync.Mutex // guards the fields below
	root      *entry
	index     uint64
	history   []record        // all there ever were
	limit     int             // how many of them the server still has
	changed   chan struct{}   // closed with each record
	refreshes map[uint64]bool // the indexes of refreshes
	down      bool            // watches fail
}

type entry struct {
	key      string
	node     client.Node // without key and children
	children map[string]*entry
}

// record is an event as the history has it.
type record struct {
	action     string
	node, prev *client.Node
	refresh    bool
}

func newStore(limit int) *store {
	return &store{
		root:  &entry{node: client.Node{Dir: true}, children: map[string]*entry{}},
		index: 3, limit: limit, changed: make(chan struct{}), refreshes: map[uint64]bool{},
	}
}

func (s *store) Get(_ context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, err := s.find(key)
	if err != nil {
		return nil, err
	}
	depth := 1
	if opts != nil && opts.Recursive {
		depth = 1 << 20
	}
	return &client.Response{Action: "get", Node: e.copy(depth), Index: s.index}, nil
}

func (s *store) Create(ctx context.Context, key, value string) (*client.Response, error) {
	return s.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevNoExist})
}

func (s *store) Update(ctx context.Context, key, value string) (*client.Response, error) {
	return s.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevExist})
}

func (s *store) CreateInOrder(ctx context.Context, dir, value string, opts *client.CreateInOrderOptions) (*client.Response, error) {
	var o client.SetOptions
	if opts != nil {
		o.TTL = opts.TTL
	}
	o.PrevExist = client.PrevNoExist
	s.mu.Lock()
	name := fmt.Sprintf("%020d", s.index+1)
	s.mu.Unlock()
	return s.Set(ctx, path.Join(dir, name), value, &o)
}

func (s *store) Set(_ context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if opts == nil {
		opts = &client.SetOptions{}
	}
	e, err := s.find(key)
	exists := err == nil
	compares := opts.PrevValue != "" || opts.PrevIndex != 0
	switch {
	case path.Clean("/"+key) == "/":
		return nil, s.refuse(client.ErrorCodeRootROnly, key)
	case !exists && (compares || opts.PrevExist == client.PrevExist || !client.IsKeyNotFound(err)):
		return nil, err
	case exists && opts.PrevExist == client.PrevNoExist:
		return nil, s.refuse(client.ErrorCodeNodeExist, key)
	case exists && e.node.Dir && (compares || value != "" || opts.PrevExist != client.PrevExist):
		return nil, s.refuse(client.ErrorCodeNotFile, key)
	case compares && (opts.PrevValue != "" && opts.PrevValue != e.node.Value || opts.PrevIndex != 0 && opts.PrevIndex != e.node.ModifiedIndex):
		return nil, s.refuse(client.ErrorCodeTestFailed, key)
	}
	s.index++
	r := record{action: "set", refresh: opts.Refresh}
	if exists {
		r.prev = e.copy(0)
	}
	switch {
	case compares:
		r.action = "compareAndSwap"
	case opts.PrevExist == client.PrevExist:
		r.action = "update"
	case opts.PrevExist == client.PrevNoExist:
		r.action = "create"
	}
	if r.action == "set" || r.action == "create" {
		e = s.place(key)
		e.node.Dir = opts.Dir
		if opts.Dir {
			e.children = map[string]*entry{}
		}
	}
	if opts.Refresh {
		s.refreshes[s.index] = true
		value = e.node.Value
	}
	e.node.Value, e.node.Expiration, e.node.TTL = value, nil, 0
	if opts.TTL > 0 {
		at := time.Now().Add(opts.TTL)
		e.node.Expiration, e.node.TTL = &at, int64(opts.TTL/time.Second)
	}
	if !e.node.Dir {
		e.node.ModifiedIndex = s.index
	}
	r.node = e.copy(0)
	r.node.ModifiedIndex = s.index // that of a directory too, which keeps its own
	return s.publish(r), nil
}

func (s *store) Delete(_ context.Context, key string, opts *client.DeleteOptions) (*client.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if opts == nil {
		opts = &client.DeleteOptions{}
	}
	e, err := s.find(key)
	switch {
	case err != nil:
		return nil, err
	case e == s.root:
		return nil, s.refuse(client.ErrorCodeRootROnly, key)
	case e.node.Dir && !opts.Dir && !opts.Recursive:
		return nil, s.refuse(client.ErrorCodeNotFile, key)
	case len(e.children) > 0 && !opts.Recursive:
		return nil, s.refuse(client.ErrorCodeDirNotEmpty, key)
	case opts.PrevValue != "" && opts.PrevValue != e.node.Value:
		return nil, s.refuse(client.ErrorCodeTestFailed, key)
	case opts.PrevValue != "":
		return s.remove(e, "compareAndDelete"), nil
	}
	return s.remove(e, "delete"), nil
}

// expire removes what has expired.
func (s *store) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var first *entry
		s.root.visit(func(e *entry) {
			if at := e.node.Expiration; at != nil && !at.After(time.Now()) && (first == nil || at.Before(*first.node.Expiration)) {
				first = e
			}
		})
		if first == nil {
			return
		}
		s.remove(first, "expire")
	}
}

func (s *store) remove(e *entry, action string) *client.Response {
	parent, err := s.find(path.Dir(e.key))
	if err != nil {
		panic(err)
	}
	delete(parent.children, e.key)
	s.index++
	gone := client.Node{Key: e.key, Dir: e.node.Dir, CreatedIndex: e.node.CreatedIndex, ModifiedIndex: s.index}
	return s.publish(record{action: action, node: &gone, prev: e.copy(0)})
}

// publish adds an event to the history and wakes the watchers.
func (s *store) publish(r record) *client.Response {
	s.history = append(s.history, r)
	close(s.changed)
	s.changed = make(chan struct{})
	return r.response(s.index)
}

func (r *record) response(index uint64) *client.Response {
	node := *r.node
	return &client.Response{Action: r.action, Node: &node, PrevNode: r.prev, Index: index}
}

func (s *store) refuse(code int, key string) client.Error {
	return client.Error{Code: code, Cause: key, Index: s.index}
}

func (s *store) find(key string) (*entry, error) {
	e := s.root
	for name := range strings.SplitSeq(key, "/") {
		switch child := e.children[path.Join(e.key, "/", name)]; {
		case name == "":
		case !e.node.Dir:
			return nil, s.refuse(client.ErrorCodeNotDir, e.key)
		case child == nil:
			return nil, s.refuse(client.ErrorCodeKeyNotFound, key)
		default:
			e = child
		}
	}
	return e, nil
}

// place makes a new entry, and directories for it, at the index.
func (s *store) place(key string) *entry {
	e := s.root
	for name := range strings.SplitSeq(key, "/") {
		if name == "" {
			continue
		}
		below := path.Join(e.key, "/", name)
		child := e.children[below]
		if child == nil || below == path.Clean("/"+key) {
			child = &entry{key: below, node: client.Node{Dir: true, CreatedIndex: s.index, ModifiedIndex: s.index}}
			child.children = map[string]*entry{}
			e.children[below] = child
		}
		e = child
	}
	e.children = nil
	return e
}

// copy gives the node with what is to be seen below it to a depth.
func (e *entry) copy(depth int) *client.Node {
	n := e.node
	n.Key = e.key
	for key, child := range e.children {
		if depth > 0 && !strings.HasPrefix(path.Base(key), "_") {
			n.Nodes = append(n.Nodes, child.copy(depth-1))
		}
	}
	return &n
}

func (e *entry) visit(f func(*entry)) {
	f(e)
	for _, child := range e.children {
		child.visit(f)
	}
}

// lastEvent gives the index of the last event that a watch of dir is told of.
func (s *store) lastEvent(dir string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.history) {
		if r.matches(dir) && !r.isHiddenFrom(dir) && !r.refresh {
			return r.node.ModifiedIndex
		}
	}
	return 0
}

// snapshot gives the nodes that a recursive Get finds, by key.
func (s *store) snapshot(dir string) []*client.Node {
	r, err := s.Get(context.Background(), dir, &client.GetOptions{Recursive: true, Quorum: true})
	if err != nil {
		return nil
	}
	return flatten(r.Node)
}

func flatten(n *client.Node) []*client.Node {
	nodes := []*client.Node{n}
	for _, child := range n.Nodes {
		nodes = append(nodes, flatten(child)...)
	}
	n.Nodes = nil
	slices.SortFunc(nodes, func(a, b *client.Node) int { return cmp.Compare(a.Key, b.Key) })
	return nodes
}
