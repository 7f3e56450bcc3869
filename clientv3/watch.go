package clientv3

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"
)

// Watcher watches keys. [Client] is one; [NewWatcher] makes others.
type Watcher interface {
	// Watch sends what happens to key, or to the keys of [WithPrefix], [WithRange] or
	// [WithFromKey], from the revision of [WithRev] on. Without one it is what happens
	// after Watch has returned: Watch returns as soon as a server has taken the
	// watch, ctx has ended or the watch has. It waits for a server as long as ctx does.
	//
	// Nothing is lost and nothing comes twice: after a failure of the connection or
	// of a member the watch goes on at another at the revision that is next. The events
	// of one revision come in one response. The channel is closed when ctx ends, when
	// the watcher is closed, and after a last response with Canceled set, whose Err
	// says why:
	//   - rpctypes.ErrCompacted: events that have not been delivered are no longer in
	//     the store. CompactRevision is the first that is.
	//   - rpctypes.ErrPermissionDenied: the user may not read all of the keys.
	//   - rpctypes.ErrNoLeader: with [WithRequireLeader], no member had a leader.
	//   - any other, if the server ended the watch for a reason that will last, if the
	//     options contradict each other, or if the user could not be authenticated.
	//
	// A token that is no longer valid is renewed, and the watch goes on.
	//
	// A reader that is slow holds up no other watch. When about 4 MiB wait for it,
	// the server is told to stop, and to go on from the next revision when half of
	// them have been read, so that the memory is bounded. If that takes so long that
	// events are compacted, the watch ends with rpctypes.ErrCompacted.
	//
	// All watches whose contexts have the same outgoing gRPC metadata share a stream.
	// A watch is as good as free while it is quiet: it has no goroutine. Its ctx must
	// end some time, or the watcher be closed, to free what it holds.
	Watch(ctx context.Context, key string, opts ...OpOption) WatchChan

	// RequestProgress asks the server to send a progress notification, see
	// [WatchResponse.IsProgressNotify], to all watches on the stream of ctx's outgoing
	// metadata. It does not wait for it. Without such watches it does nothing. Servers
	// answer it only when all of the watches have caught up; those before 3.4.25 and
	// 3.5.8 answer at once, even ahead of events with lower revisions.
	//
	// It returns an error only if ctx has ended or the watcher is closed.
	RequestProgress(ctx context.Context) error

	// Close ends all watches, closes their channels, and waits until all that worked
	// for them has ended.
	Close() error
}

// NewWatcher makes a Watcher with streams of its own. It ends with c at the latest.
func NewWatcher(c *Client) Watcher {
	w := &watcher{client: c, streams: make(map[string]*watchStream)}
	w.ctx, w.cancel = context.WithCancel(c.ctx)
	return w
}

// WithRequireLeader makes calls and watches with the context it returns fail with
// rpctypes.ErrNoLeader at members that are cut off from the leader, instead of
// waiting for it. A watch goes to the other members first.
func WithRequireLeader(ctx context.Context) context.Context {
	md, _ := metadata.FromOutgoingContext(ctx) // a copy
	if md == nil {
		md = make(metadata.MD)
	}
	md.Set(rpctypes.MetadataRequireLeaderKey, rpctypes.MetadataHasLeader)
	return metadata.NewOutgoingContext(ctx, md)
}

type watcher struct {
	client  *Client
	ctx     context.Context // until Close
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu      sync.Mutex // guards the fields below, and those of streams and watches
	seq     uint64
	streams map[string]*watchStream // by the metadata they are opened with
}

// Watch implements [Watcher].
func (w *watcher) Watch(ctx context.Context, key string, opts ...OpOption) WatchChan {
	op := OpWatch(key, opts...)
	one := newWatch(&op)
	one.out = delivery{
		ch:      make(chan WatchResponse, deliveryChannel),
		gone:    ctx.Done(),
		closing: w.ctx.Done(),
		start:   w.working.Go,
		onRoom:  func() { w.resume(one) },
	}
	if err := op.check(); err != nil {
		one.out.end(&WatchResponse{Canceled: true, err: err})
		return one.out.ch
	}
	taken := one.taken
	if !w.add(ctx, one) {
		one.out.drop()
		return one.out.ch
	}
	select {
	case <-taken:
	case <-ctx.Done():
	case <-w.ctx.Done():
	}
	return one.out.ch
}

// add puts one on the stream of its context, and is false once w is closed.
func (w *watcher) add(ctx context.Context, one *watch) bool {
	key, md := streamKey(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx.Err() != nil {
		return false
	}
	s := w.streams[key]
	if s == nil {
		s = newWatchStream(w, key, md)
		w.streams[key] = s
		w.working.Go(s.run)
	}
	w.seq++
	one.seq, one.stream = w.seq, s
	s.watches[one] = struct{}{}
	one.unhook = context.AfterFunc(ctx, func() { w.remove(one) })
	s.create(one)
	return true
}

// remove ends a watch whose reader has gone.
func (w *watcher) remove(one *watch) {
	w.mu.Lock()
	one.stream.forget(one)
	w.mu.Unlock()
	one.out.drop()
}

// resume goes on with a watch whose reader has caught up.
func (w *watcher) resume(one *watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if one.suspended {
		one.suspended = false
		one.stream.create(one)
	}
}

// RequestProgress implements [Watcher].
func (w *watcher) RequestProgress(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	key, _ := streamKey(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if s := w.streams[key]; s != nil {
		s.requestProgress()
	}
	return nil
}

// Close implements [Watcher].
func (w *watcher) Close() error {
	w.mu.Lock() // so that no stream begins after Wait
	w.cancel()
	w.mu.Unlock()
	w.working.Wait()
	return nil
}

// streamKey tells which watches may share a stream: those that say the same to
// the server.
func streamKey(ctx context.Context) (string, metadata.MD) {
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok || len(md) == 0 {
		return "", nil
	}
	names := make([]string, 0, len(md))
	for name := range md {
		names = append(names, name)
	}
	slices.Sort(names)
	var key strings.Builder
	for _, name := range names {
		key.WriteString(strconv.Quote(name))
		for _, value := range md[name] {
			key.WriteString("=" + strconv.Quote(value))
		}
	}
	return key.String(), md
}
