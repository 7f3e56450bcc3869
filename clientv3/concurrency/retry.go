package concurrency

import (
	"context"
	"math/rand/v2"
	"time"
)

// pause is the time between two attempts, which grows from one to the next, and of
// which a random half keeps competitors out of step.
type pause struct {
	next  time.Duration
	limit time.Duration
}

func pauseOf(first, limit time.Duration) pause { return pause{next: first, limit: limit} }

// wait is false if ctx has ended.
func (p *pause) wait(ctx context.Context) bool {
	timer := time.NewTimer(p.next/2 + rand.N(p.next/2+1))
	defer timer.Stop()
	p.next = min(2*p.next, p.limit)
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = time.Second
)

// untilAnswered repeats call for as long as it fails for a reason that may pass.
func untilAnswered[R any](ctx context.Context, call func() (R, error)) (R, error) {
	for p := pauseOf(firstRetry, lastRetry); ; {
		answer, err := call()
		if err == nil || !isPassing(err) {
			return answer, err
		}
		if !p.wait(ctx) {
			return answer, ctx.Err()
		}
	}
}
