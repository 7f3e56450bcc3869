package client

import (
	"context"
	"math/rand/v2"
	"time"
)

// sleep waits for d, or until ctx ends and then gives its error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ctx.Err()
	}
}

// backoff puts pauses between attempts of programs that are in each other's way:
// each twice the last at most, and at random, for they would meet again.
type backoff struct{ longest time.Duration }

const (
	firstBackoff = 10 * time.Millisecond
	lastBackoff  = time.Second
)

// wait waits, for between the half of what may be and all of it.
func (b *backoff) wait(ctx context.Context) error {
	b.longest = min(max(2*b.longest, firstBackoff), lastBackoff)
	half := b.longest / 2
	return sleep(ctx, half+rand.N(half+1))
}

const (
	firstRestartPause = 50 * time.Millisecond
	lastRestartPause  = 5 * time.Second
)

// restartPacer puts pauses between requests of a watch that end soon without an
// event.
type restartPacer struct {
	began time.Time
	pause time.Duration
}

func (p *restartPacer) start() { p.began = time.Now() }

// wait waits before the next request for the path by c; why is nil where the one
// before ended without an event.
func (p *restartPacer) wait(ctx context.Context, c Client, path string, why error) error {
	if time.Since(p.began) >= minIdlePoll {
		p.pause = 0
	} else {
		p.pause = min(max(2*p.pause, firstRestartPause), lastRestartPause)
	}
	if ctx.Err() == nil {
		onWatchRestart(ctx, c, WatchRestartInfo{Path: path, Err: why, Pause: p.pause})
	}
	if p.pause == 0 {
		return ctx.Err()
	}
	return sleep(ctx, p.pause)
}
