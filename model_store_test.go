package client_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// modelStore is a KeysAPI without a server: files, indexes and conditions as the
// v2 store has them, in memory. Nothing expires.
type modelStore struct {
	mu      sync.Mutex // guards the fields below
	index   uint64
	nodes   map[string]*client.Node
	applied map[string]int // writes carried out, by the caller's name
	history []*client.Response
	changed chan struct{} // closed with each event
	lines   []string      // what was asked for

	fault  func() storeFault // of each write; nil: none
	before func(line string) // runs before each request, unlocked
	late   sync.WaitGroup    // writes that are still on their way
}

// storeFault is what becomes of one write.
type storeFault int

const (
	noFault      storeFault = iota // carried out, or refused, and answered
	answerLost                     // the same, and the answer is lost
	neverArrives                   // it never arrives
	arrivesLate                    // it arrives later, when the caller has been told that it failed
	answerHangs                    // it arrives, and the answer does not come until the context ends
	arrivesLast                    // it arrives after the context has ended
	isNotSent                      // it can't have arrived, and the caller knows
	storeFaults
)

const longestDelay = 3 * time.Second

func newModelStore() *modelStore {
	return &modelStore{index: 3, nodes: map[string]*client.Node{}, applied: map[string]int{}, changed: make(chan struct{})}
}

type callerKey struct{}

// as names the caller of what is done with the context.
func as(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, callerKey{}, name)
}

var (
	errLost    = &client.ClusterError{Errors: []error{errors.New("the connection broke")}, OutcomeUnknown: true}
	errNotSent = &client.ClusterError{Errors: []error{errors.New("connection refused")}}
)

// refuse is what a server says. s.mu is held.
func (s *modelStore) refuse(code int, key string) client.Error {
	return client.Error{Code: code, Cause: key, Index: s.index, StatusCode: 400}
}

func (s *modelStore) note(line string) {
	s.mu.Lock()
	before := s.before
	s.lines = append(s.lines, line)
	s.mu.Unlock()
	if before != nil {
		before(line)
	}
}

func (s *modelStore) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	if opts != nil && opts.Quorum {
		s.note("quorum get")
	} else {
		s.note("get")
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[key]
	if n == nil {
		return nil, s.refuse(client.ErrorCodeKeyNotFound, key)
	}
	own := *n
	return &client.Response{Action: "get", Node: &own, Index: s.index}, nil
}

// write carries a write out as its fault says.
func (s *modelStore) write(ctx context.Context, line string, carryOut func() (*client.Response, error)) (*client.Response, error) {
	s.note(line)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	apply := func() (*client.Response, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp, err := carryOut()
		if name, ok := ctx.Value(callerKey{}).(string); ok && err == nil {
			s.applied[name]++
		}
		return resp, err
	}
	later := func(d time.Duration) {
		s.late.Add(1)
		time.AfterFunc(d, func() {
			defer s.late.Done()
			_, _ = apply()
		})
	}
	fault := noFault
	if s.fault != nil {
		fault = s.fault()
	}
	switch fault {
	case answerLost:
		_, _ = apply()
		return nil, errLost
	case neverArrives:
		return nil, errLost
	case arrivesLate:
		later(longestDelay)
		return nil, errLost
	case answerHangs, arrivesLast:
		if fault == answerHangs {
			_, _ = apply()
		} else {
			defer later(longestDelay)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(longestDelay):
			return nil, errLost
		}
	case isNotSent:
		return nil, errNotSent
	default:
		return apply()
	}
}

func (s *modelStore) Set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	var o client.SetOptions
	if opts != nil {
		o = *opts
	}
	return s.write(ctx, "set "+value, func() (*client.Response, error) {
		old := s.nodes[key]
		compares := o.PrevValue != "" || o.PrevIndex != 0
		switch {
		case old == nil && (compares || o.PrevExist == client.PrevExist):
			return nil, s.refuse(client.ErrorCodeKeyNotFound, key)
		case old != nil && o.PrevExist == client.PrevNoExist:
			return nil, s.refuse(client.ErrorCodeNodeExist, key)
		case compares && (o.PrevValue != "" && o.PrevValue != old.Value || o.PrevIndex != 0 && o.PrevIndex != old.ModifiedIndex):
			return nil, s.refuse(client.ErrorCodeTestFailed, key)
		}
		s.index++
		n := &client.Node{Key: key, Value: value, CreatedIndex: s.index, ModifiedIndex: s.index}
		if old != nil && compares {
			n.CreatedIndex = old.CreatedIndex
		}
		if o.TTL > 0 {
			at := time.Now().Add(o.TTL)
			n.Expiration, n.TTL = &at, int64(o.TTL/time.Second)
		}
		if o.Refresh {
			n.Value = old.Value
		}
		s.nodes[key] = n
		action := "set"
		switch {
		case compares:
			action = "compareAndSwap"
		case o.PrevExist == client.PrevNoExist:
			action = "create"
		}
		return s.publish(action, n, old), nil
	})
}

