package move

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/coreos/etcd/client"
)

// maxListed is how many keys an error or a Report lists.
const maxListed = 20

// ErrClosed is why a move has ended on which Close was called.
var ErrClosed = errors.New("move: closed")

// StoreError means that a request failed, and that to try it again is of no use.
// errors.As finds the error of the KeysAPI in it. The errors of a context are
// returned bare.
type StoreError struct {
	Side string // "source" or "target"
	Op   string // "get", "set", "delete" or "watch"
	Key  string // of what
	Err  error  // what the KeysAPI said
}

// Error names the side, the request, the key and the reason.
func (e *StoreError) Error() string {
	return fmt.Sprintf("move: %s: %s %q: %v", e.Side, e.Op, e.Key, e.Err)
}

// Unwrap gives Err.
func (e *StoreError) Unwrap() error { return e.Err }

// NotEmptyError means that the target has something that no move from this source
// has brought there. Nothing was written.
type NotEmptyError struct {
	Dir string // the directory of the target
	Key string // something that is in it
	// Mark is set if another move has begun there, and says which.
	Mark string
}

// Error names the directory and what is in it.
func (e *NotEmptyError) Error() string {
	if e.Mark != "" {
		return fmt.Sprintf("move: the target %q belongs to another move: %q is %s", e.Dir, e.Key, e.Mark)
	}
	return fmt.Sprintf("move: the target %q is not empty: it has %q", e.Dir, e.Key)
}

// ConflictError means that somebody else has written to the target: a key was not
// as the move had left it.
type ConflictError struct {
	Key string // in the target
}

// Error names the key.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("move: somebody else has written to the target: %q was not as this move had left it", e.Key)
}

// DifferenceError means that the sides differ, though all that was known of the
// source was applied: somebody else has written to the target. The move goes on.
type DifferenceError struct {
	Differences []Difference // the first 20
	Total       int64
}

// Error gives the number and the first few keys.
func (e *DifferenceError) Error() string {
	return summary("differs in", e.Total, e.Differences, func(d Difference) string { return fmt.Sprintf("%q (%s)", d.Key, d.what()) })
}

func (d *Difference) what() string {
	switch {
	case d.Source == nil:
		return "only there"
	case d.Target == nil:
		return "missing"
	case d.Source.Dir != d.Target.Dir:
		return "a file for a directory, or the reverse"
	case d.Source.Value != d.Target.Value:
		return "another value"
	}
	return "another TTL"
}

// RefusedError means that nodes are missing in the target because it refused to
// take them, and that Options.AllowRefused is not set. All others are there. The
// move goes on.
type RefusedError struct {
	Refused []Refusal // the first 20
	Total   int64
}

// Error gives the number, and the first few keys with what the target said.
func (e *RefusedError) Error() string {
	return summary("refused", e.Total, e.Refused, func(r Refusal) string { return fmt.Sprintf("%q (%v)", r.Key, r.Err) })
}

// Unwrap gives what the target said of the first one.
func (e *RefusedError) Unwrap() error { return e.Refused[0].Err }

// summary says what the target does with how many nodes, and lists the first few.
func summary[T any](does string, total int64, known []T, item func(T) string) string {
	noun := "nodes"
	if total == 1 {
		noun = "node"
	}
	const most = 3
	items := make([]string, 0, most)
	for _, node := range known[:min(most, len(known))] {
		items = append(items, item(node))
	}
	if len(known) > most {
		items = append(items, "…")
	}
	text := fmt.Sprintf("move: the target %s %d %s", does, total, noun)
	if len(items) == 0 {
		return text
	}
	return text + ": " + strings.Join(items, ", ")
}

func isNil(field string) error { return &client.InvalidInputError{Field: field, Reason: "it is nil"} }

func isContext(err error) bool { return err == context.Canceled || err == context.DeadlineExceeded } //nolint:errorlint // bare, as every KeysAPI returns them

// isPassing is true for errors of a cluster that may answer again.
func isPassing(err error) bool {
	var reply *client.ReplyError
	switch {
	case errors.Is(err, client.ErrClusterUnavailable), hasCode(err, client.ErrorCodeRaftInternal), hasCode(err, client.ErrorCodeLeaderElect):
		return true
	case errors.As(err, &reply):
		// Of a bridge: too many requests, or the space is used up until somebody makes
		// room. What gRPC itself says so of is too large for it.
		return reply.StatusCode == http.StatusTooManyRequests && !isTooLarge(reply)
	}
	return false
}

func isTooLarge(reply *client.ReplyError) bool {
	return strings.Contains(reply.Message, "larger than max")
}

// isRefusal is true for what a store says of one node that it does not take.
func isRefusal(err error) bool {
	var input *client.InvalidInputError
	var reply *client.ReplyError
	switch {
	case errors.As(err, &input):
		return true
	case errors.As(err, &reply):
		return isTooLarge(reply) || reply.StatusCode == http.StatusBadRequest || reply.StatusCode == http.StatusRequestEntityTooLarge
	}
	return false
}

// isMissing is true where there is no such key, or a file on its way.
func isMissing(err error) bool {
	return hasCode(err, client.ErrorCodeKeyNotFound) || hasCode(err, client.ErrorCodeNotDir)
}

func hasCode(err error, code int) bool { return errors.Is(err, client.Error{Code: code}) }
