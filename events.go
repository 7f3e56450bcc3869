package client

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"
)

// EventKind is what happened to a node.
type EventKind string

// The kinds of events. All but EventResync are the actions of the etcd v2 API.
const (
	EventSet              EventKind = "set"
	EventCreate           EventKind = "create"
	EventUpdate           EventKind = "update"
	EventCompareAndSwap   EventKind = "compareAndSwap"
	EventDelete           EventKind = "delete"
	EventCompareAndDelete EventKind = "compareAndDelete"
	EventExpire           EventKind = "expire"

	// EventResync is a snapshot in place of a change: Node is all there is, read
	// with a quorum, nil if the key does not exist, and the events that follow
	// are those after Index. It comes first where EventsOptions.Snapshot is set,
	// and whenever events may have been missed because the server's history was
	// lost: it replaces the state that a consumer has built from earlier events.
	EventResync EventKind = "resync"
)

// Event is a change of a watched key.
type Event struct {
	// Kind is what happened.
	Kind EventKind

	// Node is the node after the change; for a deleted one it has the key, and
	// the index at which it went. A directory that is deleted or expires is one
	// event; what was below it has gone too.
	Node *Node

	// PrevNode is the node before the change, nil if there was none.
	PrevNode *Node

	// Index is the index of the change, Node.ModifiedIndex. For EventResync, it
	// is that of the snapshot.
	Index uint64
}

// IsWrite reports whether the event gave the node a value or made a directory.
func (e *Event) IsWrite() bool {
	switch e.Kind {
	case EventSet, EventCreate, EventUpdate, EventCompareAndSwap:
		return true
	default:
		return false
	}
}

// IsDelete reports whether the node was deleted or has expired.
func (e *Event) IsDelete() bool {
	switch e.Kind {
	case EventDelete, EventCompareAndDelete, EventExpire:
		return true
	default:
		return false
	}
}

// EventsOptions modify Events. The zero value changes nothing.
type EventsOptions struct {
	// Recursive reports events below the key as well, hidden nodes aside.
	Recursive bool

	// AfterIndex makes the first event the first one whose index is greater.
	// Zero means from when a server first takes the watch.
	AfterIndex uint64

	// Snapshot begins with an EventResync and goes on, without a gap, from
	// there. AfterIndex must be zero then.
	Snapshot bool

	// Buffer is how many events are read ahead of the loop. A server drops a
	// watch whose events it can't deliver; the watch is then restarted where it
	// was, but if more than 1,000 events have happened since, that ends in an
	// EventResync. Zero means 1024.
	Buffer int

	// BufferBytes bounds the keys and values of the events that are read ahead, in
	// bytes; one event may always be. Zero means 16 MiB.
	BufferBytes int

	// Retry is called with each error that is not final, before the watch is tried
	// again; nil disables it. It must not block. Trace.WatchRestarted is called with
	// the same errors.
	Retry func(error)
}

const (
	defaultEventBuffer      = 1024
	defaultEventBufferBytes = 16 << 20
)

