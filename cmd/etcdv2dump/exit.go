package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/move"
)

// The exit codes, as they stand in --help and in README.md.
const (
	exitDone        = 0
	exitDifferent   = 1
	exitUsage       = 2
	exitStore       = 3
	exitConflict    = 4
	exitDump        = 5
	exitInterrupted = 130
)

var (
	errTotalTimeout = errors.New("time is over")
	errDifferent    = errors.New("they differ")
	errDeclined     = errors.New("the answer was not yes: nothing was removed")
)

// A usageError is a mistake in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usageErrorf(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// A dumpError is a dump that can't be read or written.
type dumpError struct{ error }

func (e dumpError) Unwrap() error { return e.error }

// An ending is what an error means to who called the command.
type ending struct {
	code    int
	kind    string // for scripts
	message string
	hint    string // what to do about it; empty: nothing in general
}

// classify gives an error its exit code. ctx is that of the whole run, which
// ends by signals only.
func (a *app) classify(ctx context.Context, err error) ending {
	if err == nil {
		return ending{code: exitDone}
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return ending{code: exitInterrupted, kind: "interrupted", message: "interrupted", hint: a.onceMore}
	}
	end := ending{message: strings.TrimPrefix(strings.TrimPrefix(err.Error(), "dump: "), "move: ")}
	switch {
	case a.running == "", isA[usageError](err), isA[*client.InvalidInputError](err):
		end.code, end.kind, end.hint = exitUsage, "usage", a.help
	case errors.Is(err, errDifferent):
		end.code, end.kind = exitDifferent, "different"
	case errors.Is(err, errDeclined):
		end.code, end.kind = exitDifferent, "declined"
	case isA[*dump.VerifyError](err):
		end.code, end.kind = exitDifferent, "verification"
	case errors.Is(err, errLate):
		end.code, end.kind = exitDifferent, "late"
	case isA[*move.DifferenceError](err):
		end.code, end.kind, end.hint = exitDifferent, "verification", a.onceMore
	case isA[*dump.ConflictError](err), isA[*move.ConflictError](err), isA[*move.NotEmptyError](err):
		end.code, end.kind = exitConflict, "conflict"
	case isA[*move.RefusedError](err):
		end.code, end.kind = exitConflict, "refused"
		end.hint = "--allow-refused switches without them."
	case isA[*dump.FormatError](err), errors.Is(err, dump.ErrTruncated), isA[dumpError](err), isA[*fs.PathError](err):
		end.code, end.kind, end.hint = exitDump, "dump", a.onceMore
	default:
		end.code, end.kind, end.hint = exitStore, "store", a.onceMore
		switch {
		case errors.Is(err, client.ErrPlainRefused):
			end.hint = "--insecure-discovery takes http endpoints too."
		case end.hint == "" && errors.Is(err, client.ErrClusterUnavailable):
			end.hint = "--endpoints or ETCDCTL_ENDPOINTS say where the cluster is."
		}
	}
	return end
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
