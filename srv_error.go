package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// ErrPlainRefused is the Err of the http look-up of an [SRVError] where there are no
// https records and http ones were not even looked up: SRV.AllowPlain is not set, or
// SRV.RequireTLS is.
var ErrPlainRefused = errors.New("client: http endpoints are not wanted (SRV.AllowPlain, SRV.RequireTLS)")

// errPlainNotAsked stands where a look-up of https records failed: to go on
// without would let an attacker who blocks the look-up choose http.
var errPlainNotAsked = errors.New("not looked up, for there may be https records")

// errNoTarget stands where there are records, and none can be used.
var errNoTarget = errors.New("its records have no usable target: the host is empty or the port is 0")

// SRVError means that no endpoints were found by SRV records. errors.Is and
// errors.As look into each of its Lookups: a *net.DNSError has what DNS answered,
// a [*SRVTargetError] which target was refused.
//
// It is context.Canceled or context.DeadlineExceeded, by errors.Is, only when the
// caller's context ended; Timeout reports other time-outs as well.
type SRVError struct {
	Domain  string       // what records were looked up for
	Lookups [2]SRVLookup // of the https records, and of the http ones
	Err     error        // the context's error, where that has ended; else nil
}

// SRVLookup is what the look-up of one name came to.
type SRVLookup struct {
	Name string // what was looked up: _etcd-client-ssl._tcp.<domain>
	Err  error
}

// SRVTargetError means that a record has a target that is neither of the
// discovery domain nor of one of SRV.TargetDomains, and that the client's
// credentials are not for it.
type SRVTargetError struct {
	Target string // the host that the record names
	Domain string // the domain that the record is of
}

// Error names target and domain.
func (e *SRVTargetError) Error() string {
	return fmt.Sprintf("client: the target %q is not below the domain %q, and is not given credentials (SRV.TargetDomains)", e.Target, e.Domain)
}

func newSRVError(ctx context.Context, domain string, secure, plain srvAnswer) *SRVError {
	return &SRVError{
		Domain:  domain,
		Lookups: [2]SRVLookup{{secure.name, secure.err}, {plain.name, plain.err}},
		Err:     endOf(ctx),
	}
}

// endOf is ctx.Err(), and knows it as soon as the deadline is over: a socket
// that has the same deadline may be the first to say so.
func endOf(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return nil
}

// Error names the domain, both look-ups and what came of them, on one line.
func (e *SRVError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "client: no endpoints for domain %q", e.Domain)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	separator := ": "
	for _, l := range e.Lookups {
		text := "<nil>"
		if l.Err != nil {
			text = oneLine(strings.TrimPrefix(l.Err.Error(), "client: "))
		}
		b.WriteString(separator + l.Name + ": " + text)
		separator = "; "
	}
	return b.String()
}

// Timeout reports whether a look-up took too long for the context or for the
// resolver. With Temporary it makes e a net.Error.
func (e *SRVError) Timeout() bool {
	if e.Err != nil {
		return e.Err == context.DeadlineExceeded //nolint:errorlint // identity is what is asked
	}
	return e.has(net.Error.Timeout)
}

// Temporary reports whether DNS may say something else when it is asked again.
func (e *SRVError) Temporary() bool {
	return e.Timeout() || e.has(func(err net.Error) bool {
		return err.Temporary() //nolint:staticcheck // of a DNSError it has a meaning
	})
}

func (e *SRVError) has(quality func(net.Error) bool) bool {
	for _, l := range e.Lookups {
		var netErr net.Error
		if errors.As(l.Err, &netErr) && quality(netErr) {
			return true
		}
	}
	return false
}

// Is reports whether one of the look-ups failed with target. A context's error is the caller's
// context's.
func (e *SRVError) Is(target error) bool {
	if isContextError(target) {
		return e.Err == target
	}
	for _, l := range e.Lookups {
		if errors.Is(l.Err, target) {
			return true
		}
	}
	return false
}

// As sets target to the error of a look-up that matches it.
func (e *SRVError) As(target any) bool {
	for _, l := range e.Lookups {
		if l.Err != nil && errors.As(l.Err, target) {
			return true
		}
	}
	return false
}
