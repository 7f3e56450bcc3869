package faults

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// A Result is what a scenario showed.
type Result struct {
	Row   Row
	Loads []LoadResult
	Took  time.Duration
	// Probes is how many the clients of the loads sent.
	Probes int
	// Strain is what else the machine had to do.
	Strain Strain
	// Logs are the ends of the servers' logs, if there are problems.
	Logs string

	problems []string // of no one load; a busy machine may be to blame for each
}

// A Strain is the evidence that a machine was too busy to keep promises of time.
type Strain struct {
	// Silence is the longest time in which not even two members answered anybody.
	Silence time.Duration
	// Lag is how late, at most, a timer of this process was.
	Lag time.Duration
	// Elections says that a leader was elected although no step stopped a member
	// or cut it off.
	Elections bool
}

const (
	// longestElection is how long the members of a cluster need to notice that
	// their leader is gone, and to agree on another, when they have a processor to
	// do it on.
	longestElection = 2 * time.Second
	// longestLag is how late timers are in a process that has a processor.
	longestLag = 500 * time.Millisecond
)

// IsTooMuch reports whether promises of time say nothing about the client.
func (s Strain) IsTooMuch() bool {
	return s.Silence > longestElection || s.Lag > longestLag || s.Elections
}

// String returns the evidence in words.
func (s Strain) String() string {
	text := fmt.Sprintf("no two members answered for %v, timers were up to %v late", s.Silence.Round(time.Millisecond), s.Lag.Round(time.Millisecond))
	if s.Elections {
		text += ", and there was an election that no step caused"
	}
	return text
}

// A LoadResult is how the calls of one load ended, and what was found.
type LoadResult struct {
	Load Load
	// Calls is how many calls there were; each of the others counts a way to fail.
	Calls, Unknown, Context, Cluster, Behind, Other int
	Findings
	// Stall is the longest time without a success, Call the longest call.
	Stall, Call time.Duration
	// Resent is how many requests of the load reached the servers besides one for
	// each call.
	Resent int
	// Errors are the first errors.
	Errors []error
	// Problems are the assertions that failed, Slow those of them that a busy
	// machine may be to blame for.
	Problems, Slow []string

	goesOn bool
}

// Failed is how many calls failed.
func (lr *LoadResult) Failed() int {
	return lr.Unknown + lr.Context + lr.Cluster + lr.Behind + lr.Other
}

// Problems returns the assertions that failed, of all loads.
func (r *Result) Problems() []string {
	all := r.list(func(lr *LoadResult) []string { return lr.Problems })
	for _, text := range r.problems {
		all = append(all, r.Row.Name()+": "+text)
	}
	return all
}

// IsExcused reports whether nothing failed but what a busy machine explains, and the
// machine was busy. A lost write, one that was applied twice, or an error of an
// unexpected kind is never excused.
func (r *Result) IsExcused() bool {
	slow := r.list(func(lr *LoadResult) []string { return lr.Slow })
	return len(r.Problems()) > 0 && r.Strain.IsTooMuch() && len(slow)+len(r.problems) == len(r.Problems())
}

func (r *Result) list(of func(*LoadResult) []string) (all []string) {
	for i := range r.Loads {
		for _, text := range of(&r.Loads[i]) {
			all = append(all, r.Row.Name()+": "+r.Loads[i].Load.Name+": "+text)
		}
	}
	return all
}

// result sums a load up and compares the store with it.
func (r *running) result(ctx context.Context, s *env) (LoadResult, error) {
	lr := LoadResult{Load: r.Load, goesOn: r.goesOn}
	if err := r.job.audit(ctx, r.ledger, &lr.Findings); err != nil {
		return lr, err
	}
	for _, n := range s.sent(r.Requests...) {
		lr.Resent += n
	}
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	lr.Calls = len(l.outcomes)
	lr.Resent = max(0, lr.Resent-lr.Calls)
	lr.Unknown, lr.Context, lr.Cluster = l.counts[unknown], l.counts[overdue], l.counts[unavailable]
	lr.Behind, lr.Other = l.counts[behind], l.counts[wrong]
	lr.Stall, lr.Call = l.stall, l.longest
	lr.Errors = append(append(lr.Errors, l.wrong...), l.failures...)
	return lr, nil
}

