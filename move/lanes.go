package move

import (
	"context"
	"sync"

	"github.com/coreos/etcd/client/internal/keypath"
)

// lanes do jobs side by side, but those of one key, and of a directory and what is
// in it, one after the other.
type lanes struct {
	ctx    context.Context // of all jobs
	limit  int
	failed chan struct{} // closed when err is set

	mu      sync.Mutex // guards the fields below
	changed *sync.Cond
	busy    map[string]struct{} // the keys of jobs
	err     error               // the first one of a job
}

func newLanes(ctx context.Context, limit int) *lanes {
	l := &lanes{ctx: ctx, limit: limit, failed: make(chan struct{}), busy: map[string]struct{}{}}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// do begins a job when those have ended that it must come after. It returns the
// error of an earlier one.
func (l *lanes) do(key string, job func(ctx context.Context) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.err == nil && (len(l.busy) >= l.limit || l.isBusy(key)) {
		l.changed.Wait()
	}
	if l.err != nil {
		return l.err
	}
	l.busy[key] = struct{}{}
	go func() { l.end(key, job(l.ctx)) }()
	return nil
}

func (l *lanes) end(key string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, key)
	if l.err == nil && err != nil {
		l.err = err
		close(l.failed)
	}
	l.changed.Broadcast()
}

func (l *lanes) isBusy(key string) bool {
	for other := range l.busy {
		if keypath.IsWithin(key, other) || keypath.IsWithin(other, key) {
			return true
		}
	}
	return false
}

func (l *lanes) isIdle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.busy) == 0
}

// wait returns when no job is under way, with the error of the first that failed.
func (l *lanes) wait() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.busy) > 0 {
		l.changed.Wait()
	}
	return l.err
}
