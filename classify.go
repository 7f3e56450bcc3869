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
}

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
	case a.err == nil && a.status < http.StatusInternalServerError:
		return verdictDone

	case !a.sent:
		// No part of the request got out, or it was redirected to where it must
		// not go: nothing can have been applied.
		return verdictNext

	case isClientError(a.status) && !isReadError(a.err):
		// The endpoint understood the request and refuses it. So would others.
		return verdictDone

	case a.status/100 == 3:
		// A redirect to nowhere: whoever said it, did nothing.
		return verdictNext

	case a.class == classRead && errors.Is(a.err, ErrResponseTooLarge):
		// Others would send as much again.
		return verdictDone

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

func isClientError(status int) bool {
	return status >= http.StatusBadRequest && status < http.StatusInternalServerError
}

// isReadError reports whether a reply broke off before its body was whole.
func isTooLarge(err error) bool { return errors.Is(err, ErrResponseTooLarge) }

func isReadError(err error) bool {
	var broken *bodyReadError
	return errors.As(err, &broken)
}