// Events returns an iterator over the events of a key, in order, each once, for as
// long as the loop over them goes on:
//
//	for event, err := range client.Events(ctx, kapi, "/config", &client.EventsOptions{Recursive: true, Snapshot: true}) {
//		if err != nil {
//			return err
//		}
//		…
//	}
//
// A nil opts watches the key itself from now on. Each loop over the result is a
// watch of its own. It ends, its connection is closed and its goroutines gone,
// when the loop is left or after an error, which is always the last that the loop
// sees: the context's own error, or one that does not pass, such as an [Error]
// because credentials are missing, [ErrClusterIDChanged], [ErrResponseTooLarge],
// [ErrTransportClosed], an [*InvalidInputError], a [*ReplyError] for a snapshot whose
// header X-Etcd-Index a proxy has dropped, or a [*ClusterError] in which all
// endpoints are [ErrV2NotEnabled]. Failing endpoints and clusters are not final:
// Events tries again, with pauses that grow to 5 seconds, until the context ends.
//
// No event is lost without an EventResync. Where the server's history has been
// lost, which holds the last 1,000 events of all keys together, and it can't be
// proved that nothing was missed, the loop sees one [EventResync]. What counts as an
// event, and what a watch from now needs, is described at [Watcher].
//
// On a KeysAPI of this package many events come over one connection, and are
// read ahead of the loop; on any other KeysAPI, Events uses its Watcher. A Client or
// KeysAPI that wraps another with time-outs, repeated calls or errors of its own
// loses no event.
func Events(ctx context.Context, kapi KeysAPI, key string, opts *EventsOptions) iter.Seq2[*Event, error] {
	var o EventsOptions
	if opts != nil {
		o = *opts
	}
	return func(yield func(*Event, error) bool) {
		if err := checkEvents(ctx, kapi, o); err != nil {
			yield(nil, err)
			return
		}
		loop, cancel := context.WithCancel(ctx)
		defer cancel()
		f := newFollower(kapi, key, o)
		go f.run(loop)
		for event := range f.found {
			f.release(event)
			if ctx.Err() != nil {
				break // what was read ahead is of no interest any more
			}
			if !yield(event, nil) {
				f.end(cancel)
				return
			}
		}
		f.end(cancel)
		yield(nil, f.err)
	}
}

// end ends run, and waits until it has.
func (f *follower) end(cancel context.CancelFunc) {
	cancel()
	for range f.found { // it is closed when run has ended
	}
}

func checkEvents(ctx context.Context, kapi KeysAPI, o EventsOptions) error {
	switch {
	case ctx == nil:
		return errNilContext
	case kapi == nil:
		return &InvalidInputError{Field: "KeysAPI", Reason: "it is nil"}
	case o.Snapshot && o.AfterIndex > 0:
		return &InvalidInputError{Field: "AfterIndex", Reason: "a snapshot has an index of its own"}
	case o.Buffer < 0:
		return &InvalidInputError{Field: "Buffer", Reason: "it is negative"}
	case o.BufferBytes < 0:
		return &InvalidInputError{Field: "BufferBytes", Reason: "it is negative"}
	}
	return nil
}

// follower reads events ahead of a loop.
type follower struct {
	kapi  KeysAPI
	key   string
	opts  EventsOptions
	found chan *Event // closed when run ends
	err   error       // why; set before

	freed chan struct{} // wakes run when bytes have been released
	mu    sync.Mutex    // guards the field below
	bytes int           // of the events in found
}

func newFollower(kapi KeysAPI, key string, o EventsOptions) *follower {
	o.Buffer = cmp.Or(o.Buffer, defaultEventBuffer)
	o.BufferBytes = cmp.Or(o.BufferBytes, defaultEventBufferBytes)
	return &follower{kapi: kapi, key: key, opts: o, found: make(chan *Event, o.Buffer), freed: make(chan struct{}, 1)}
}

// sizeOf returns how many bytes of keys and values an event holds.
func sizeOf(event *Event) int {
	size := 0
	for _, node := range []*Node{event.Node, event.PrevNode} {
		for n := range node.All() {
			size += len(n.Key) + len(n.Value)
		}
	}
	return size
}

// reserve waits until there is room for an event, or none is left to wait for. It
// is false when the context has ended.
func (f *follower) reserve(ctx context.Context, event *Event) bool {
	size := sizeOf(event)
	for {
		f.mu.Lock()
		if f.bytes == 0 || f.bytes+size <= f.opts.BufferBytes {
			f.bytes += size
			f.mu.Unlock()
			return true
		}
		f.mu.Unlock()
		select {
		case <-f.freed:
		case <-ctx.Done():
			return false
		}
	}
}

// release notes that the loop has taken an event.
func (f *follower) release(event *Event) {
	size := sizeOf(event)
	f.mu.Lock()
	f.bytes -= size
	f.mu.Unlock()
	select {
	case f.freed <- struct{}{}:
	default:
	}
}