// firstErrors puts the errors on one line.
func (lr *LoadResult) firstErrors() string {
	texts := make([]string, 0, len(lr.Errors))
	for _, err := range lr.Errors {
		texts = append(texts, err.Error())
	}
	return strings.Join(texts, " / ")
}

// grace is what a call may take beyond its bound on a machine that has other
// things to do.
const grace = 2500 * time.Millisecond

// judge makes the assertions.
func (r *Result) judge() {
	for i := range r.Loads {
		lr := &r.Loads[i]
		lr.judgeAlways(max(catchUpTime, r.Row.Network.CatchUp))
		for _, p := range r.Row.promises() {
			if p.Load == lr.Load.Name {
				lr.judge(p)
			}
		}
	}
	// The first probe is not one of a series.
	if most := r.Row.Scenario.MaxProbes; most > 0 && float64(r.Probes) > float64(most)*r.Took.Minutes()+1 {
		r.problems = append(r.problems, fmt.Sprintf("%d probes in %v, want %d a minute at most", r.Probes, r.Took.Round(time.Second), most))
	}
}

func (lr *LoadResult) problem(format string, args ...any) {
	lr.Problems = append(lr.Problems, fmt.Sprintf(format, args...))
}

// slow is a problem that time explains.
func (lr *LoadResult) slow(format string, args ...any) {
	lr.problem(format, args...)
	lr.Slow = append(lr.Slow, lr.Problems[len(lr.Problems)-1])
}

// judgeAlways asserts what holds in every scenario.
func (lr *LoadResult) judgeAlways(catchUp time.Duration) {
	if lr.Lost > 0 {
		lr.problem("%d acknowledged writes are lost", lr.Lost)
	}
	if lr.Twice > 0 {
		lr.problem("%d twice", lr.Twice)
	}
	if lr.Late > 0 {
		lr.slow("%d events were not reported within %v", lr.Late, catchUp)
	}
	if lr.Denied > 0 {
		lr.problem("%d writes were applied whose error meant that they were not", lr.Denied)
	}
	if lr.Behind > 0 {
		lr.slow("watches fell out of the history of events %d times", lr.Behind)
	}
	if lr.Other > 0 {
		lr.problem("%d errors of an unexpected kind: %v", lr.Other, lr.firstErrors())
	}
	if !lr.Load.Lasting && lr.Call > callDeadline+grace {
		lr.slow("a call with a deadline of %v took %v", callDeadline, lr.Call)
	}
	if !lr.goesOn {
		lr.slow("no call succeeded when all was over: %v", lr.firstErrors())
	}
}

func (lr *LoadResult) judge(p Promise) {
	if p.NoFailure && lr.Failed() > 0 {
		lr.slow("%d of %d calls failed: %v", lr.Failed(), lr.Calls, lr.firstErrors())
	}
	if p.MayFail > 0 && float64(lr.Failed()) > p.MayFail*float64(lr.Calls) {
		lr.slow("%d of %d calls failed, want %.0f%% at most: %v", lr.Failed(), lr.Calls, 100*p.MayFail, lr.firstErrors())
	}
	if p.SomeUnknown && lr.Unknown == 0 {
		lr.slow("no call had an unknown outcome")
	}
	if p.SomeResent && lr.Resent == 0 {
		lr.slow("no request was sent again")
	}
	if p.Call > 0 && lr.Call > p.Call {
		lr.slow("a call took %v, want %v at most", lr.Call, p.Call)
	}
	if p.Stall > 0 && lr.Stall > p.Stall {
		lr.slow("nothing succeeded for %v, want %v at most", lr.Stall, p.Stall)
	}
}
