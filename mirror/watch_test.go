package mirror_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/coreos/etcd/client"
)

// watch is a Watcher of a store that reads its history, as the server does for
// watches that come late.
type watch struct {
	store *store
	key   string // clean, "/" for the root
	next  uint64 // 0: from now on
}

func (s *store) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	w := &watch{store: s, key: "/" + strings.Trim(key, "/")}
	if !opts.Recursive {
		panic("a mirror watches the whole directory")
	}
	if opts.AfterIndex > 0 {
		w.next = opts.AfterIndex + 1
	}
	return w
}

func (s *store) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (w *watch) Next(ctx context.Context) (*client.Response, error) {
	for {
		event, changed, err := w.look()
		if event != nil || err != nil {
			return event, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (w *watch) look() (*client.Response, <-chan struct{}, error) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, nil, errReset
	}
	if w.next == 0 {
		w.next = s.index + 1
	}
	known := s.history[max(0, len(s.history)-s.limit):]
	if len(known) > 0 && w.next < known[0].node.ModifiedIndex {
		return nil, nil, s.refuse(client.ErrorCodeEventIndexCleared, w.key)
	}
	for i := range known {
		r := &known[i]
		if r.node.ModifiedIndex >= w.next && r.matches(w.key) && !r.refresh {
			w.next = r.node.ModifiedIndex + 1
			return r.response(s.index), nil, nil
		}
	}
	return nil, s.changed, nil
}

// matches is the server's rule for old events: hidden ones are told, and so is
// the removal of /a to a watch of /ab.
func (r *record) matches(key string) bool {
	dir := strings.TrimSuffix(key, "/") + "/"
	return r.node.Key == key || strings.HasPrefix(r.node.Key, dir) ||
		(r.action == "delete" || r.action == "expire") && r.prev.Dir && strings.HasPrefix(key, r.node.Key)
}

func (r *record) isHiddenFrom(key string) bool {
	below, ok := strings.CutPrefix(r.node.Key, strings.TrimSuffix(key, "/"))
	return ok && strings.Contains(below, "/_")
}

var errReset = errors.New("connection reset by peer")

// faulty is a KeysAPI whose reads and watches fail now and then, and whose
// watches tell things twice.
type faulty struct {
	client.KeysAPI
	mu   sync.Mutex
	rand *rand.Rand // guarded by mu
	odds int        // one in so many; 0: never
}

func (f *faulty) happens() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.odds > 0 && f.rand.IntN(f.odds) == 0
}

func (f *faulty) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	if f.happens() {
		return nil, &client.ClusterError{Errors: []error{errReset}}
	}
	return f.KeysAPI.Get(ctx, key, opts)
}

func (f *faulty) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	return &faultyWatch{Watcher: f.KeysAPI.Watcher(key, opts), api: f}
}

type faultyWatch struct {
	client.Watcher
	api  *faulty
	last *client.Response
}

func (w *faultyWatch) Next(ctx context.Context) (*client.Response, error) {
	switch {
	case w.api.happens():
		return nil, errReset
	case w.last != nil && w.api.happens():
		return w.last, nil
	}
	event, err := w.Watcher.Next(ctx)
	if err == nil {
		w.last = event
	}
	return event, err
}
