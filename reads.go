package client

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
)

// ErrStaleRead is the Err of a [*ReplyError] by which a Get of [MonotonicReads]
// ends when even a quorum read is older than what was seen before. In one store
// that can't be: the cluster was restored from a backup.
var ErrStaleRead = errors.New("client: a quorum read is older than what was seen before")

// MonotonicReads returns a KeysAPI whose Gets return nothing older than what was
// seen by it before: what its Gets returned, its writes wrote, and its Watchers
// delivered, whatever endpoint answered. Members may be behind each other,
// and a client that moves from one to another would see the past, or miss its own
// writes.
//
// It compares the store's index of each answer with the greatest seen when Get was
// called. When the answer is older, also one that a key is missing, Get reads again
// with a quorum, which is as slow, and as impossible without one, as any such read.
// Answers without an index, which proxies may drop, count as older. As long as no
// member is behind, nothing is sent that kapi would not send.
//
// A Get whose answer comes from another cluster than those before is a
// [*ReplyError] that is [ErrClusterIDChanged], one that is too old even with a
// quorum a *ReplyError that is [ErrStaleRead]. Both stay: begin again, with a new
// MonotonicReads. The cluster of a write, or of an event, is not checked.
//
// What is seen by one MonotonicReads, another does not know: share it, it is safe
// for concurrent use. Its Watchers are kapi's, each for one goroutine at a time.
// Events on it uses them, one request for each event.
func MonotonicReads(kapi KeysAPI) KeysAPI { return &monotonicKeysAPI{kapi: kapi} }

type monotonicKeysAPI struct {
	kapi KeysAPI

	mu        sync.Mutex // guards the fields below
	index     uint64     // the store's greatest, of all that was seen
	clusterID string     // empty: not known yet
}

// seen returns the least index that an answer must have.
func (m *monotonicKeysAPI) seen() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.index
}

// note takes an answer as seen, unless it is of another cluster.
func (m *monotonicKeysAPI) note(resp *Response, err error) (*Response, error) {
	index := storeIndex(resp, err)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changes(resp) {
		return resp, err
	}
	m.index = max(m.index, index)
	if resp != nil && resp.ClusterID != "" {
		m.clusterID = resp.ClusterID
	}
	return resp, err
}

// changes reports whether an answer is of another cluster. m.mu is held.
func (m *monotonicKeysAPI) changes(resp *Response) bool {
	return resp != nil && resp.ClusterID != "" && m.clusterID != "" && resp.ClusterID != m.clusterID
}

// storeIndex returns an index that the store had when it answered; 0 where the answer
// has none.
func storeIndex(resp *Response, err error) uint64 {
	var e Error
	switch {
	case resp != nil && resp.Node != nil:
		return max(resp.Index, resp.Node.ModifiedIndex)
	case resp != nil:
		return resp.Index
	case err != nil && !errors.Is(err, ErrClusterUnavailable) && errors.As(err, &e):
		return e.Index
	}
	return 0
}

// isAnswer reports whether a Get was answered with what is in the store.
func isAnswer(resp *Response, err error) bool {
	return err == nil && resp != nil || isRefusal(err, ErrorCodeKeyNotFound, ErrorCodeNotDir)
}

// readIndex is storeIndex for a Get, whose node may be older than the answer, and
// says nothing where the answer does not.
func readIndex(resp *Response, err error) uint64 {
	if resp != nil {
		return resp.Index
	}
	return storeIndex(nil, err)
}

// Get implements KeysAPI.
func (m *monotonicKeysAPI) Get(ctx context.Context, key string, opts *GetOptions) (*Response, error) {
	least := m.seen()
	resp, err := m.kapi.Get(ctx, key, opts)
	byQuorumAlready := opts != nil && opts.Quorum
	if isAnswer(resp, err) && readIndex(resp, err) < least && !byQuorumAlready {
		resp, err = m.kapi.Get(ctx, key, byQuorum(opts))
	}
	if !isAnswer(resp, err) {
		return resp, err
	}
	if changed := m.checkCluster(resp); changed != nil {
		return nil, changed
	}
	if index := readIndex(resp, err); index > 0 && index < least {
		return nil, &ReplyError{StatusCode: http.StatusOK, Err: ErrStaleRead, Message: "a quorum read has index " +
			strconv.FormatUint(index, 10) + ", and " + strconv.FormatUint(least, 10) + " was seen before"}
	}
	return m.note(resp, err)
}

func (m *monotonicKeysAPI) checkCluster(resp *Response) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.changes(resp) {
		return nil
	}
	return &ReplyError{StatusCode: http.StatusOK, Err: ErrClusterIDChanged, Message: "cluster ID was " + m.clusterID + " and is " + resp.ClusterID}
}

// Set implements KeysAPI.
func (m *monotonicKeysAPI) Set(ctx context.Context, key, value string, opts *SetOptions) (*Response, error) {
	return m.note(m.kapi.Set(ctx, key, value, opts))
}

// Delete implements KeysAPI.
func (m *monotonicKeysAPI) Delete(ctx context.Context, key string, opts *DeleteOptions) (*Response, error) {
	return m.note(m.kapi.Delete(ctx, key, opts))
}

// Create implements KeysAPI.
func (m *monotonicKeysAPI) Create(ctx context.Context, key, value string) (*Response, error) {
	return m.note(m.kapi.Create(ctx, key, value))
}

// CreateInOrder implements KeysAPI.
func (m *monotonicKeysAPI) CreateInOrder(ctx context.Context, dir, value string, opts *CreateInOrderOptions) (*Response, error) {
	return m.note(m.kapi.CreateInOrder(ctx, dir, value, opts))
}

// Update implements KeysAPI.
func (m *monotonicKeysAPI) Update(ctx context.Context, key, value string) (*Response, error) {
	return m.note(m.kapi.Update(ctx, key, value))
}

// Watcher implements KeysAPI.
func (m *monotonicKeysAPI) Watcher(key string, opts *WatcherOptions) Watcher {
	return monotonicWatcher{m, m.kapi.Watcher(key, opts)}
}

type monotonicWatcher struct {
	seen    *monotonicKeysAPI
	watcher Watcher
}

// Next implements Watcher.
func (w monotonicWatcher) Next(ctx context.Context) (*Response, error) {
	return w.seen.note(w.watcher.Next(ctx))
}

// QuorumReads returns a KeysAPI whose every Get has GetOptions.Quorum, and that is
// kapi otherwise. It does for one KeysAPI what Config.Quorum does for all
// of a client, and for any KeysAPI.
func QuorumReads(kapi KeysAPI) KeysAPI {
	if own, ok := kapi.(*httpKeysAPI); ok {
		quorum := *own
		quorum.quorum = true
		return &quorum
	}
	return quorumKeysAPI{kapi}
}

type quorumKeysAPI struct{ KeysAPI }

// Get implements KeysAPI.
func (k quorumKeysAPI) Get(ctx context.Context, key string, opts *GetOptions) (*Response, error) {
	return k.KeysAPI.Get(ctx, key, byQuorum(opts))
}

// byQuorum returns a copy of opts with Quorum.
func byQuorum(opts *GetOptions) *GetOptions {
	o := GetOptions{Quorum: true}
	if opts != nil {
		o.Recursive, o.Sort = opts.Recursive, opts.Sort
	}
	return &o
}
