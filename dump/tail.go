package dump

import (
	"context"
	"time"

	"github.com/coreos/etcd/client"
)

const (
	// tailBuffer is how many changes are read ahead of who writes them.
	tailBuffer = 1 << 16
	// hiddenInterval is how long a watch waits that wants hidden nodes: only when
	// it begins it is told of them.
	hiddenInterval = 2 * time.Second
)

// tail reads the changes of a store ahead of who wants them.
type tail struct {
	kapi   client.KeysAPI
	root   string
	hidden bool   // those of hidden nodes too
	last   uint64 // the index of the last change

	events chan *client.Response // closed when run has ended
	err    error                 // why; set before
	cancel context.CancelFunc
}

// startTail begins behind an index. Its owner must call stop.
func startTail(ctx context.Context, kapi client.KeysAPI, root string, after uint64, hidden bool) *tail {
	ctx, cancel := context.WithCancel(ctx)
	t := &tail{kapi: kapi, root: root, hidden: hidden, last: max(after, 1), events: make(chan *client.Response, tailBuffer), cancel: cancel}
	go t.run(ctx)
	return t
}

// stop ends the reading, and waits until it has ended.
func (t *tail) stop() {
	t.cancel()
	for range t.events { // nobody wants them
	}
}

func (t *tail) run(ctx context.Context) {
	defer close(t.events)
	pause := firstPause
	for ctx.Err() == nil {
		err := t.watch(ctx)
		switch {
		case ctx.Err() != nil:
		case isPassing(err):
			_ = wait(ctx, pause) //nolint:errcheck // the loop sees it
			pause = min(2*pause, lastPause)
			continue
		case err != nil:
			t.err = err
			return
		}
		pause = firstPause
	}
	t.err = ctx.Err()
}

// watch reads until there is a reason to begin a watch anew, or an error.
func (t *tail) watch(ctx context.Context) error {
	w := t.kapi.Watcher(t.root, &client.WatcherOptions{AfterIndex: t.last, Recursive: true, Hidden: t.hidden})
	if !t.hidden {
		return t.each(ctx, w)
	}
	for {
		event, err := nextWithin(ctx, w, hiddenInterval)
		switch {
		case ctx.Err() == nil && isTimeout(err):
			return nil
		case err != nil:
			return err
		}
		// Of an event that was waited for it is not known whether one of a hidden
		// node came before it: the history knows.
		waited := event.Index > 0 && event.Index < event.Node.ModifiedIndex
		if waited {
			again := t.kapi.Watcher(t.root, &client.WatcherOptions{AfterIndex: t.last, Recursive: true, Hidden: true})
			if event, err = again.Next(ctx); err != nil {
				return err
			}
			w = again
		}
		if !t.put(ctx, event) {
			return ctx.Err()
		}
	}
}

// each reads the changes of what is not hidden.
func (t *tail) each(ctx context.Context, w client.Watcher) error {
	for {
		event, err := w.Next(ctx)
		if err != nil {
			return err
		}
		if !t.put(ctx, event) {
			return ctx.Err()
		}
	}
}

func (t *tail) put(ctx context.Context, event *client.Response) bool {
	if event.Node == nil {
		return true
	}
	t.last = event.Node.ModifiedIndex
	select {
	case t.events <- event:
		return true
	case <-ctx.Done():
		return false
	}
}