func (s *modelStore) Delete(ctx context.Context, key string, opts *client.DeleteOptions) (*client.Response, error) {
	var o client.DeleteOptions
	if opts != nil {
		o = *opts
	}
	return s.write(ctx, "delete", func() (*client.Response, error) {
		old := s.nodes[key]
		switch {
		case old == nil:
			return nil, s.refuse(client.ErrorCodeKeyNotFound, key)
		case o.PrevIndex != 0 && o.PrevIndex != old.ModifiedIndex, o.PrevValue != "" && o.PrevValue != old.Value:
			return nil, s.refuse(client.ErrorCodeTestFailed, key)
		}
		s.index++
		delete(s.nodes, key)
		n := &client.Node{Key: key, CreatedIndex: old.CreatedIndex, ModifiedIndex: s.index}
		action := "delete"
		if o.PrevIndex != 0 || o.PrevValue != "" {
			action = "compareAndDelete"
		}
		return s.publish(action, n, old), nil
	})
}

func (s *modelStore) Create(ctx context.Context, key, value string) (*client.Response, error) {
	return s.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevNoExist})
}

func (s *modelStore) Update(ctx context.Context, key, value string) (*client.Response, error) {
	return s.Set(ctx, key, value, &client.SetOptions{PrevExist: client.PrevExist})
}

func (s *modelStore) CreateInOrder(context.Context, string, string, *client.CreateInOrderOptions) (*client.Response, error) {
	return nil, errNotSent
}

// publish makes an event known. s.mu is held.
func (s *modelStore) publish(action string, node, prev *client.Node) *client.Response {
	own := *node
	r := &client.Response{Action: action, Node: &own, PrevNode: prev, Index: s.index}
	s.history = append(s.history, r)
	close(s.changed)
	s.changed = make(chan struct{})
	return r
}

type modelWatcher struct {
	s     *modelStore
	key   string
	after uint64
}

func (s *modelStore) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	return &modelWatcher{s, key, opts.AfterIndex}
}

// Next implements client.Watcher.
func (w *modelWatcher) Next(ctx context.Context) (*client.Response, error) {
	w.s.note("watch")
	for {
		w.s.mu.Lock()
		changed := w.s.changed
		for _, r := range w.s.history {
			if r.Node.Key == w.key && r.Node.ModifiedIndex > w.after {
				w.s.mu.Unlock()
				w.after = r.Node.ModifiedIndex
				event := *r
				return &event, nil
			}
		}
		w.s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-changed:
		}
	}
}

// faultsInOrder returns the faults one after the other, and then none.
func faultsInOrder(faults ...storeFault) func() storeFault {
	return func() storeFault {
		if len(faults) == 0 {
			return noFault
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}
}

// put is a write by somebody else, which always succeeds.
func (s *modelStore) put(key, value string, ttl time.Duration) *client.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index++
	n := &client.Node{Key: key, Value: value, CreatedIndex: s.index, ModifiedIndex: s.index}
	if ttl > 0 {
		at := time.Now().Add(ttl)
		n.Expiration, n.TTL = &at, int64(ttl/time.Second)
	}
	s.publish("set", n, s.nodes[key])
	s.nodes[key] = n
	return n
}

// remove is a deletion by somebody else.
func (s *modelStore) remove(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.nodes[key]
	if old == nil {
		return
	}
	s.index++
	s.publish("delete", &client.Node{Key: key, ModifiedIndex: s.index}, old)
	delete(s.nodes, key)
}

// refresh is a refresh by somebody else: it moves the index, and is no event.
func (s *modelStore) refresh(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.nodes[key]; old != nil {
		own := *old
		s.index++
		own.ModifiedIndex = s.index
		s.nodes[key] = &own
	}
}

// node returns what is there.
func (s *modelStore) node(key string) *client.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nodes[key]
}

// swapByAnother is a compare-and-swap by somebody else.
func (s *modelStore) swapByAnother(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.nodes[key]
	s.index++
	n := &client.Node{Key: key, Value: value, CreatedIndex: old.CreatedIndex, ModifiedIndex: s.index}
	s.publish("compareAndSwap", n, old)
	s.nodes[key] = n
}

// forget empties the history.
func (s *modelStore) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history = nil
}
