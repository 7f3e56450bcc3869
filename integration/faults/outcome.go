package faults

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// An outcome is how a call ended for its caller.
type outcome int

const (
	// acknowledged: what was asked for is done, and must be found in the store.
	acknowledged outcome = iota + 1
	// answered: the cluster answered, and nothing is to be found in the store.
	answered
	// unknown: it may be done; client.ErrOutcomeUnknown.
	unknown
	// overdue: the caller's context ended; it may be done.
	overdue
	// unavailable: a *client.ClusterError that says that nothing was done.
	unavailable
	// behind: a watch needs an event that is no longer in the server's history.
	behind
	// wrong: anything else. No call of a scenario may end so.
	wrong
)

// outcomeOf returns the outcome of what a call returned. wrote is whether a success
// is that of a write.
func outcomeOf(wrote bool, err error) outcome {
	switch {
	case err == nil && wrote:
		return acknowledged
	case err == nil:
		return answered
	case wrote && saysApplied(err):
		return acknowledged
	case errors.Is(err, client.ErrOutcomeUnknown):
		return unknown
	case err == context.DeadlineExceeded || err == context.Canceled: //nolint:errorlint // The contract: returned bare.
		return overdue
	case errors.Is(err, client.ErrClusterUnavailable):
		return unavailable
	case client.IsEventIndexCleared(err):
		return behind
	default:
		return wrong
	}
}

// saysApplied reports whether err is that of a reply of etcd's that says that the
// write was applied, and broke off behind its header.
func saysApplied(err error) bool {
	var reply *client.ReplyError
	return errors.As(err, &reply) && reply.StatusCode/100 == 2
}

func (o outcome) succeeded() bool { return o == acknowledged || o == answered }

// mayBeDone reports whether the caller has to reckon with either.
func (o outcome) mayBeDone() bool { return o == unknown || o == overdue }

// keptErrors is how many errors of a load are kept for the report.
const keptErrors = 3

// A ledger has the outcomes of the calls of one load. It is safe for concurrent use.
type ledger struct {
	mu       sync.Mutex // guards the fields below
	calls    int
	outcomes map[int]outcome // by the number of the call
	counts   map[outcome]int
	wrong    []error
	failures []error // the first ones that are none of the wrong
	last     time.Time
	stall    time.Duration // the longest time between two successes
	longest  time.Duration // the longest call
}

func newLedger(now time.Time) *ledger {
	return &ledger{outcomes: map[int]outcome{}, counts: map[outcome]int{}, last: now}
}

// number gives the next call its number.
func (l *ledger) number() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	return l.calls
}

// add notes how call n ended.
func (l *ledger) add(n int, o outcome, err error, from, to time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcomes[n] = o
	l.counts[o]++
	l.longest = max(l.longest, to.Sub(from))
	switch {
	case o.succeeded():
		l.stall = max(l.stall, to.Sub(l.last))
		l.last = to
	case o == wrong:
		l.wrong = keep(l.wrong, err)
	default:
		l.failures = keep(l.failures, err)
	}
}

func keep(errs []error, err error) []error {
	if len(errs) == keptErrors {
		return errs
	}
	return append(errs, err)
}

// close counts the time since the last success.
func (l *ledger) close(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stall = max(l.stall, now.Sub(l.last))
}

// succeededSince reports whether a call that ended after t succeeded.
func (l *ledger) succeededSince(t time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last.After(t)
}

// all returns a copy of the outcomes.
func (l *ledger) all() map[int]outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.outcomes)
}