// eventSource is a watch that can be resumed after any error.
type eventSource interface {
	// follow calls take with each event until that is false or an error comes.
	follow(ctx context.Context, take func(*Response) bool) error
}

// run follows the key until the context ends or a final error comes.
func (f *follower) run(ctx context.Context) {
	defer close(f.found)
	take := func(r *Response) bool {
		return f.put(ctx, &Event{Kind: EventKind(r.Action), Node: r.Node, PrevNode: r.PrevNode, Index: r.Node.ModifiedIndex})
	}
	var source eventSource
	var err error
	var pacer restartPacer
	if !f.opts.Snapshot {
		source, err = f.source(f.opts.AfterIndex)
	}
	for err == nil {
		pacer.start()
		if source == nil {
			source, err = f.resync(ctx)
		} else if err = source.follow(ctx, take); IsEventIndexCleared(err) {
			source, err = nil, f.retry(ctx, &pacer, err)
		}
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case err != nil && !isFinal(err):
			if f.opts.Retry != nil {
				f.opts.Retry(err)
			}
			err = f.retry(ctx, &pacer, err)
		}
	}
	f.err = err
}

// retry waits before the key is watched again, or read.
func (f *follower) retry(ctx context.Context, p *restartPacer, why error) error {
	k, ok := f.kapi.(*httpKeysAPI)
	if !ok {
		k = &httpKeysAPI{prefix: defaultKeysPrefix} // whose restarts only the context's traces see
	}
	path, err := keyPath(k.prefix, f.key)
	if err != nil {
		path = f.key // somebody else's KeysAPI may take what this one does not
	}
	return p.wait(ctx, k.client, path, why)
}

// put hands an event to the loop; it is false when the context has ended.
func (f *follower) put(ctx context.Context, event *Event) bool {
	if !f.reserve(ctx, event) {
		return false
	}
	select {
	case f.found <- event:
		return true
	case <-ctx.Done():
		return false
	}
}

// resync reads all there is and begins to watch from there.
func (f *follower) resync(ctx context.Context) (eventSource, error) {
	event := &Event{Kind: EventResync}
	now, err := f.kapi.Get(ctx, f.key, &GetOptions{Recursive: f.opts.Recursive, Quorum: true})
	var missing Error
	switch {
	case err == nil:
		event.Node, event.Index = now.Node, now.Index
	case errors.As(err, &missing) && (missing.Code == ErrorCodeKeyNotFound || missing.Code == ErrorCodeNotDir):
		event.Index = missing.Index // it may come yet, even where a file is in its way
	default:
		return nil, err
	}
	if event.Index == 0 {
		return nil, errNoIndex
	}
	source, err := f.source(event.Index)
	if err == nil && !f.put(ctx, event) {
		err = ctx.Err()
	}
	return source, err
}

// source prepares a watch of what comes after an index.
func (f *follower) source(after uint64) (eventSource, error) {
	k, ok := f.kapi.(*httpKeysAPI)
	if !ok {
		w := f.kapi.Watcher(f.key, &WatcherOptions{AfterIndex: after, Recursive: f.opts.Recursive})
		return watcherSource{w}, nil
	}
	w, err := k.newWatch(f.key, f.opts.Recursive, after)
	return &pollSource{client: k.client, watch: &w}, err
}

// isFinal reports whether to try again is of no use. Errors that a Client or a
// KeysAPI of the caller's own has made, time-outs of theirs among them, are not
// final: the caller's context is looked at before.
func isFinal(err error) bool {
	var keys Error
	var reply *ReplyError
	var input *InvalidInputError
	switch {
	case errors.Is(err, errNoIndex), errors.As(err, &input), errors.Is(err, ErrClusterIDChanged), errors.Is(err, ErrResponseTooLarge), errors.Is(err, ErrTransportClosed):
		return true
	case errors.Is(err, ErrClusterUnavailable):
		return isV2Disabled(err)
	case errors.As(err, &keys):
		return keys.Code < ErrorCodeRaftInternal
	case errors.As(err, &reply):
		return isClientError(reply.StatusCode) && !isIdleTimeout(reply.StatusCode) && reply.StatusCode != http.StatusTooManyRequests
	}
	return false
}

