package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Watcher waits for events, one after the other. It is for one goroutine at a
// time. It holds no connection between two calls of Next, so there is nothing to
// close.
type Watcher interface {
	// Next returns the next event, as soon as there is one. A long poll that
	// the server ended without an event is made again, after a pause when that
	// happens often; nothing else is.
	//
	// Its errors are those of a read (see KeysAPI). After any of them Next may
	// be called again and goes on where it was. An Error with
	// ErrorCodeEventIndexCleared means that events were missed for good: read
	// the key again and watch from that Response's Index.
	Next(context.Context) (*Response, error)
}

const (
	firstRearmPause = 50 * time.Millisecond
	lastRearmPause  = 5 * time.Second
	// longEnough is how long a poll must have lasted to be worth no pause.
	longEnough = time.Second
)

// watchReply is how one long poll ended.
type watchReply struct {
	index uint64    // the store's index when the server took the watch
	event *Response // nil: without an event
}

type httpWatcher struct {
	client    Client
	path      string
	err       error // why the key can't be watched
	recursive bool
	next      uint64 // the first index of interest; 0: whatever is next
}

// Watcher implements KeysAPI.
func (k *httpKeysAPI) Watcher(key string, opts *WatcherOptions) Watcher {
	w := &httpWatcher{client: k.client}
	w.path, w.err = keyPath(k.prefix, key)
	if opts != nil {
		w.recursive = opts.Recursive
		if opts.AfterIndex > 0 {
			w.next = opts.AfterIndex + 1
		}
	}
	return w
}

// Next implements Watcher.
func (w *httpWatcher) Next(ctx context.Context) (*Response, error) {
	if w.err != nil {
		return nil, w.err
	}
	pause := firstRearmPause
	for {
		start := time.Now()
		r, err := call(ctx, w.client, w.poll(), decodeWatch)
		if err != nil {
			return nil, err
		}
		if r.event != nil {
			w.next = r.event.Node.ModifiedIndex + 1
			return r.event, nil
		}
		if w.next == 0 && r.index > 0 {
			w.next = r.index + 1 // what comes between two polls counts too
		}
		if time.Since(start) >= longEnough {
			pause = firstRearmPause
			continue
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
		pause = min(2*pause, lastRearmPause)
	}
}

func (w *httpWatcher) poll() *action {
	query := url.Values{"wait": {"true"}}
	setTrue(query, "recursive", w.recursive)
	if w.next > 0 {
		query.Set("waitIndex", strconv.FormatUint(w.next, 10))
	}
	return &action{method: http.MethodGet, path: w.path, query: query.Encode(), class: classRead, longPoll: true}
}
