package client

import (
	"errors"
	"slices"
	"time"
)

// result is what is known after one endpoint was asked.
type result struct {
	class    retryClass
	strict   bool // Config.StrictWrites
	longPoll bool

	sent   bool  // a part of the request may have reached the endpoint
	status int   // of the reply; 0 when there was none
	etcd   bool  // the reply is etcd's own, as its header or its document shows
	whole  bool  // the reply was read to its end
	err    error // nil when the reply is the answer

	header time.Duration // how long the header of the reply had been there; negative: there was none
	lasted time.Duration // how long the attempt took
	ended  time.Time     // when it ended; a classification does not depend on it

	redirects int // that were followed
}

// verdict is what to do after an attempt.
type verdict int

const (
	// verdictDone: the endpoint answered, its answer or its refusal is the result.
	verdictDone verdict = iota
	// verdictIdle: a long poll ended without an event, which is neither an answer
	// nor a failure.
	verdictIdle
	// verdictNext: the endpoint failed, another may be asked.
	verdictNext
	// verdictStop: the endpoint failed, and asking another could apply the write
	// a second time.
	verdictStop
)

// classify is the one place that decides whether a call goes on. The table is in
// docs/failures.md.
func classify(r result) verdict {
	switch {
	case r.err == nil:
		return verdictDone

	case r.isIdleEnd():
		return verdictIdle

	case errors.Is(r.err, ErrClusterIDChanged):
		// That is for the caller to know, not to be covered up.
		return verdictDone

	case r.whole && r.etcd && isClientError(r.status):
		// etcd understood the request and refuses it. So would other members.
		return verdictDone

	case !r.mayBeApplied():
		// No part of the request got out, or it was sent on to where it must not
		// go, or refused by something in front of etcd: it may be sent again.
		return verdictNext

	case isTooLarge(r.err) && (r.class == classRead || r.saysApplied()):
		// Others would send as much again.
		return verdictDone

	case isTooLarge(r.err):
		return verdictStop

	case r.class == classRead, r.class == classIdempotent && !r.strict:
		// Reset, timeout, 5xx, a body that makes no sense: another endpoint may
		// do better, and applying the write twice ends in the same state.
		return verdictNext

	case r.saysApplied():
		// Only what the reply had to tell is lost, and the error says so.
		return verdictDone

	default:
		// The write may have been applied. Only the caller can find out.
		return verdictStop
	}
}

// minIdlePoll is how long a poll must have lasted to have been idle rather than
// broken: then it is restarted without a pause, and at the same endpoint.
const minIdlePoll = time.Second

// isIdleEnd reports whether a long poll has ended as long polls do that nothing
// happened in: closed or timed out by whatever is between the client and etcd.
func (r result) isIdleEnd() bool {
	switch {
	case isEndedByWatch(r.err):
		return true
	case !r.longPoll || isAbandoned(r.err):
		return false
	case r.header < 0:
		// Some proxies hold the header back until there is a body.
		return r.sent && r.lasted >= minIdlePoll
	case isSuccess(r.status):
		return isReadError(r.err)
	default:
		return isIdleTimeout(r.status) && !r.etcd && r.lasted >= minIdlePoll
	}
}

// isEndedByWatch reports whether a watch itself has ended its request, to go on by
// another.
func isEndedByWatch(err error) bool {
	return errors.Is(err, errHeaderHeldBack) || errors.Is(err, errStreamSilent) || errors.Is(err, errAtHead)
}

// mayBeApplied reports whether the endpoint may have carried the request out. One
// that redirects has not, nor has one that refuses it.
func (r result) mayBeApplied() bool {
	return r.sent && !isRedirection(r.status) && !isRefusalStatus(r.status)
}

// saysApplied reports whether etcd itself has said that it carried a write out,
// though the reply could not be read to its end or makes no sense.
func (r result) saysApplied() bool { return r.etcd && isSuccess(r.status) && r.class != classRead }

// isAbandoned reports whether the client itself gave an attempt up or refused its
// reply.
func isAbandoned(err error) bool {
	return slices.ContainsFunc([]error{
		ErrStalled, ErrNoQuorum, ErrClusterIDChanged, ErrResponseTooLarge, ErrTooManyRedirects, ErrRedirectRefused,
	}, func(reason error) bool { return errors.Is(err, reason) })
}
