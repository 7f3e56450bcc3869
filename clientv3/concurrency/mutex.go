package concurrency

import (
	"context"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	v3 "github.com/coreos/etcd/clientv3"
)

// Mutex is a lock that one of all who know its prefix holds at a time. Make it
// with [NewMutex]. It is safe for concurrent use.
type Mutex struct {
	line line

	mu   sync.Mutex // guards the field below
	held *entry
}

// NewMutex makes a Mutex of the lock pfx, for keys below pfx and a slash. It sends
// nothing. Several of a session and a prefix exclude each other.
func NewMutex(s *Session, pfx string) *Mutex { return &Mutex{line: newLine(s, pfx)} }

// Lock waits until the lock is free and takes it. Who came first gets it first. If
// this Mutex, or another of the same session, has it, Lock waits for its Unlock.
//
// The lock is held until Unlock, or until the session ends: watch its Done. What is
// written elsewhere under the lock is only safe with [Mutex.IsOwner] in its
// transaction or, in other stores, with the revision of [Mutex.Header] as a fence.
//
// While the cluster can't be reached, Lock goes on trying. Its error is ctx.Err()
// when ctx ends, [ErrSessionExpired] when the session ends or somebody has deleted
// the key, or it wraps what the server refuses it for, as rpctypes.ErrPermissionDenied.
// The place in the line is given up then. Lock waits a second at most for that; it
// goes on in the background as long as the session lives, and finds a request that
// was under way, too.
func (m *Mutex) Lock(ctx context.Context) error {
	held, err := m.line.acquire(ctx, "lock", "")
	return m.hold(held, err)
}

// TryLock takes the lock if nobody has it or waits for it. Otherwise it is
// [ErrLocked], and has written nothing. Other errors are those of [Mutex.Lock].
func (m *Mutex) TryLock(ctx context.Context) error {
	held, err := m.line.tryAcquire(ctx, "lock", "")
	return m.hold(held, err)
}

func (m *Mutex) hold(held *entry, err error) error {
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = held
	return nil
}

// Unlock gives the lock up, and returns when it has. It is [ErrLockReleased] if
// the lock was not held.
//
// After any other error the lock is not held here any more, but it may take some
// time, the TTL at most after the session, until others get it: the session goes on
// with its release. The error is ctx.Err(), [ErrSessionExpired], or wraps what the
// server says.
func (m *Mutex) Unlock(ctx context.Context) error {
	m.mu.Lock()
	held := m.held
	m.held = nil
	m.mu.Unlock()
	if held == nil {
		return ErrLockReleased
	}
	return held.release(ctx, "unlock")
}

// IsOwner returns a condition for transactions that holds as long as this Mutex has
// the lock, by what the cluster knows. It never holds if the lock was not taken.
func (m *Mutex) IsOwner() v3.Cmp {
	created := int64(-1) // of no key
	if held := m.current(); held != nil {
		created = held.created
	}
	return v3.Compare(v3.CreateRevision(m.line.key), "=", created)
}

// Key returns the key by which the lock is held, empty if it is not.
func (m *Mutex) Key() string {
	if held := m.current(); held != nil {
		return held.key
	}
	return ""
}

// Header returns the header of the response by which the lock was taken, nil if it
// is not held. Its revision is greater for each later holder.
func (m *Mutex) Header() *pb.ResponseHeader {
	if held := m.current(); held != nil {
		return held.header
	}
	return nil
}

func (m *Mutex) current() *entry {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held
}

// NewLocker makes a [sync.Locker] of the lock pfx. As that has no errors, its Lock
// panics with the error of [Mutex.Lock], and Unlock with that of [Mutex.Unlock].
// Neither ends before the session does.
func NewLocker(s *Session, pfx string) sync.Locker { return &locker{NewMutex(s, pfx)} }

type locker struct{ mutex *Mutex }

// Lock implements [sync.Locker].
func (l *locker) Lock() {
	if err := l.mutex.Lock(context.WithoutCancel(l.mutex.line.session.ctx)); err != nil {
		panic(err)
	}
}

// Unlock implements [sync.Locker].
func (l *locker) Unlock() {
	if err := l.mutex.Unlock(context.WithoutCancel(l.mutex.line.session.ctx)); err != nil {
		panic(err)
	}
}
