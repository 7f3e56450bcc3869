package client

import (
	"errors"
	"net/http"
)

// attempt is what is known after one endpoint was asked.
type attempt struct {
	class  retryClass
	strict bool  // Config.StrictWrites
	sent   bool  // a part of the request may have reached the endpoint
	status int   // of the reply; 0 when there was none
	err    error // nil when the reply is the answer

	redirects int // that were followed

	ended     bool // a long poll that ended quietly: neither answer nor failure
	elsewhere bool // it ended so soon that the next one should be made elsewhere
}

// mayBeApplied reports whether the endpoint may have carried the request out. One
// that redirects has not.
func (a attempt) mayBeApplied() bool { return a.sent && !isRedirection(a.status) }

// verdict is what to do after an attempt.
type verdict int

const (
	// verdictDone: the endpoint answered, its answer or its refusal is the result.
	verdictDone verdict = iota
	// verdictNext: the endpoint failed, another may be asked.
	verdictNext
	// verdictStop: the endpoint failed, and asking another could apply the write
	// a second time.
	verdictStop
)

// classify is the one place that decides whether a call goes on (DESIGN,
// section 5).
func classify(a attempt) verdict {
	switch {
	case a.err == nil:
		return verdictDone

	case !a.mayBeApplied():
		// No part of the request got out, or it was sent on to where it must not
		// go: whatever it is, it may be sent again.
		return verdictNext

	case isClientError(a.status) && !isReadError(a.err):
		// The endpoint understood the request and refuses it. So would others.
		return verdictDone

	case a.class == classRead && isTooLarge(a.err):
		// Others would send as much again.
		return verdictDone

	case errors.Is(a.err, ErrClusterIDChanged):
		// That is for the caller to know, not to be covered up.
		return verdictDone

	case isTooLarge(a.err):
		// So they would of a write, which has been applied by the look of it.
		return verdictStop

	case a.class == classRead:
		// Reset, timeout, 5xx, bad body: another endpoint may do better.
		return verdictNext

	case a.class == classIdempotent && !a.strict:
		// The same, and applying it twice ends in the same state.
		return verdictNext

	default:
		// The write may have been applied. Only the caller can find out.
		return verdictStop
	}
}

func isRedirection(status int) bool { return status/100 == 3 }

func isClientError(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError
}

func isTooLarge(err error) bool { return errors.Is(err, ErrResponseTooLarge) }

// isReadError reports whether a reply broke off before its body was whole.
func isReadError(err error) bool {
	if err == nil {
		return false
	}
	var broken *bodyReadError
	return errors.As(err, &broken)
}
