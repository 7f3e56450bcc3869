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

// again makes a call, and makes it again when it fails, as far as that is safe and may
// help. It tells whether an attempt before the last may have been carried out, or may
// be yet. The error is that of KeysAPI.
func again(ctx context.Context, what kind, call func() error) (repeated bool, err error) {
	var failures client.ClusterError
	for pause := firstPause; ; pause *= 4 {
		err = callError(call(), what)
		failed, isFailure := err.(*client.ClusterError) //nolint:errorlint // it is never wrapped
		if !isFailure {
			return repeated, err
		}
		failures.Errors = append(failures.Errors, failed.Errors...)
		failures.Attempts = append(failures.Attempts, failed.Attempts...)
		failures.OutcomeUnknown = failures.OutcomeUnknown || failed.OutcomeUnknown
		if !mayRepeat(what, failed) || pause > lastPause {
			return repeated, &failures
		}
		if err = wait(ctx, pause); err != nil {
			return repeated, err
		}
		repeated = failures.OutcomeUnknown
	}
}

func mayRepeat(what kind, failed *client.ClusterError) bool {
	return what == idempotent && failed.OutcomeUnknown || slices.ContainsFunc(failed.Errors, isLeaderless)
}

// isLeaderless reports whether a call was refused because an election is going on,
// which may take longer than the v3 client waits for it.
func isLeaderless(err error) bool { return errors.Is(err, rpctypes.ErrNoLeader) }

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
