package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Condition is what [CompareAndSwap] and [CompareAndDelete] compare a node with.
// Make it with [IfValue] and [IfIndex]. The zero Condition is none, and refused:
// in [SetOptions] and [DeleteOptions] an empty PrevValue and a zero PrevIndex
// mean that there is no condition, so that a variable that happens to be empty
// makes a conditional write an unconditional one.
type Condition struct {
	value            string
	index            uint64
	byValue, byIndex bool
	conflict         string // what can't be true together
}

// IfValue holds for a file whose value is value, be it the empty one.
func IfValue(value string) Condition { return Condition{value: value, byValue: true} }

// IfIndex holds for a file whose ModifiedIndex is index: nobody has written it
// since, and nobody has refreshed its TTL. Zero is the index of no node, and
// refused.
func IfIndex(index uint64) Condition { return Condition{index: index, byIndex: true} }

// And holds where c and other hold. Two values, or two indexes, that differ are
// refused when the Condition is used.
func (c Condition) And(other Condition) Condition {
	switch {
	case c.byValue && other.byValue && c.value != other.value:
		c.conflict = "it wants two values at once"
	case c.byIndex && other.byIndex && c.index != other.index:
		c.conflict = "it wants two indexes at once"
	case c.conflict == "":
		c.conflict = other.conflict
	}
	if other.byValue {
		c.value, c.byValue = other.value, true
	}
	if other.byIndex {
		c.index, c.byIndex = other.index, true
	}
	return c
}

// check refuses what is no condition, before anything is sent.
func (c Condition) check(ctx context.Context, key string) error {
	refused := &InvalidInputError{Field: "condition", Reason: c.conflict}
	switch {
	case ctx == nil:
		return errNilContext
	case c.conflict != "":
	case !c.byValue && !c.byIndex:
		refused.Reason = fmt.Sprintf("for key %q it is empty; use IfValue or IfIndex", key)
	case c.byIndex && c.index == 0:
		refused.Reason = fmt.Sprintf("for key %q its index is 0, which no node has", key)
	default:
		return checkText("condition", key, c.value)
	}
	return refused
}

// SwapOptions modify CompareAndSwap. The zero value changes nothing.
type SwapOptions struct {
	// TTL is when the node expires, from now on, rounded up to whole seconds.
	// Zero means never, and drops the TTL that the node has.
	TTL time.Duration

	// NoValueOnSuccess asks the server to leave Node and PrevNode out of the
	// Response, where they are then nil.
	NoValueOnSuccess bool
}

// CompareAndSwap stores value at key if cond holds for the node. A nil opts means
// no TTL.
//
// Nothing is written without a condition: the zero [Condition], IfIndex(0) and
// contradictions are an [*InvalidInputError], and nothing is sent. When the
// condition fails, the error is an [Error] with code [ErrorCodeTestFailed], when
// there is no node, with [ErrorCodeKeyNotFound], and for a directory with
// [ErrorCodeNotFile].
//
// One request does it, but for IfValue(""), which no server can compare with:
// there CompareAndSwap reads the node with a quorum, and swaps it on condition
// that its index is still that of the empty value. If another write, or a
// refresh, comes between, it begins again, after a pause, so that it fails only
// where the value was not empty; the pauses grow, and ctx bounds them. An Error
// that it makes of such a read has no StatusCode and no Endpoint.
//
// The write is never repeated where it may have been applied: the error is then a
// [*ClusterError] for which errors.Is(err, [ErrOutcomeUnknown]) holds, or
// ctx.Err() when the context ended meanwhile. Other errors are those of
// [KeysAPI]. CompareAndSwap works on any KeysAPI.
func CompareAndSwap(ctx context.Context, kapi KeysAPI, key, value string, cond Condition, opts *SwapOptions) (*Response, error) {
	if err := cond.check(ctx, key); err != nil {
		return nil, err
	}
	var set SetOptions
	if opts != nil {
		set.TTL, set.NoValueOnSuccess = opts.TTL, opts.NoValueOnSuccess
	}
	if err := checkSet(key, value, &set); err != nil {
		return nil, err
	}
	return cond.apply(ctx, kapi, key, func(prevValue string, prevIndex uint64) (*Response, error) {
		set.PrevValue, set.PrevIndex = prevValue, prevIndex
		return kapi.Set(ctx, key, value, &set)
	})
}

