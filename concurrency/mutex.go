package concurrency

import (
	"context"
	"errors"
	"sync"
)

// Mutex is a lock that one of all who know its prefix holds at a time. Make it
// with [NewMutex].
//
// A Mutex value stands for one who waits or holds. It may be used by several
// goroutines, but does not make them wait for each other: while it holds or takes
// the lock, Lock and TryLock are [ErrLocked]. Two Mutex values exclude each other,
// also those of one session.
type Mutex struct {
	line line

	mu      sync.Mutex // guards the fields below
	taking  bool       // Lock or TryLock is under way
	held    *entry
	leaving *entry // released, and not yet proven to be deleted
}

// NewMutex makes a Mutex of the lock pfx, a directory that it has for itself, and
// that is made by the first Lock. It sends nothing.
func NewMutex(s *Session, pfx string) *Mutex { return &Mutex{line: newLine(s, pfx)} }

// Lock waits until the lock is free and takes it. Who came first gets it first.
//
// The lock is held until Unlock, or until the session ends: watch its Done. What
// is written elsewhere under the lock is only safe with [Mutex.Fence].
//
// While the cluster does not answer, Lock goes on trying. Its error is
//   - ctx.Err() when ctx ends: the place in the line is given up. Lock returns
//     within a second; what it can't delete by then, the session does later,
//   - a [*SessionError] when the session ends, or has ended,
//   - [ErrLocked] when this Mutex has the lock already, or is taking it,
//   - an [*OpError] when the server refuses, for want of credentials for
//     instance, and a [*client.InvalidInputError] for a prefix that can't be.
func (m *Mutex) Lock(ctx context.Context) error {
	return m.take(ctx, func() (*entry, error) { return m.line.acquire(ctx, "lock", "") })
}

// TryLock takes the lock if nobody holds it and nobody waits for it. Otherwise it
// is [ErrLocked], and has left nothing behind. Other errors are those of
// [Mutex.Lock]; it waits for the cluster as that does, but for nobody else.
func (m *Mutex) TryLock(ctx context.Context) error {
	return m.take(ctx, func() (*entry, error) { return m.line.try(ctx) })
}

// try is acquire for who does not wait.
func (l *line) try(ctx context.Context) (*entry, error) {
	bound, release := l.s.bind(ctx)
	defer release()
	e := l.newEntry(l.newMark())
	nodes, _, err := l.list(bound) // most often enough, and writes nothing
	if err == nil && len(nodes) > 0 {
		return nil, ErrLocked
	}
	var before ahead
	if err == nil {
		before, err = e.join(bound, "")
	}
	if err == nil {
		err = l.s.Err()
	}
	switch {
	case err == nil && before.key == "":
		return e, nil
	case err == nil:
		err = e.leave(bound)
	}
	if err == nil {
		return nil, ErrLocked
	}
	err = l.s.explain(ctx, "lock", l.dir, err)
	e.abandon(ctx)
	return nil, err
}

func (m *Mutex) take(ctx context.Context, acquire func() (*entry, error)) error {
	if err := m.line.check(ctx); err != nil {
		return err
	}
	if !m.begin() {
		return ErrLocked
	}
	e, err := acquire()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.taking = false
	m.held = e
	return err
}

func (m *Mutex) begin() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.taking || m.held != nil {
		return false
	}
	m.taking, m.leaving = true, nil
	return true
}

// Unlock gives the lock up, and returns when that is proven. It works after the
// session has ended as well.
//
// [ErrLockReleased] means that there was nothing to give up. After any other error,
// which is ctx.Err(), or an [*OpError] when the server refuses or the TTL has
// passed without an answer, the lock counts as given up here, but may be held in
// the store until its TTL has passed. The session goes on deleting it; Unlock may
// be called again to wait for that.
func (m *Mutex) Unlock(ctx context.Context) error {
	if ctx == nil {
		return m.line.check(ctx)
	}
	e := m.giveUp()
	if e == nil {
		return ErrLockReleased
	}
	if err := e.leave(ctx); err != nil {
		e.handOver()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &OpError{Op: "unlock", Key: e.key, Err: err}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.leaving == e {
		m.leaving = nil
	}
	return nil
}

// giveUp gives the entry to delete, nil if there is none.
func (m *Mutex) giveUp() *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held != nil {
		m.held, m.leaving = nil, m.held
	}
	return m.leaving
}

// Key is the key by which the lock is held, empty when it is not.
func (m *Mutex) Key() string {
	if e := m.holds(); e != nil {
		return e.key
	}
	return ""
}

// Fence is a number that is greater for each later holder of the lock: pass it with
// what is written to a store that refuses numbers lower than the greatest it has
// seen. Then a holder that stood still while its session ended does no harm. It is
// the CreatedIndex of [Mutex.Key]; 0 when the lock is not held, or the session has
// ended.
func (m *Mutex) Fence() uint64 {
	if e := m.holds(); e != nil {
		return e.created
	}
	return 0
}

func (m *Mutex) holds() *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.held == nil || m.line.s.Err() != nil {
		return nil
	}
	return m.held
}

// NewLocker makes a sync.Locker of the lock pfx. Unlike a Mutex, its Lock waits for
// other goroutines that use the same Locker.
//
// As a sync.Locker has no errors, Lock panics with the error of [Mutex.Lock] when
// the session ends, or the server refuses. Unlock panics when the lock is not held;
// when its deletion can't be proven within the TTL, it leaves it to the session.
func NewLocker(s *Session, pfx string) sync.Locker {
	return &locker{here: make(chan struct{}, 1), mutex: NewMutex(s, pfx)}
}

type locker struct {
	here  chan struct{} // has one in it while a goroutine holds or takes the lock
	mutex *Mutex
}

// Lock implements sync.Locker.
func (l *locker) Lock() {
	l.here <- struct{}{}
	if err := l.mutex.Lock(context.Background()); err != nil {
		<-l.here
		panic(err)
	}
}

// Unlock implements sync.Locker.
func (l *locker) Unlock() {
	if err := l.mutex.Unlock(context.Background()); errors.Is(err, ErrLockReleased) {
		panic(err)
	}
	<-l.here
}
