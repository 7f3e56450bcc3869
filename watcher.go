package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
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

// How a watch makes its requests by a Client of the caller's own. That may do with
// them what it likes: pass them on to the Client that it wraps, with a time-out,
// repeated or hedged; or make them itself. The watch moves only by events that it
// has delivered.

// taken is what is known of where a server has taken a watch.
type taken struct {
	mu        sync.Mutex // guards the fields below
	index     uint64     // the first X-Etcd-Index; 0: none came
	clusterID string
}

// note keeps what the header of a success says.
func (t *taken) note(r *reply) error {
	if !isSuccess(r.status) {
		return nil
	}
	index, err := indexOf(r)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index == 0 {
		t.index, t.clusterID = index, r.get(headerClusterID)
	}
	return nil
}

// requestBy sends one request by a Client of the caller's own, which may do with
// it what it likes: repeat it, give it up, or make it itself. The watch moves only
// when that Client has returned an event.
func (w *watch) requestBy(ctx context.Context, c Client) (*Response, error) {
	if c == nil {
		return nil, errNilClient
	}
	var start taken
	asked := w.next
	act := &action{
		spec:  requestSpec{method: http.MethodGet, path: w.path, query: w.query(asked, false)},
		class: classRead, longPoll: true, taken: start.note,
		judge: func(r *reply) error {
			_, err := eventOf(r)
			return err
		},
	}
	began := time.Now()
	resp, body, err := c.Do(ctx, act) //nolint:bodyclose // Do has read and closed it
	start.mu.Lock()
	index, clusterID := start.index, start.clusterID
	start.mu.Unlock()
	if w.next == 0 && index > 0 {
		w.next = index + 1
	}
	w.clusterID = cmp.Or(w.clusterID, clusterID)
	if err != nil {
		return nil, err
	}
	return w.readForeign(replyOf(resp, body), asked, began)
}

// readForeign returns the event of a reply that a Client of the caller's own has
// returned, or nil for an idle end. asked and began are of the request.
func (w *watch) readForeign(r *reply, asked uint64, began time.Time) (*Response, error) {
	if !isSuccess(r.status) {
		if isIdleTimeout(r.status) && !speaksEtcd(r) && time.Since(began) >= minIdlePoll {
			return nil, nil
		}
		return nil, pollError(r)
	}
	if err := w.checkCluster(r); err != nil {
		return nil, err
	}
	index, err := indexOf(r)
	if err != nil {
		return nil, err
	}
	w.taken, w.noIndex = index, w.noIndex || index == 0
	if w.next == 0 && index > 0 {
		w.next = index + 1
	}
	event, err := eventOf(r)
	if event == nil || err != nil {
		return nil, err
	}
	return w.pass(&w.position, event, asked), nil
}

// eventOf returns the event of a whole reply, or nil for an idle end.
func eventOf(r *reply) (*Response, error) {
	if !isSuccess(r.status) {
		return nil, pollError(r)
	}
	event, err := decodeTreeBytes(r.body)
	if errors.Is(err, ErrEmptyBody) {
		return nil, nil
	}
	return finishResponse(r, event, err, true)
}

// streamAction is a request for a stream of events, which a Client of the caller's
// own may pass on. One that makes its requests itself would wait for the end of the
// stream, which does not come: it is told to make one for a single event.
type streamAction struct {
	watch   *watch // not to be changed
	deliver func(*Response) bool

	mu       sync.Mutex // guards the fields below, and delivering
	at       position
	over     bool // what comes from now on is for another request to bring
	passedOn bool // the action came back to a Client of this package
	header   bool // the header of a reply came
	index    uint64
}

// HTTPRequest implements HTTPAction.
func (s *streamAction) HTTPRequest(ep url.URL) *http.Request {
	s.mu.Lock()
	next := s.at.next
	s.mu.Unlock()
	spec := requestSpec{method: http.MethodGet, path: s.watch.path, query: s.watch.query(next, false)}
	return spec.httpRequest(ep)
}

// call returns the operation of one call that has come back.
func (s *streamAction) call(ctx context.Context) *pollCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passedOn = true
	return &pollCall{watch: s.watch, stream: true, at: s.at, progress: s.at, active: time.Now(), deliver: s.deliver, shared: s, stop: ctx.Done()}
}

// position returns how far the stream has come, by whatever call.
func (s *streamAction) position() position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// onHeader notes where a server has taken the stream.
func (s *streamAction) onHeader(index uint64, clusterID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header, s.index = true, index
	if s.at.next == 0 && index > 0 {
		s.at.next = index + 1
	}
	if s.at.clusterID == "" {
		s.at.clusterID = clusterID
	}
}

// pass delivers an event, unless another call has done so.
func (s *streamAction) pass(event *Response, asked uint64) (goOn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	event = s.watch.pass(&s.at, event, asked)
	return event == nil || s.deliver(event)
}

// streamBy sends one request for a stream by c.
func (w *watch) streamBy(ctx context.Context, c Client, take func(*Response) bool) error {
	act := &streamAction{watch: w, deliver: take, at: w.position}
	began := time.Now()
	resp, body, err := c.Do(ctx, act) //nolint:bodyclose // Do has read and closed it
	act.mu.Lock()
	act.over = true
	passedOn := act.passedOn
	w.position, w.header, w.taken = act.at, act.header, act.index
	w.noIndex = w.noIndex || act.header && act.index == 0
	asked := act.at.next
	act.mu.Unlock()
	if err != nil || passedOn {
		return err
	}
	w.header = true
	event, err := w.readForeign(replyOf(resp, body), asked, began)
	if event != nil {
		take(event)
	}
	return err
}