// CompareAndDelete removes the file at key if cond holds for it. It is to Delete
// what [CompareAndSwap] is to Set, with the same errors; directories can't be
// compared with anything, and are ErrorCodeNotFile.
func CompareAndDelete(ctx context.Context, kapi KeysAPI, key string, cond Condition) (*Response, error) {
	if err := cond.check(ctx, key); err != nil {
		return nil, err
	}
	return cond.apply(ctx, kapi, key, func(prevValue string, prevIndex uint64) (*Response, error) {
		return kapi.Delete(ctx, key, &DeleteOptions{PrevValue: prevValue, PrevIndex: prevIndex})
	})
}

// apply writes under a condition that the server knows: c itself, or for an
// empty value the index at which the node has it. A file has one value at one
// index, so that is the same.
func (c Condition) apply(ctx context.Context, kapi KeysAPI, key string, write func(prevValue string, prevIndex uint64) (*Response, error)) (*Response, error) {
	if !c.byValue || c.value != "" {
		return write(c.value, c.index)
	}
	var pause backoff
	for {
		now, err := readFile(ctx, kapi, key)
		if err == nil {
			err = c.compareWith(now)
		}
		if err != nil {
			return nil, err
		}
		resp, err := write("", now.Node.ModifiedIndex)
		if c.byIndex || !isRefusal(err, ErrorCodeTestFailed) {
			return resp, err
		}
		if err := pause.wait(ctx); err != nil {
			return nil, err // nothing was written: the server has said so
		}
	}
}

// compareWith does the server's comparison, in the server's words.
func (c Condition) compareWith(now *Response) error {
	n := now.Node
	var causes []string
	if n.Value != c.value {
		causes = append(causes, fmt.Sprintf("[%s != %s]", c.value, n.Value))
	}
	if c.byIndex && n.ModifiedIndex != c.index {
		causes = append(causes, fmt.Sprintf("[%d != %d]", c.index, n.ModifiedIndex))
	}
	if len(causes) == 0 {
		return nil
	}
	return Error{Code: ErrorCodeTestFailed, Message: "Compare failed", Cause: strings.Join(causes, " "), Index: now.Index}
}

// readNode reads with a quorum.
func readNode(ctx context.Context, kapi KeysAPI, key string) (*Response, error) {
	now, err := kapi.Get(ctx, key, &GetOptions{Quorum: true})
	if err == nil && (now == nil || now.Node == nil) {
		err = errNoNode
	}
	return now, err
}

// readFile is readNode, and refuses a directory as the server would.
func readFile(ctx context.Context, kapi KeysAPI, key string) (*Response, error) {
	now, err := readNode(ctx, kapi, key)
	if err == nil && now.Node.Dir {
		err = Error{Code: ErrorCodeNotFile, Message: "Not a file", Cause: key, Index: now.Index}
	}
	return now, err
}

var errNoNode = errors.New("client: Get returned neither node nor error")

// isRefusal reports whether err is the answer of the keys API that it has not
// carried the call out, with one of the codes.
func isRefusal(err error, codes ...int) bool {
	if err == nil || errors.Is(err, ErrClusterUnavailable) {
		return false
	}
	for _, code := range codes {
		if hasErrorCode(err, code) {
			return true
		}
	}
	return false
}

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

// asUnknown returns an error that says so: a context that ended during a write does
// not.
func asUnknown(err error) error {
	if !isContextError(err) {
		return err
	}
	ce := &ClusterError{OutcomeUnknown: true}
	ce.add(Attempt{Sent: true, Err: err})
	return ce
}
