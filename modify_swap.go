package client

import (
	"context"
	"errors"
	"time"
)

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

// firstEvent gives the first event of the key after it was read; nil if that is
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
