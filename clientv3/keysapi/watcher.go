package keysapi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// Watcher implements client.KeysAPI.
func (k *keysAPI) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	w := &watcher{k: k}
	w.p, w.err = placeOf(k.prefix, key)
	if opts != nil {
		w.recursive, w.hidden = opts.Recursive, opts.Hidden
		if opts.AfterIndex > 0 {
			w.next = int64(opts.AfterIndex) + 1
		}
	}
	return w
}

// keepOpen is how long a watch stays open for the next call of Next. A watch that has
// to catch up waits for up to 100 ms, as servers look for these every so often: to one
// who calls it more seldom that is little.
const keepOpen = time.Second

// A watcher has a watch of the v3 API while Next waits, and from the second time on for
// a while after it. There is nothing to close it by, so it must end by itself, and a
// program that makes a Watcher for each event is to leave no watch behind at all.
type watcher struct {
	k         *keysAPI
	p         place
	err       error // why the key can't be watched
	recursive bool
	hidden    bool
	next      int64                        // the first revision of interest; 0: from the first Next on
	seen      *etcdserverpb.ResponseHeader // of what was last heard of the store
	ready     []*client.Response           // events that came at one time with those that were returned

	responses clientv3.WatchChan // nil while no watch is open
	end       context.CancelFunc // ends the watch that is open
	idle      *time.Timer        // ends it when nobody calls Next
	inLoop    bool               // Next has waited before
}

// Next implements client.Watcher.
func (w *watcher) Next(ctx context.Context) (*client.Response, error) {
	if w.err != nil {
		return nil, w.err
	}
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	if len(w.ready) == 0 {
		if err := w.wait(ctx); err != nil {
			return nil, err
		}
	}
	ev := w.ready[0]
	w.ready = w.ready[1:]
	return ev, nil
}

// wait waits until something is ready.
func (w *watcher) wait(ctx context.Context) error {
	if w.idle != nil && !w.idle.Stop() {
		w.close()
	}
	var err error
	for len(w.ready) == 0 && err == nil {
		err = w.poll(ctx)
	}
	switch {
	case !w.inLoop:
		w.inLoop = true
		w.close()
	case w.responses != nil:
		w.idle = time.AfterFunc(keepOpen, w.end)
	}
	return err
}

// poll reads the next response. What it is about may be nothing of interest.
func (w *watcher) poll(ctx context.Context) error {
	if w.responses == nil {
		if err := w.open(ctx); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r, ok := <-w.responses:
		var err error
		if ok {
			err = w.read(ctx, &r)
		} else {
			err = &client.ClusterError{Errors: []error{errWatchEnded}, Attempts: []client.Attempt{{Err: errWatchEnded}}}
		}
		if err != nil {
			w.close()
		}
		return err
	}
}

// open begins a watch that outlives ctx.
func (w *watcher) open(ctx context.Context) error {
	from := w.p.file
	if w.p.isRoot() {
		from = w.p.marker
	}
	var watchCtx context.Context
	watchCtx, w.end = context.WithCancel(clientv3.WithRequireLeader(context.WithoutCancel(ctx)))
	goOn := context.AfterFunc(ctx, w.end)
	w.responses = w.k.c.Watch(watchCtx, from, clientv3.WithRange(w.p.end), clientv3.WithRev(w.next),
		clientv3.WithPrevKV(), clientv3.WithCreatedNotify(), clientv3.WithProgressNotify())
	if !goOn() {
		w.close()
		return ctx.Err()
	}
	return nil
}

// close ends the watch. The next one has what was in it and not read.
func (w *watcher) close() {
	if w.responses != nil {
		w.end()
		w.responses, w.idle = nil, nil
	}
}

var errWatchEnded = errors.New("keysapi: the watch has ended, as it does when the client is closed")

func (w *watcher) read(ctx context.Context, r *clientv3.WatchResponse) error {
	switch err := r.Err(); {
	case errors.Is(err, rpctypes.ErrCompacted):
		w.close()
		return w.getOver(ctx, r.CompactRevision)
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return callError(err, reads)
	case r.Created && w.next == 0, r.IsProgressNotify():
		w.next = max(w.next, r.Header.Revision+1)
	}
	if len(r.Events) > 0 {
		next := r.Events[len(r.Events)-1].Kv.ModRevision + 1
		ready, err := w.eventsOf(ctx, r.Events)
		switch {
		case errors.Is(err, rpctypes.ErrCompacted): // What an event means is not known any more.
			w.close()
			return w.getOver(ctx, next)
		case err != nil:
			return err
		}
		w.ready, w.next = ready, next
	}
	w.seen = r.Header
	return nil
}

// getOver goes on where history was lost if the node shows that nothing was missed,
// which one that is gone, and what is below a directory, does not.
func (w *watcher) getOver(ctx context.Context, oldest int64) error {
	resp, err := w.k.commit(ctx, reads, nil, surveyOps(w.p), nil)
	if err != nil {
		return err
	}
	s := surveyOf(w.p, uint64(resp.Header.Revision), resp.Responses)
	wanted := w.next
	w.next = resp.Header.Revision + 1
	unchanged := s.here.file != nil && s.here.file.ModRevision < wanted
	if marker := s.here.dir; marker != nil && string(marker.Key) == w.p.marker && !w.recursive {
		unchanged = marker.ModRevision < wanted
	}
	if unchanged {
		return nil
	}
	return s.refuse(client.ErrorCodeEventIndexCleared, fmt.Sprintf("the requested history has been cleared [%d/%d]", oldest, wanted))
}

