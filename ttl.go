package client

import (
	"context"
	"errors"
	"time"
)

// Refresh renews the TTL of the node at key and leaves its value alone. Watchers
// are not told. It works on any KeysAPI.
//
// The ttl must be positive, and is rounded up to whole seconds: to let a node
// expire now is what Delete is for, and to drop its TTL what [Persist] is for.
// Otherwise the error is an [Error] with code [ErrorCodeRefreshTTLRequired], and
// nothing is sent. A node that has expired is ErrorCodeKeyNotFound: set it again.
//
// Refresh does not ask whose the node is. Who holds a lock by a value asks for it:
// Set with SetOptions{Refresh: true, PrevValue: …, TTL: …}.
//
// It needs etcd 2.3; older servers would empty the value. It may be repeated, so
// it goes on at the next endpoint as a Set without condition does.
func Refresh(ctx context.Context, kapi KeysAPI, key string, ttl time.Duration) (*Response, error) {
	opts := &SetOptions{Refresh: true, TTL: ttl, PrevExist: PrevExist}
	if err := checkSet(key, "", opts); err != nil {
		return nil, err
	}
	return kapi.Set(ctx, key, "", opts)
}

// Persist drops the TTL of the node at key, so that it never expires, and leaves
// its value alone. It works on any KeysAPI.
//
// The node is read with a quorum. If it has no TTL, nothing is written, and the
// Response is that of the read. Otherwise its value is set again without TTL, on
// condition that nobody has written it since; where somebody has, Persist begins
// again after a pause, until ctx ends. So it never undoes another's write, and
// never brings back what has expired: that is ErrorCodeKeyNotFound.
//
// When the outcome of a write is unknown, Persist reads again. A node without TTL
// is what was wanted, whoever dropped it. If that can't be found out, because
// reading fails or ctx ends, the error is the [*ClusterError] of the write, for
// which errors.Is(err, [ErrOutcomeUnknown]) holds.
//
// No server compares directories: a directory's TTL is dropped on the only
// condition that it exists, by one write. etcd 3.5 can't do it: it answers with a
// 500 and does nothing, but as a 500 may mean anything, the error is a
// [*ClusterError] that is ErrOutcomeUnknown.
func Persist(ctx context.Context, kapi KeysAPI, key string) (*Response, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	var pause backoff
	var unknown error // of a write that may have been applied
	for {
		now, err := readNode(ctx, kapi, key)
		switch {
		case err != nil && unknown != nil && !isRefusal(err, ErrorCodeKeyNotFound):
			return nil, unknown
		case err != nil:
			return nil, err
		case now.Node.Expiration == nil && now.Node.TTL == 0:
			return now, nil
		case now.Node.Dir:
			return kapi.Set(ctx, key, "", &SetOptions{Dir: true, PrevExist: PrevExist})
		}
		resp, err := kapi.Set(ctx, key, now.Node.Value, &SetOptions{PrevIndex: now.Node.ModifiedIndex})
		switch {
		case isUnknown(err), isApplied(err):
			unknown = asUnknown(err)
		case isRefusal(err, ErrorCodeTestFailed, ErrorCodeKeyNotFound):
			// The node is another, or gone: what was sent before won't be applied any more.
		case err != nil && unknown != nil:
			return nil, unknown
		default:
			return resp, err
		}
		if err := pause.wait(ctx); err != nil {
			if unknown != nil {
				return nil, unknown
			}
			return nil, err
		}
	}
}

// isUnknown reports whether a conditional write that failed with err may have been
// applied.
func isUnknown(err error) bool { return errors.Is(err, ErrOutcomeUnknown) || isContextError(err) }

// isApplied reports whether a write was applied, though its reply could not be read.
func isApplied(err error) bool {
	var reply *ReplyError
	return !errors.Is(err, ErrClusterUnavailable) && errors.As(err, &reply) && isSuccess(reply.StatusCode)
}

// asUnknown gives an error that says so: a context that ended during a write does
// not.
func asUnknown(err error) error {
	if !isContextError(err) {
		return err
	}
	ce := &ClusterError{OutcomeUnknown: true}
	ce.add(Attempt{Sent: true, Err: err})
	return ce
}
