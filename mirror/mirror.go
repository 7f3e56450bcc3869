package mirror

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"github.com/coreos/etcd/client"
)

// ErrClosed is why a mirror has ended on which Close was called.
var ErrClosed = errors.New("mirror: closed")

// Options modify New. The zero value changes nothing.
type Options struct {
	// OnChange, unless nil, is told what makes each state differ from the one
	// before: all the changes of one index, never none. The first call has all
	// of the first snapshot, as Added. The mirror already shows the new state
	// then, or a later one. But the first calls may come before New has returned,
	// so that a variable for what it returns is not set yet: use the changes, or
	// have OnChange wake a goroutine that has the mirror.
	//
	// What has gone comes first, children before their directory; then what
	// was added or changed, each directory before its children. The slice
	// belongs to OnChange.
	//
	// All calls come from one goroutine, the one that keeps the mirror up to
	// date: while OnChange runs, the mirror stands still. OnChange must not call
	// Close, nor wait for a later index; and when it waits for something else,
	// that has to end before Close can return.
	OnChange func([]Change)

	// Retry, unless nil, is told of each failure to read or watch that will be
	// tried again. It must not block.
	Retry func(error)
}

// Mirror is a directory held in memory. Make it with New. It is safe for
// concurrent use; readers hold up neither each other nor the mirror.
type Mirror struct {
	dir      string // clean; "" is the root
	onChange func([]Change)
	stop     context.CancelCauseFunc
	view     atomic.Pointer[View] // nil until the first snapshot
	ready    chan struct{}        // closed once view is set
	done     chan struct{}        // closed when follow has ended
	err      error                // why; set before
}

// New mirrors the directory dir of kapi. A nil opts reports no changes.
//
// It returns once the first snapshot is in, and does not wait for OnChange. Until
// Close is called or ctx ends, the mirror then follows the directory. Failing
// endpoints, an unavailable cluster and lost history are no errors, then or
// later: New, and the mirror, go on trying. New's error, and that of [Mirror.Err],
// is ctx.Err(), or one that will not go away:
//   - a [client.Error] or [*client.ReplyError], when the server refuses to be
//     read or watched, for want of credentials for instance,
//   - one that is [client.ErrClusterIDChanged],
//   - a [*client.InvalidInputError], when dir is no valid key, or when the
//     server knows it by another name, as it does if the prefix of kapi names
//     a directory.
func New(ctx context.Context, kapi client.KeysAPI, dir string, opts *Options) (*Mirror, error) {
	switch {
	case ctx == nil:
		return nil, &client.InvalidInputError{Field: "context", Reason: "it is nil"}
	case kapi == nil:
		return nil, &client.InvalidInputError{Field: "KeysAPI", Reason: "it is nil"}
	case opts == nil:
		opts = &Options{}
	}
	ctx, stop := context.WithCancelCause(ctx)
	m := &Mirror{
		dir: clean(dir), onChange: opts.OnChange, stop: stop,
		ready: make(chan struct{}), done: make(chan struct{}),
	}
	go m.follow(ctx, client.Events(ctx, kapi, dir, &client.EventsOptions{
		Recursive: true, Snapshot: true, Retry: opts.Retry,
	}))
	select {
	case <-m.ready:
		return m, nil
	case <-m.done:
		return nil, m.err
	}
}

// Close ends the mirror and waits until its goroutine has ended. What it holds
// can still be read. To call it more than once does no harm.
func (m *Mirror) Close() {
	m.stop(ErrClosed)
	<-m.done
}

// Done is closed when the mirror has ended, for the reason that Err gives. What
// it holds can still be read, and changes no more.
func (m *Mirror) Done() <-chan struct{} { return m.done }

// Err says why the mirror has ended: [ErrClosed], or an error that [New] names.
// While the mirror goes on, it is nil.
func (m *Mirror) Err() error {
	select {
	case <-m.done:
		return m.err
	default:
		return nil
	}
}

// View gives the latest state. Reads of it agree with each other, whatever the
// mirror does meanwhile; reads of the mirror itself are each of its latest
// state. It costs nothing.
func (m *Mirror) View() *View { return m.view.Load() }

// Get gives the node at key in the latest state, as [View.Get] does.
func (m *Mirror) Get(key string) *client.Node { return m.View().Get(key) }

// List gives the children of dir in the latest state, as [View.List] does.
func (m *Mirror) List(dir string) client.Nodes { return m.View().List(dir) }

// Walk gives dir and all below it in the latest state, as [View.Walk] does.
func (m *Mirror) Walk(dir string) iter.Seq[*client.Node] { return m.View().Walk(dir) }

// Index gives the index of the latest state, as [View.Index] does.
func (m *Mirror) Index() uint64 { return m.View().Index() }

// WaitIndex waits until the mirror shows all that had happened in its directory
// up to index. To read one's own write, pass the Response.Node.ModifiedIndex of
// a Set, Create, CreateInOrder, Update or Delete of a key in the directory, or,
// while the directory exists, of the deletion of one that it is in:
//
//	r, err := kapi.Set(ctx, "/services/web/1", "10.0.0.1", nil)
//	…
//	err = m.WaitIndex(ctx, r.Node.ModifiedIndex)
//
// The mirror's index moves with the events of its directory and with snapshots,
// and not with the store's. So the index of anything else, such as a write
// elsewhere or of a hidden node, a refresh, or the index of a Get, may not be
// reached before something is written in the directory.
//
// The error is ctx.Err(), or that of Err when the mirror has ended before it got
// there.
func (m *Mirror) WaitIndex(ctx context.Context, index uint64) error {
	for {
		ended := m.Err() // asked first: no newer view comes after it
		view := m.View()
		switch {
		case view.index >= index:
			return nil
		case ended != nil:
			return ended
		}
		select {
		case <-view.replaced:
		case <-m.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow applies the events until they end.
func (m *Mirror) follow(ctx context.Context, events iter.Seq2[*client.Event, error]) {
	defer close(m.done)
	defer m.stop(nil)
	for event, err := range events {
		if err == nil {
			err = ctx.Err() // some events were read ahead
		}
		if err == nil {
			err = m.apply(event)
		}
		if err != nil {
			m.err = err
			break
		}
	}
	if errors.Is(m.err, context.Canceled) && errors.Is(context.Cause(ctx), ErrClosed) {
		m.err = ErrClosed
	}
}

// apply makes the state after an event, shows it and reports what has changed.
func (m *Mirror) apply(event *client.Event) error {
	before := m.view.Load()
	next := step{dir: m.dir, index: event.Index}
	if before != nil {
		if event.Kind != client.EventResync && event.Index <= before.index {
			return nil // the snapshot had it
		}
		next.nodes = before.nodes
	}
	if err := next.apply(event); err != nil {
		return err
	}
	m.view.Store(&View{nodes: next.nodes, index: event.Index, replaced: make(chan struct{})})
	if before == nil {
		close(m.ready)
	} else {
		close(before.replaced)
	}
	if m.onChange != nil && len(next.changes) > 0 {
		m.onChange(next.changes)
	}
	return nil
}