// isV2Disabled reports whether all endpoints have said that they don't serve the
// v2 API.
func isV2Disabled(err error) bool {
	var failed *ClusterError
	return errors.As(err, &failed) && len(failed.Errors) > 0 &&
		!slices.ContainsFunc(failed.Errors, func(each error) bool { return !errors.Is(each, ErrV2NotEnabled) })
}

// errNoIndex is final: without it nobody knows where to go on.
var errNoIndex = &ReplyError{Message: "the snapshot has no index (X-Etcd-Index)", StatusCode: http.StatusOK}

// watcherSource follows by the Watcher of any KeysAPI.
type watcherSource struct{ watcher Watcher }

func (s watcherSource) follow(ctx context.Context, take func(*Response) bool) error {
	for {
		event, err := s.watcher.Next(ctx)
		if err != nil {
			return err
		}
		if event == nil || event.Node == nil {
			return errNoEvent
		}
		if !take(event) {
			return ctx.Err()
		}
	}
}

const (
	// denseRun is how many events of the history must have come one behind the
	// other before several are asked for at a time.
	denseRun = 8
	// mostAtATime is how many requests ask at a time.
	mostAtATime = 8

	// Where the header of a stream is held back until there is a body, the watch
	// goes on by single requests for a time that grows from the first to the last.
	firstStreamPause = time.Minute
	lastStreamPause  = time.Hour
)

// pollSource follows by requests of its own: one event at a time while it catches
// up with the history, since a stream would bring one event of it and then jump
// to new ones, and by a stream once it is at the head.
//
// A store may be written faster than the history can be read one event at a time.
// So a stream that begins now is opened before a long run of the history is read.
// It waits, its events in the buffers of its connection, until the history up to
// its beginning has been delivered.
type pollSource struct {
	client Client
	watch  *watch
	ahead  *pollRun // the stream that waits; nil: none

	streamPause time.Duration
	streamAfter time.Time // no stream before; zero: any time
	dense       int       // how many events of the history have come one behind the other
}

// mayStream reports whether the next request may be for a stream.
func (s *pollSource) mayStream() bool {
	return s.watch.isAtHead() && !s.watch.noIndex && !time.Now().Before(s.streamAfter)
}

