package concurrency

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// ErrLocked is the error of [Mutex.TryLock] when the lock is held or waited for.
	ErrLocked = errors.New("mutex: Locked by another session")

	// ErrSessionExpired means that the session has ended, or that a key which it
	// held was deleted by somebody else.
	ErrSessionExpired = errors.New("mutex: session is expired")

	// ErrLockReleased is the error of [Mutex.Unlock] when the lock is not held.
	ErrLockReleased = errors.New("mutex: lock has already been released")

	// ErrElectionNotLeader means that the election is not, or no longer, the leader.
	ErrElectionNotLeader = errors.New("election: not leader")

	// ErrElectionNoLeader means that nobody is the leader.
	ErrElectionNoLeader = errors.New("election: no leader")

	// ErrOutcomeUnknown means that the transaction of [NewSTM] may have been
	// committed, or may yet be, once at most. The error also wraps the reason, such
	// as [context.DeadlineExceeded].
	ErrOutcomeUnknown = errors.New("stm: it is unknown whether the transaction was committed")

	// errClosed is why a session has ended that was closed or orphaned.
	errClosed = fmt.Errorf("%w: it was closed", ErrSessionExpired)

	// errKeyLost means that somebody else has deleted the key of an entry.
	errKeyLost = errors.New("concurrency: the key was deleted")
)

// codeOf gives the gRPC code of err, and false for what neither etcd nor gRPC said.
func codeOf(err error) (codes.Code, bool) {
	if typed, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return typed.Code(), true
	}
	s, ok := status.FromError(err)
	return s.Code(), ok
}

// isPassing reports whether the same call may succeed later.
func isPassing(err error) bool {
	code, known := codeOf(err)
	return known && (code == codes.Unavailable || errors.Is(err, rpctypes.ErrTooManyRequests))
}

// isUndecided reports whether a write that failed with err may have been done, or
// may yet be.
func isUndecided(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	if errors.Is(err, rpctypes.ErrNoLeader) {
		return false // refused before anything else
	}
	code, known := codeOf(err)
	if !known {
		return false // the client has not sent it
	}
	switch code {
	case codes.Unavailable, codes.Unknown, codes.Canceled, codes.DeadlineExceeded, codes.Internal, codes.DataLoss:
		return true
	case codes.ResourceExhausted:
		// Of etcd, a refusal. Of gRPC, an answer that is too large to be read.
		_, refused := errors.AsType[rpctypes.EtcdError](err)
		return !refused
	default:
		return false
	}
}
