package faults

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// callDeadline is the deadline of every call but watches, which have none.
const callDeadline = 5 * time.Second

// A Load is one kind of calls that some callers make again and again, with a
// client of their own.
type Load struct {
	// Name is what the table calls it, and names its keys.
	Name string
	// Callers is how many make calls at a time.
	Callers int
	// Pace is the pause between two calls of a caller.
	Pace time.Duration
	// Stagger is the pause between the first calls of two callers.
	Stagger time.Duration
	// Lasting calls have no deadline, and end with the scenario.
	Lasting bool
	// AtMostOnce says that no request may reach the servers twice. With
	// Scenario.StrictWrites none of any write may.
	AtMostOnce bool
	// Requests match the write requests of the calls.
	Requests []harness.Match

	job func(l Load, s *env, c client.Client) job
}

// A job makes the calls of a load, and knows what they must have done.
type job interface {
	// prepare makes ready for call n, with a client that is none of the load's.
	prepare(ctx context.Context, n int) error
	// call makes it, and reports whether a success is that of a write.
	call(ctx context.Context, caller, n int) (wrote bool, err error)
	// audit compares the store with how the calls ended.
	audit(ctx context.Context, l *ledger, f *Findings) error
}

// Findings are what an audit found, zero where all is well.
type Findings struct {
	// Lost is how many acknowledged writes are not in the store, or how many of
	// them a watch has passed over.
	Lost int
	// Late is how many of them a watch has still to report.
	Late int
	// Twice is how many writes were applied, or sent, twice that must not be, or
	// how many events a watch delivered twice.
	Twice int
	// Denied is how many writes were applied whose error meant that
	// they were not.
	Denied int
}

// A running load is one whose callers are at work.
type running struct {
	Load
	job    job
	ledger *ledger
	goesOn bool // it had a success when all was over
}

// work lets the callers work until stop is closed, and then waits for the calls
// that are on their way.
func (r *running) work(ctx context.Context, stop <-chan struct{}) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex // guards the variable below
		first error
	)
	for caller := range r.Callers {
		wg.Go(func() {
			err := r.callAgainAndAgain(ctx, caller, stop)
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	return first
}

func (r *running) callAgainAndAgain(ctx context.Context, caller int, stop <-chan struct{}) error {
	if r.Stagger > 0 {
		rest(ctx, time.Duration(caller)*r.Stagger)
	}
	for !ended(stop) && ctx.Err() == nil {
		n := r.ledger.number()
		if err := r.job.prepare(ctx, n); err != nil {
			return fmt.Errorf("faults: %s: prepare: %w", r.Name, err)
		}
		r.makeCall(ctx, caller, n, stop)
		rest(ctx, r.Pace)
	}
	return nil
}

// makeCall makes a call and notes how it ended. A lasting call that ends because
// the scenario does is not noted.
func (r *running) makeCall(ctx context.Context, caller, n int, stop <-chan struct{}) {
	callCtx, cancel := context.WithCancel(ctx)
	if !r.Lasting {
		callCtx, cancel = context.WithTimeout(ctx, callDeadline)
	}
	defer cancel()
	from := time.Now()
	wrote, err := r.job.call(callCtx, caller, n)
	if r.Lasting && err != nil && (ended(stop) || ctx.Err() != nil) {
		return
	}
	r.ledger.add(n, outcomeOf(wrote, err), err, from, time.Now())
}

func ended(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// rest waits, no longer than ctx lasts.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// pause waits, or returns the error of the context that ended first.
func pause(ctx context.Context, d time.Duration) error {
	rest(ctx, d)
	return context.Cause(ctx)
}
