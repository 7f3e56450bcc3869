package client

import (
	"context"
	"errors"
	"time"
)

// What the function that is given to [Modify] may return in place of a value.
var (
	// ErrUnchanged leaves the node as it is.
	ErrUnchanged = errors.New("client: leave the node as it is")

	// ErrDelete deletes the node.
	ErrDelete = errors.New("client: delete the node")
)

// ModifyOptions modify Modify. The zero value changes nothing.
type ModifyOptions struct {
	// TTL is when the node expires, from now on, rounded up to whole seconds.
	// Zero means never, and drops the TTL that the node has, unless KeepTTL is
	// set.
	TTL time.Duration

	// KeepTTL keeps the time that was left to the node when it was read, in
	// whole seconds, at least one. TTL is then for a node that is created, or
	// that has no TTL.
	KeepTTL bool

	// Unique is a promise: no value that the function returns is ever written to
	// this key by another call or another program, nor by this one again. A
	// random or numbered part does it; a counter's next value does not. With it
	// Modify knows its own value when it sees it, and can tell that a write was
	// applied whose answer was lost.
	Unique bool
}

// Modify reads the file at key, calls change with it, and stores the value that
// change returns if nobody has written the file meanwhile. If somebody has, it reads
// again, after a pause that grows from 10 ms to a second at most and is random by
// half, and calls change again, until it succeeds or ctx ends. A nil opts means no TTL.
// It works on any KeysAPI.
//
// The function gets the node as a quorum read shows it, or nil if there is none,
// and may be called many times: it must do nothing but return. What it returns is
//   - a value and nil: it is stored, by PrevIndex, or PrevNoExist where there was
//     no node,
//   - [ErrUnchanged]: nothing is written; the Response is that of the read, whose
//     Node is nil if there is none,
//   - [ErrDelete]: the node is deleted, by PrevIndex; without a node it is
//     ErrUnchanged,
//   - another error: nothing is written, and Modify returns it.
//
// # Outcome
//
// Without an error, the write was applied exactly once. With an error for which
// errors.Is(err, [ErrOutcomeUnknown]) holds, a [*ClusterError], it was applied
// once, or not, or will be: a request that was delayed on its way may still be
// carried out. A [*ReplyError] with a 2xx status comes from a write that was applied,
// whose reply was lost and that the history does not show, or from a read whose reply
// is too large. With any other error, ctx.Err() included, nothing was written; but an
// error that a KeysAPI of another package returns from a write means what that package
// documents.
//
// After a write whose answer was lost:
//   - A swap or delete is sent again as it was, with the same PrevIndex, until an
//     answer comes. That is safe: an index that is over does not come back, so
//     only one of the copies can be applied, early or late. If one succeeds, that
//     was the one, and Modify has succeeded. If one is refused because the index
//     has moved, none will be applied any more. What moved it is read from the
//     history of the store, which is the last 1,000 events: another value, or a removal
//     where this was none, was not this write, and Modify begins again. The same
//     value, or a removal, may be this write's or another program's: the outcome
//     is unknown, unless Unique is set. It also is where the history is gone, or
//     does not come within 2 seconds.
//   - A creation is not sent again: the key can be deleted, and the copy that is
//     still on its way would create it again. The outcome is unknown, unless
//     Unique is set and the value is there, or in the history.
//   - A context that ends while a write is under way leaves its outcome unknown.
//     The error is then not ctx.Err().
//
// So a counter that several programs count is never too high by what Modify does
// of itself: it has at least as many counts as calls succeeded, and at most as
// many more as calls ended in ErrOutcomeUnknown.
//
// All this holds as long as the store is the same one, for indexes come back when
// a cluster is restored from a backup, and as long as kapi does not repeat
// conditional writes of itself, as the historic client did.
//
// The other errors are an [*InvalidInputError], an [Error] with code
// [ErrorCodeNotFile] for a directory, and those of [KeysAPI].
func Modify(ctx context.Context, kapi KeysAPI, key string, change func(old *Node) (value string, err error), opts *ModifyOptions) (*Response, error) {
	var o ModifyOptions
	if opts != nil {
		o = *opts
	}
	switch {
	case ctx == nil:
		return nil, errNilContext
	case change == nil:
		return nil, &InvalidInputError{Field: "function", Reason: "it is nil"}
	}
	var pause backoff
	for {
		now, err := readFile(ctx, kapi, key)
		var missing Error
		if isRefusal(err, ErrorCodeKeyNotFound) && errors.As(err, &missing) {
			now, err = &Response{Action: "get", Index: missing.Index}, nil
		}
		if err != nil {
			return nil, err
		}
		s := newSwap(kapi, key, now, &o)
		s.value, err = change(now.Node)
		s.remove = errors.Is(err, ErrDelete)
		switch {
		case errors.Is(err, ErrUnchanged), s.remove && s.creates():
			return now, nil
		case err != nil && !s.remove:
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		resp, err := s.settle(ctx)
		if !s.isLost(err) {
			return resp, err
		}
		if err := pause.wait(ctx); err != nil {
			return nil, err
		}
	}
}

// historyTimeout bounds the wait for an event that has happened already.
const historyTimeout = 2 * time.Second

// swap is one conditional write of Modify.
type swap struct {
	kapi   KeysAPI
	key    string
	old    *Node  // nil: there was none
	index  uint64 // its ModifiedIndex
	after  uint64 // the write would be the key's first event after this index
	value  string
	remove bool
	ttl    time.Duration
	unique bool
}

func newSwap(kapi KeysAPI, key string, now *Response, o *ModifyOptions) *swap {
	s := &swap{kapi: kapi, key: key, after: now.Index, ttl: o.TTL, unique: o.Unique}
	if old := now.Node; old != nil {
		own := *old // the function may do with its node what it likes
		s.old, s.index, s.after = &own, old.ModifiedIndex, old.ModifiedIndex
		if o.KeepTTL && (old.Expiration != nil || old.TTL > 0) {
			s.ttl = max(old.TTLDuration(), time.Second)
		}
	}
	return s
}

func (s *swap) creates() bool { return s.old == nil }

// send sends the write once.
func (s *swap) send(ctx context.Context) (*Response, error) {
	switch {
	case s.remove:
		return s.kapi.Delete(ctx, s.key, &DeleteOptions{PrevIndex: s.index})
	case s.creates():
		return s.kapi.Set(ctx, s.key, s.value, &SetOptions{PrevExist: PrevNoExist, TTL: s.ttl})
	default:
		return s.kapi.Set(ctx, s.key, s.value, &SetOptions{PrevIndex: s.index, TTL: s.ttl})
	}
}

// isLost reports whether another's write came first.
func (s *swap) isLost(err error) bool {
	if s.creates() {
		return isRefusal(err, ErrorCodeNodeExist)
	}
	return isRefusal(err, ErrorCodeTestFailed, ErrorCodeKeyNotFound)
}

// settle sends the write until its outcome is known, or never will be. An error
// for which isLost holds means that it was not applied.
func (s *swap) settle(ctx context.Context) (*Response, error) {
	resp, err := s.send(ctx)
	if isApplied(err) {
		return s.applied(ctx, err)
	}
	if !isUnknown(err) {
		return resp, err
	}
	unknown := asUnknown(err)
	if s.creates() {
		return s.findOut(ctx, unknown, unknown)
	}
	var pause backoff
	for pause.wait(ctx) == nil {
		resp, err = s.send(ctx)
		switch {
		case err == nil:
			return resp, nil
		case isApplied(err):
			return s.applied(ctx, err)
		case s.isLost(err):
			return s.findOut(ctx, unknown, err)
		case !isUnknown(err) && !errors.Is(err, ErrClusterUnavailable):
			return nil, unknown
		}
	}
	return nil, unknown
}

// applied returns what a write came to that was applied, though its reply could not be
// read: the history shows it, as the first event of the key. Where it does not, the
// error stands, whose status is a success.
func (s *swap) applied(ctx context.Context, err error) (*Response, error) {
	event := s.firstEvent(ctx)
	if event == nil || !s.isLike(event) {
		return nil, err
	}
	event.Index, event.Action = event.Node.ModifiedIndex, s.action()
	return event, nil
}

// findOut looks for what the write came to, when no copy of it can be applied any
// more, or when it is a creation that must not be sent again. The error is refusal
// where it was not applied, and unknown where nobody can tell.
func (s *swap) findOut(ctx context.Context, unknown, refusal error) (*Response, error) {
	known := s.unique && !s.remove // the write, where its value is seen
	if s.creates() && !known {
		return nil, unknown
	}
	var now *Response
	if known {
		now = s.readBack(ctx)
	}
	if s.creates() && now == nil {
		return nil, unknown // it may come yet
	}
	switch event := s.firstEvent(ctx); {
	case event == nil:
	case s.isLike(event) && known:
		event.Index, event.Action = event.Node.ModifiedIndex, s.action()
		return event, nil
	case s.isLike(event), s.creates():
		return nil, unknown
	case event.Node.Key == s.old.Key: // and not that of a directory that it was in
		return nil, refusal
	}
	if now != nil && now.Node.Value == s.value && now.Node.ModifiedIndex > s.index {
		now.Action, now.PrevNode = s.action(), s.old
		return now, nil
	}
	return nil, unknown
}

// action is what the server calls the write.
func (s *swap) action() string {
	switch {
	case s.remove:
		return string(EventCompareAndDelete)
	case s.creates():
		return string(EventCreate)
	default:
		return string(EventCompareAndSwap)
	}
}

// isLike reports whether an event, the first after the node was read, is what the
// write looks like. The write itself would be that event: it is the one that moves
// the index from where it was. That it was a swap, or a delete with a condition, not
// every KeysAPI tells: those of stores that are not v2's call it "set" or "delete".
func (s *swap) isLike(event *Response) bool {
	happened := Event{Kind: EventKind(event.Action)}
	if s.remove && !happened.IsDelete() || !s.remove && (!happened.IsWrite() || event.Node.Value != s.value) {
		return false
	}
	return s.creates() || event.PrevNode == nil || event.PrevNode.ModifiedIndex == s.index
}

// readBack reads the node; nil if there is no file, or no answer.
func (s *swap) readBack(ctx context.Context) *Response {
	var pause backoff
	for pause.wait(ctx) == nil {
		now, err := readFile(ctx, s.kapi, s.key)
		if err == nil {
			return now
		}
		if !errors.Is(err, ErrClusterUnavailable) {
			return nil
		}
	}
	return nil
}

// firstEvent returns the first event of the key after it was read; nil if that is
// not to be found.
func (s *swap) firstEvent(ctx context.Context) *Response {
	watcher := s.kapi.Watcher(s.key, &WatcherOptions{AfterIndex: s.after})
	if watcher == nil || s.after == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, historyTimeout)
	defer cancel()
	event, err := watcher.Next(ctx)
	if err != nil || event == nil || event.Node == nil {
		return nil
	}
	return event
}
