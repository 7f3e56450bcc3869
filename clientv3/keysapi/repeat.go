package keysapi

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client"
)

// kind says what may come of an operation, and of doing it twice.
type kind int

const (
	reads      kind = iota
	writes          // twice is not as once
	idempotent      // a write that ends in the same state when it is done twice
)

// unconditional is the kind of the writes that KeysAPI repeats.
func (k *keysAPI) unconditional() kind {
	if k.strict {
		return writes
	}
	return idempotent
}

// The pauses before a call is made again, each four times the one before. What had no
// effect the v3 client repeats by itself, for more than two seconds.
const (
	firstPause = 25 * time.Millisecond
	lastPause  = 64 * firstPause
)

// longestLead is more than a server can be ahead of the client's clock.
const longestLead = time.Second

// again makes a call, and makes it again when it fails, as far as that is safe and may
// help. It tells whether an attempt before the last may have been carried out, or may
// be yet. The error is that of KeysAPI.
func (k *keysAPI) again(ctx context.Context, what kind, call func(context.Context) error) (repeated bool, err error) {
	var failures client.ClusterError
	for pause := firstPause; ; pause *= 4 {
		isLast := pause > lastPause
		if isLast || what == writes {
			err = callError(call(ctx), what)
		} else {
			err = callError(k.inTime(ctx, call), what)
		}
		failed, isFailure := err.(*client.ClusterError) //nolint:errorlint // it is never wrapped
		if !isFailure {
			awaitDeadline(ctx, err)
			return repeated, err
		}
		failures.Errors = append(failures.Errors, failed.Errors...)
		failures.Attempts = append(failures.Attempts, failed.Attempts...)
		failures.OutcomeUnknown = failures.OutcomeUnknown || failed.OutcomeUnknown
		if isLast || !mayRepeat(what, failed) {
			return repeated, &failures
		}
		if err = wait(ctx, pause); err != nil {
			return repeated, err
		}
		repeated = failures.OutcomeUnknown
	}
}

// inTime makes a call that has half of the time that is left, if there is another
// member for the rest: one that stands still may not answer at all. The error is
// ErrOverdue then.
func (k *keysAPI) inTime(ctx context.Context, call func(context.Context) error) error {
	deadline, has := ctx.Deadline()
	if !has || len(k.c.Endpoints()) < 2 {
		return call(ctx)
	}
	half, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
	defer cancel()
	err := call(half)
	if err == context.DeadlineExceeded && ctx.Err() == nil { //nolint:errorlint // it comes bare
		return client.ErrOverdue
	}
	return err
}

// awaitDeadline waits for the end of a context which a server, that counts its time down
// as well, was the first to see: whoever gets the error asks the context.
func awaitDeadline(ctx context.Context, err error) {
	if err == context.DeadlineExceeded && ctx.Err() == nil { //nolint:errorlint // it comes bare
		_ = wait(ctx, longestLead) //nolint:errcheck // it is known
	}
}

func mayRepeat(what kind, failed *client.ClusterError) bool {
	return what == idempotent && failed.OutcomeUnknown || slices.ContainsFunc(failed.Errors, isPassing)
}

// isPassing reports whether a call was refused because an election is going on, which
// may take longer than the v3 client waits for it, or was not answered in time.
func isPassing(err error) bool {
	return errors.Is(err, rpctypes.ErrNoLeader) || errors.Is(err, client.ErrOverdue)
}

// wait pauses, for a time that is random by half so that programs do not meet again.
func wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause/2 + rand.N(pause/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
