package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Watcher waits for events, one after the other. It is for one goroutine at a
// time. It holds no connection between two calls of Next, so there is nothing to
// close.
//
// A Watcher delivers every event of its key after its start, in order and once,
// or says by an error that it can't. Its start is AfterIndex, or else the moment
// at which a server first took the watch. Not events, to the server, are: a
// refresh; what happens below a directory that is deleted or expires as a whole,
// which is one event, for the directory; hidden nodes below a key that is
// watched recursively.
type Watcher interface {
	// Next returns the next event, as soon as there is one.
	//
	// A long poll that ends without an event is made again, on another endpoint
	// where that one has failed, and after a pause where it ended soon: whether
	// the server or a proxy ended it, the connection broke, the member stopped,
	// or it was cut off from its cluster.
	//
	// Servers remember 1,000 events, of all keys together. When older ones are
	// wanted, Next reads the key with a quorum; if it exists and has not changed
	// since, nothing was missed, and Next goes on from there. That can be told
	// of a key that is not a directory, or is not watched recursively.
	//
	// Its errors, after each of which Next may be called again:
	//   - context.Canceled, context.DeadlineExceeded: the context ended. The
	//     next call goes on where this one was.
	//   - an Error for which IsEventIndexCleared holds: events may have been
	//     missed, for good. Read the key again. The next call goes on from the
	//     error's Index.
	//   - another Error or a *ReplyError: the server refuses the watch, for want
	//     of credentials for instance. The next call asks again.
	//   - a *ReplyError that is ErrClusterIDChanged: the endpoint belongs to
	//     another cluster. Make a new Watcher.
	//   - a *ClusterError: all endpoints failed, one after the other. The next
	//     call goes on where this one was.
	//   - an *InvalidInputError: the key can't be watched.
	Next(context.Context) (*Response, error)
}

const (
	firstRearmPause = 50 * time.Millisecond
	lastRearmPause  = 5 * time.Second
)

type httpWatcher struct {
	client Client
	poll   poll
	err    error // why the key can't be watched
}

// Watcher implements KeysAPI.
func (k *httpKeysAPI) Watcher(key string, opts *WatcherOptions) Watcher {
	if opts == nil {
		opts = &WatcherOptions{}
	}
	w := &httpWatcher{client: k.client}
	w.poll, w.err = k.newPoll(key, opts.Recursive, opts.AfterIndex)
	w.poll.hidden = opts.Hidden
	return w
}

// newPoll prepares the watch of a key for what comes after an index; 0 means
// from now on.
func (k *httpKeysAPI) newPoll(key string, recursive bool, after uint64) (poll, error) {
	path, err := keyPath(k.prefix, key)
	p := poll{path: path, recursive: recursive}
	if below, ok := strings.CutPrefix(path, defaultKeysPrefix); ok && err == nil {
		p.dir, err = url.PathUnescape(strings.TrimSuffix(below, "/") + "/")
	}
	if after > 0 {
		p.next = after + 1
	}
	return p, err
}

// Next implements Watcher.
func (w *httpWatcher) Next(ctx context.Context) (*Response, error) {
	if w.err != nil {
		return nil, w.err
	}
	var rearm pace
	for {
		rearm.start()
		before := w.poll.events
		event, err := w.poll.once(ctx, w.client, &w.poll)
		if IsEventIndexCleared(err) {
			err = w.poll.goOnAfterLoss(ctx, w.client, err)
		}
		if event != nil || err != nil {
			return event, err
		}
		if w.poll.events > before {
			continue // The history went on, with what is hidden from this watch.
		}
		if err := rearm.keep(ctx, w.client, w.poll.path, nil); err != nil {
			return nil, err
		}
	}
}

// goOnAfterLoss decides what the loss of history means: nothing, if the key is
// as it was, or else the error, after which the watch goes on from its index.
func (p *poll) goOnAfterLoss(ctx context.Context, c Client, loss error) error {
	act := &action{asks: demand{method: http.MethodGet, path: p.path, query: "quorum=true"}, class: classRead}
	now, err := call(ctx, c, act, decodeKeys)
	if err == nil && p.isUnchanged(now) {
		p.next = now.Index + 1
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var cleared Error
	if errors.As(loss, &cleared) && cleared.Index > 0 {
		p.next = cleared.Index + 1
	}
	return loss
}

// isUnchanged reports whether the node that a quorum read gave shows that no
// event of this watch was missed. A node that is there, and was last written
// before the events of interest, was neither deleted nor made anew; but what is
// gone from below a directory has left no trace.
func (p *poll) isUnchanged(now *Response) bool {
	n := now.Node
	leavesTraces := !p.recursive || !n.Dir
	return leavesTraces && now.Index >= p.next && n.Key != "" && n.ModifiedIndex < p.next
}

// pace puts pauses between polls that end soon without an event.
type pace struct {
	began time.Time
	pause time.Duration
}

func (p *pace) start() { p.began = time.Now() }

// keep waits before the next poll of the path by c; why is nil where the one before
// ended without an event.
func (p *pace) keep(ctx context.Context, c Client, path string, why error) error {
	if time.Since(p.began) >= longEnough {
		p.pause = 0
	} else {
		p.pause = min(max(2*p.pause, firstRearmPause), lastRearmPause)
	}
	if ctx.Err() == nil {
		rearmed(ctx, c, WatchRestartInfo{Path: path, Err: why, Pause: p.pause})
	}
	if p.pause == 0 {
		return ctx.Err()
	}
	return sleep(ctx, p.pause)
}
