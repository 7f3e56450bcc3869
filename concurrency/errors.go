package concurrency

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/etcd/client"
)

// Errors that can be compared with errors.Is, wherever they are wrapped.
var (
	// ErrSessionExpired is what every [*SessionError] is: the session has
	// ended, and whatever was held by it may be another's.
	ErrSessionExpired = errors.New("concurrency: the session has ended")

	// ErrClosed is why a session has ended on which Close or Orphan was called.
	ErrClosed = errors.New("concurrency: the session was closed")

	// ErrNotRenewed is why a session has ended one of whose keys could not be
	// renewed in time. The key may still be there.
	ErrNotRenewed = errors.New("concurrency: the key could not be renewed in time")

	// ErrKeyLost is why a session has ended one of whose keys is gone, or has
	// a value that the session did not write.
	ErrKeyLost = errors.New("concurrency: the key is gone, or is another's")

	// ErrLocked means that TryLock found the lock held or wanted by another, or
	// that a Mutex was asked for what it already has.
	ErrLocked = errors.New("concurrency: the lock is taken")

	// ErrLockReleased means that Unlock found nothing to release.
	ErrLockReleased = errors.New("concurrency: the lock is not held")

	// ErrElectionNotLeader means that the Election is not the leader.
	ErrElectionNotLeader = errors.New("concurrency: not the leader")

	// ErrElectionNoLeader means that nobody is the leader.
	ErrElectionNoLeader = errors.New("concurrency: there is no leader")

	// errNoAnswer stands for the deadline of one attempt: context.DeadlineExceeded
	// always means the caller's own context.
	errNoAnswer = errors.New("concurrency: no answer in time")

	errNoNode = errors.New("concurrency: the KeysAPI returned neither node nor error")
)

// SessionError says why a session has ended. errors.Is(err, [ErrSessionExpired])
// holds for all of them.
type SessionError struct {
	// Key is the key that was lost, or the session's own.
	Key string

	// Reason is ErrClosed, ErrNotRenewed, ErrKeyLost, or the cause of the
	// context that was given by WithContext.
	Reason error

	// Err is what the last attempt to renew the key came to, where that is why.
	// It may be nil. Error shows it, errors.Is and errors.As pass it over.
	Err error
}

// Error names the key, the reason and the last failure.
func (e *SessionError) Error() string {
	text := fmt.Sprintf("%v: %q: %s", ErrSessionExpired, e.Key, unprefixed(e.Reason))
	if e.Err != nil {
		text += ": " + unprefixed(e.Err)
	}
	return text
}

// unprefixed gives an error's text for the middle of a line.
func unprefixed(err error) string {
	if err == nil {
		return "<nil>"
	}
	return strings.TrimPrefix(err.Error(), "concurrency: ")
}

// Is makes every SessionError an [ErrSessionExpired].
func (e *SessionError) Is(target error) bool { return target == ErrSessionExpired }

// Unwrap gives Reason. It leaves Err out: what became of a renewal says nothing of
// the call that this error is returned by, which may not have been made at all.
func (e *SessionError) Unwrap() error { return e.Reason }

// OpError is any other failure: what was tried, with which key, and what came of
// it, as [client.KeysAPI] describes it.
type OpError struct {
	Op  string // "lock", "unlock", "campaign", "delete", …
	Key string // the key or directory
	Err error
}

// Error gives all three on one line.
func (e *OpError) Error() string {
	return fmt.Sprintf("concurrency: %s %q: %s", e.Op, e.Key, unprefixed(e.Err))
}

// Unwrap gives Err.
func (e *OpError) Unwrap() error { return e.Err }

// isRefusal reports whether a server has said that it has not carried a call
// out, with one of the codes.
func isRefusal(err error, codes ...int) bool {
	var refused client.Error
	if err == nil || errors.Is(err, client.ErrClusterUnavailable) || !errors.As(err, &refused) {
		return false
	}
	return slices.Contains(codes, refused.Code)
}

// isGone reports whether a key is certainly not there any more, or not ours.
func isGone(err error) bool {
	return isRefusal(err, client.ErrorCodeKeyNotFound, client.ErrorCodeTestFailed,
		client.ErrorCodeNotDir, client.ErrorCodeNotFile)
}

// isFinal reports whether to ask again is of no use: what was passed is wrong, or
// the server refuses it.
func isFinal(err error) bool {
	var input *client.InvalidInputError
	var reply *client.ReplyError
	var refused client.Error
	switch {
	case errors.As(err, &input):
		return true
	case errors.Is(err, client.ErrClusterUnavailable):
		return false
	case errors.As(err, &refused):
		return refused.Code < client.ErrorCodeRaftInternal
	case errors.As(err, &reply):
		code := reply.StatusCode
		return code >= 400 && code < 500 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests
	}
	return false
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
