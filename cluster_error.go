package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ClusterError means that no endpoint gave a usable answer to a call. It is
// returned as *ClusterError, unwrapped. errors.Is and errors.As look into each
// of its Errors; errors.Is(err, [ErrClusterUnavailable]) holds for all of them
// and errors.Is(err, [ErrOutcomeUnknown]) for those of writes that may have been
// applied.
//
// It is never context.Canceled or context.DeadlineExceeded in the sense of
// errors.Is, even where an attempt timed out: those mean the caller's context.
type ClusterError struct {
	// Errors holds the error of each attempt, in order. Where there is one
	// endpoint it may have been tried up to three times.
	Errors []error

	// Attempts has more of each: Attempts[i].Err is Errors[i].
	Attempts []Attempt

	// OutcomeUnknown is true for a write that may have been applied.
	OutcomeUnknown bool
}

// Attempt is one failed attempt to get a call answered by one endpoint.
type Attempt struct {
	Endpoint   string // without credentials
	Sent       bool   // whether a part of the request may have reached the endpoint; true where the transport does not report it
	StatusCode int    // HTTP status of the reply; 0 when there was none
	Err        error
}

// Error begins "client: etcd cluster is unavailable or misconfigured" and names
// each attempt as "; error #0: …", on one line.
func (ce *ClusterError) Error() string {
	if ce == nil {
		return "<nil>"
	}
	var b strings.Builder
	b.WriteString(ErrClusterUnavailable.Error())
	for i := range ce.Errors {
		fmt.Fprintf(&b, "; error #%d: %s", i, ce.describe(i))
	}
	if ce.OutcomeUnknown {
		b.WriteString("; " + strings.TrimPrefix(ErrOutcomeUnknown.Error(), "client: "))
	}
	return b.String()
}

// Detail returns each attempt's error on a line of its own.
func (ce *ClusterError) Detail() string {
	if ce == nil {
		return ""
	}
	var b strings.Builder
	for i := range ce.Errors {
		fmt.Fprintf(&b, "error #%d: %s\n", i, ce.describe(i))
	}
	return b.String()
}

// describe returns the i-th error, with the endpoint before it unless it names that.
func (ce *ClusterError) describe(i int) string {
	text := "<nil>"
	if ce.Errors[i] != nil {
		text = oneLine(strings.TrimPrefix(ce.Errors[i].Error(), "client: "))
	}
	if i < len(ce.Attempts) && !strings.Contains(text, ce.Attempts[i].Endpoint) {
		text = ce.Attempts[i].Endpoint + ": " + text
	}
	return text
}

// Is lets errors.Is look at the kind of ce and into each of its Errors. The
// context's errors are left out: a plain dial timeout is DeadlineExceeded too,
// and one slow endpoint must not look like the caller's own deadline.
func (ce *ClusterError) Is(target error) bool {
	switch {
	case target == ErrClusterUnavailable:
		return true
	case target == ErrOutcomeUnknown:
		return ce.OutcomeUnknown
	case isContextError(target):
		return false
	}
	for _, err := range ce.Errors {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// As lets errors.As look into each of ce's Errors.
func (ce *ClusterError) As(target any) bool {
	for _, err := range ce.Errors {
		if errors.As(err, target) {
			return true
		}
	}
	return false
}

func isContextError(err error) bool {
	return err == context.Canceled || err == context.DeadlineExceeded //nolint:errorlint // identity is what is asked
}

func (ce *ClusterError) add(a Attempt) {
	ce.Errors = append(ce.Errors, a.Err)
	ce.Attempts = append(ce.Attempts, a)
}