// eventsOf gives those events of v2 that the watch is for.
func (w *watcher) eventsOf(ctx context.Context, events []*clientv3.Event) ([]*client.Response, error) {
	var all []*client.Response
	for len(events) > 0 {
		revision := events[0].Kv.ModRevision
		var ours []*clientv3.Event
		for len(events) > 0 && events[0].Kv.ModRevision == revision {
			if key := string(events[0].Kv.Key); key == w.p.file || strings.HasPrefix(key, w.p.marker) {
				ours = append(ours, events[0])
			}
			events = events[1:]
		}
		for _, c := range changesOf(w.k.prefix, ours) {
			if !w.concerns(c.key) {
				continue
			}
			stays, err := w.stays(ctx, c)
			if err != nil {
				return nil, err
			}
			if stays {
				continue
			}
			ev, err := w.event(ctx, c)
			if err != nil {
				return nil, err
			}
			all = append(all, ev)
		}
	}
	return all, nil
}

func (w *watcher) concerns(key string) bool {
	if key == w.p.key {
		return true
	}
	below := strings.TrimPrefix(key, strings.TrimSuffix(w.p.key, "/"))
	return w.recursive && (w.hidden || !strings.Contains(below, "/_"))
}

// stays reports whether a directory whose marker was deleted is still there for what
// is in it, as when its TTL has ended. Where the server has not sent the marker, since
// it was compacted before the event was sent, whether it had a TTL is not known. Its
// error is rpctypes.ErrCompacted where that revision can't be read any more.
func (w *watcher) stays(ctx context.Context, c change) (bool, error) {
	if !c.deleted || !c.dir || c.prev != nil && c.prev.Lease == 0 {
		return false, nil
	}
	left := clientv3.OpGet(string(c.kv.Key), clientv3.WithPrefix(), clientv3.WithCountOnly(), clientv3.WithRev(c.kv.ModRevision))
	resp, err := w.k.commit(ctx, reads, nil, []clientv3.Op{left}, nil)
	if err != nil {
		return false, err
	}
	return resp.Responses[0].GetResponseRange().Count > 0, nil
}

func (w *watcher) event(ctx context.Context, c change) (*client.Response, error) {
	if c.deleted && c.key == w.p.key {
		above, err := w.removedAbove(ctx, c)
		if err != nil {
			return nil, err
		}
		c = above
	}
	ev := response("set", w.seen)
	var found leases
	if c.prev != nil {
		ev.PrevNode = fileNode(c.key, c.prev)
		if c.prevDir {
			ev.PrevNode = dirNode(c.key, c.prev)
		}
		found.note(ev.PrevNode, c.prev)
	}
	switch {
	case c.deleted:
		ev.Action = "delete"
		ev.Node = &client.Node{Key: c.key, Dir: c.dir, ModifiedIndex: uint64(c.kv.ModRevision)}
		if ev.PrevNode != nil {
			ev.Node.CreatedIndex = ev.PrevNode.CreatedIndex
		}
	case c.dir:
		ev.Node = dirNode(c.key, c.kv)
	default:
		ev.Node = fileNode(c.key, c.kv)
	}
	if !c.deleted {
		found.note(ev.Node, c.kv)
	}
	if err := w.k.tellTTLs(ctx, found); err != nil {
		return nil, err
	}
	// A lease that is gone took the node along.
	if c.deleted && c.prev != nil && c.prev.Lease != 0 && ev.PrevNode.TTL == 0 {
		ev.Action = "expire"
	}
	return ev, nil
}

// removedAbove gives the removal of the directory with which the watched node was
// removed, or the removal of the node itself.
func (w *watcher) removedAbove(ctx context.Context, c change) (change, error) {
	if len(w.p.above) == 0 {
		return c, nil
	}
	var ops []clientv3.Op
	for _, at := range w.p.above {
		ops = append(ops, clientv3.OpGet(at.marker, clientv3.WithRev(c.kv.ModRevision-1)), clientv3.OpGet(at.marker, clientv3.WithRev(c.kv.ModRevision)))
	}
	resp, err := w.k.commit(ctx, reads, nil, ops, nil)
	var reply *client.ReplyError
	switch {
	case errors.As(err, &reply) && errors.Is(reply.Err, rpctypes.ErrCompacted):
		return c, nil // Nobody knows any more.
	case err != nil:
		return c, err
	}
	for i, at := range w.p.above {
		before, after := firstOf(resp.Responses[2*i]), firstOf(resp.Responses[2*i+1])
		if before != nil && after == nil {
			return change{key: at.key, dir: true, deleted: true, kv: c.kv, prev: before, prevDir: true}, nil
		}
	}
	return c, nil
}