// follow implements eventSource.
func (s *pollSource) follow(ctx context.Context, take func(*Response) bool) error {
	var pacer restartPacer
	own, _ := s.client.(*httpClusterClient) // nil: it opens no stream ahead
	defer s.endAhead()
	for {
		pacer.start()
		before := s.watch.events
		var err error
		switch {
		case s.isAheadReached():
			err = s.streamAhead(ctx, own)
		case s.mayStream():
			s.endAhead()
			err = s.stream(ctx, take)
		default:
			s.openAhead(ctx, take)
			err = s.catchUp(ctx, take)
		}
		if IsEventIndexCleared(err) {
			err = s.watch.goOnAfterLoss(ctx, s.client, err)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if s.watch.events > before {
			continue
		}
		if err := pacer.wait(ctx, s.client, s.watch.path, nil); err != nil {
			return err
		}
	}
}

// stream sends one request for a stream of events.
func (s *pollSource) stream(ctx context.Context, take func(*Response) bool) (err error) {
	s.dense = 0
	if own, ok := s.client.(*httpClusterClient); ok {
		_, err = s.watch.request(ctx, own, true, take)
	} else if s.client == nil {
		err = errNilClient
	} else {
		err = s.watch.streamBy(ctx, s.client, take)
	}
	s.noteStream(s.watch.header, err)
	return err
}

// noteStream notes how a request for a stream has ended, and whether its header
// came: a server sends it at once.
func (s *pollSource) noteStream(header bool, err error) {
	switch {
	case header:
		s.streamPause = 0
	case err == nil:
		s.streamPause = min(max(2*s.streamPause, firstStreamPause), lastStreamPause)
		s.streamAfter = time.Now().Add(s.streamPause)
	}
}

// openAhead opens a stream that begins now, where a long run of the history is
// about to be read.
func (s *pollSource) openAhead(ctx context.Context, take func(*Response) bool) {
	own, ok := s.client.(*httpClusterClient)
	if !ok || s.ahead != nil || s.dense < denseRun || s.watch.noIndex || time.Now().Before(s.streamAfter) {
		return
	}
	p := s.watch.newPoll(true)
	p.at.next, p.deliver = 0, take
	p.gate, p.held = make(chan struct{}), make(chan struct{})
	s.ahead = launch(ctx, own, p)
}

// isAheadReached reports whether all has been delivered that happened before the
// stream that waits.
func (s *pollSource) isAheadReached() bool {
	if s.ahead == nil {
		return false
	}
	select {
	case <-s.ahead.done: // the requests for the history show why
		s.noteStream(false, s.ahead.err)
		s.endAhead()
		s.dense = 0
		return false
	case <-s.ahead.poll.held:
		if s.ahead.poll.from == 0 { // it is not known where it begins
			s.endAhead()
			s.dense = 0
			return false
		}
		return s.watch.next > s.ahead.poll.from
	default:
		return false
	}
}

// streamAhead goes on by the stream that waits.
func (s *pollSource) streamAhead(ctx context.Context, own *httpClusterClient) error {
	run := s.ahead
	s.ahead, s.dense = nil, 0
	run.poll.at = s.watch.position
	close(run.poll.gate)
	_, err := s.watch.follow(ctx, own, run)
	s.noteStream(s.watch.header, err)
	return err
}

// endAhead closes the stream that waits, if there is one.
func (s *pollSource) endAhead() {
	s.ahead.end()
	s.ahead = nil
}

// single sends one request for an event.
func (s *pollSource) single(ctx context.Context, take func(*Response) bool) error {
	before := s.watch.next
	event, err := s.watch.once(ctx, s.client)
	s.noteDense(before)
	if event != nil {
		take(event)
	}
	return err
}

// catchUp asks for the next events of the history, several at a time while they
// are close together: one after the other would be no faster than a busy store
// writes them. A request brings the first event at or behind its index, so that
// those of consecutive indexes, in their order, leave nothing out.
func (s *pollSource) catchUp(ctx context.Context, take func(*Response) bool) error {
	own, ok := s.client.(*httpClusterClient)
	if s.dense < denseRun || !ok {
		return s.single(ctx, take)
	}
	var (
		polls [mostAtATime]*pollCall
		errs  [mostAtATime]error
		all   sync.WaitGroup
	)
	for i := range polls {
		p := s.watch.newPoll(false)
		p.at.next += uint64(i)
		p.endAtHead = true // or it would wait for what is to come
		polls[i] = p
		all.Go(func() { _, errs[i] = own.do(ctx, p) })
	}
	all.Wait()
	for i, p := range polls {
		before := s.watch.next
		if errs[i] != nil && i == 0 {
			s.dense = 0
			return errs[i]
		}
		if before != p.asked || errs[i] != nil {
			return nil //nolint:nilerr // that is for the next request to find out
		}
		s.watch.clusterID = cmp.Or(s.watch.clusterID, p.at.clusterID)
		s.watch.taken = p.index
		if p.event == nil {
			s.dense = 0
			break
		}
		event := s.watch.pass(&s.watch.position, p.event, p.asked)
		s.noteDense(before)
		if event != nil && !take(event) {
			break
		}
	}
	return nil
}

// noteDense counts how many events have come one behind the other.
func (s *pollSource) noteDense(before uint64) {
	if s.watch.noIndex || s.watch.isAtHead() || s.watch.next != before+1 {
		s.dense = 0
		return
	}
	s.dense++
}

var errNoEvent = errors.New("client: the Watcher returned neither event nor error")
