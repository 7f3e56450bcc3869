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
// or returns an error. Its start is AfterIndex, or else when a server first took the
// watch, which is known from the header X-Etcd-Index of the reply. Where a proxy
// drops that header, or holds it back until there is a body, a watch without an
// AfterIndex starts with its first event: what happens before that, while a request
// is restarted, is missed. Servers report no event for: a refresh; what was below a
// directory that is deleted or expires, which is one event, for the directory; hidden
// nodes below a key that is watched recursively, unless WatcherOptions.Hidden is set.
//
// A connection that swallows everything is left within about a minute: an idle poll
// over HTTP/1.1 is renewed every 25 to 35 seconds, by a second request from the same
// index, and the first is ended once a server has taken the second. Over HTTP/2 the
// transport's pings do that. A watch by a Client of another package is not renewed.
type Watcher interface {
	// Next returns the next event, as soon as there is one.
	//
	// A long poll that ends without an event is restarted, on another endpoint
	// where that one has failed, and after a pause where it ended soon: whether
	// the server or a proxy ended it, the connection broke, the member stopped,
	// or it was cut off from its cluster. It is restarted from the same index,
	// unless it is shown that the history holds nothing for it: its header had been
	// there for 5 seconds without a byte behind it, and the same endpoint has
	// answered another request that was made after that.
	//
	// Servers remember 1,000 events, of all keys together. When older ones are
	// wanted, Next reads the key with a quorum; if it exists and has not changed
	// since, nothing was missed, and Next goes on from there. That can be proved
	// for a key that is not a directory, or is not watched recursively. A quiet
	// recursive watch in a busy store may thus see the error below though nothing
	// was missed.
	//
	// Its errors, after each of which Next may be called again:
	//   - context.Canceled, context.DeadlineExceeded: the context ended. The
	//     next call goes on where this one was.
	//   - an Error for which IsEventIndexCleared holds: events may have been
	//     missed, for good. Read the key again. The next call goes on from the
	//     error's Index.
	//   - another Error or a *ReplyError: etcd refuses the watch, because
	//     credentials are missing for instance. The next call asks again.
	//   - a *ReplyError that is ErrClusterIDChanged: the endpoint belongs to
	//     another cluster. Make a new Watcher.
	//   - a *ClusterError: all endpoints failed, one after the other. The next
	//     call goes on where this one was.
	//   - an *InvalidInputError: the key can't be watched.
	Next(context.Context) (*Response, error)
}

const (
	firstRestartPause = 50 * time.Millisecond
	lastRestartPause  = 5 * time.Second
)

type httpWatcher struct {
	client Client
	watch  watch
	err    error // why the key can't be watched
}

// Watcher implements KeysAPI.
func (k *httpKeysAPI) Watcher(key string, opts *WatcherOptions) Watcher {
	if opts == nil {
		opts = &WatcherOptions{}
	}
	w := &httpWatcher{client: k.client}
	w.watch, w.err = k.newWatch(key, opts.Recursive, opts.AfterIndex)
	w.watch.hidden = opts.Hidden
	return w
}

// newWatch prepares the watch of a key for what comes after an index; 0 means
// from now on.
func (k *httpKeysAPI) newWatch(key string, recursive bool, after uint64) (watch, error) {
	path, err := keyPath(k.prefix, key)
	w := watch{path: path, recursive: recursive}
	if below, ok := strings.CutPrefix(path, defaultKeysPrefix); ok && err == nil {
		w.dir, err = url.PathUnescape(strings.TrimSuffix(below, "/") + "/")
	}
	if after > 0 {
		w.next = after + 1
	}
	return w, err
}

// Next implements Watcher.
func (w *httpWatcher) Next(ctx context.Context) (*Response, error) {
	switch {
	case w.err != nil:
		return nil, w.err
	case ctx == nil:
		return nil, errNilContext
	}
	var pacer restartPacer
	for {
		pacer.start()
		before := w.watch.events
		event, err := w.watch.once(ctx, w.client)
		if IsEventIndexCleared(err) {
			err = w.watch.goOnAfterLoss(ctx, w.client, err)
		}
		if event != nil || err != nil {
			return event, err
		}
		if w.watch.events > before {
			continue // The history went on, with what is hidden from this watch.
		}
		if err := pacer.wait(ctx, w.client, w.watch.path, nil); err != nil {
			return nil, err
		}
	}
}

// once sends one request by c, and returns the event, or nil for an idle end.
func (w *watch) once(ctx context.Context, c Client) (*Response, error) {
	if own, ok := c.(*httpClusterClient); ok {
		return w.request(ctx, own, false, nil)
	}
	return w.requestBy(ctx, c)
}

// goOnAfterLoss returns nil after a loss of history if the key is as it was, or else
// the error, after which the watch goes on from its index.
func (w *watch) goOnAfterLoss(ctx context.Context, c Client, loss error) error {
	act := &action{spec: requestSpec{method: http.MethodGet, path: w.path, query: quorumQuery}, class: classRead, keys: true}
	now, err := call(ctx, c, act, decodeKeys)
	if err == nil && w.isUnchanged(now) {
		w.next = now.Index + 1
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var cleared Error
	if errors.As(loss, &cleared) && cleared.Index > 0 {
		w.next = cleared.Index + 1
	}
	return loss
}

// isUnchanged reports whether the node that a quorum read returned shows that no
// event of this watch was missed. A node that is there, and was last written
// before the events of interest, was neither deleted nor created since; but what
// is gone from below a directory has left no trace.
func (w *watch) isUnchanged(now *Response) bool {
	n := now.Node
	leavesTraces := !w.recursive || !n.Dir
	return leavesTraces && now.Index >= w.next && n.Key != "" && n.ModifiedIndex < w.next
}

// restartPacer puts pauses between requests of a watch that end soon without an
// event.
type restartPacer struct {
	began time.Time
	pause time.Duration
}

func (p *restartPacer) start() { p.began = time.Now() }

// wait waits before the next request for the path by c; why is nil where the one
// before ended without an event.
func (p *restartPacer) wait(ctx context.Context, c Client, path string, why error) error {
	if time.Since(p.began) >= minIdlePoll {
		p.pause = 0
	} else {
		p.pause = min(max(2*p.pause, firstRestartPause), lastRestartPause)
	}
	if ctx.Err() == nil {
		onWatchRestart(ctx, c, WatchRestartInfo{Path: path, Err: why, Pause: p.pause})
	}
	if p.pause == 0 {
		return ctx.Err()
	}
	return sleep(ctx, p.pause)
}
