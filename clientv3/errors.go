package clientv3

import (
	"context"
	"errors"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ContextError returns what a caller with ctx is told of err, which came from
// gRPC. If ctx has ended and err may be due to that, it is ctx.Err(). An error
// of etcd becomes that of package rpctypes, comparable with == and errors.Is.
// Any other is returned as it is.
func ContextError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	typed := rpctypes.Error(err)
	switch codeOf(typed) {
	case codes.Canceled, codes.Unavailable:
		if ctx.Err() != nil {
			return ctx.Err()
		}
	case codes.DeadlineExceeded:
		// The server counts the same time down, and may be the first to end.
		if _, hasDeadline := ctx.Deadline(); hasDeadline && ctx.Err() == nil {
			return context.DeadlineExceeded
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return typed
}

// IsConnCanceled reports whether err came from a client that was closed.
func IsConnCanceled(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, context.Canceled) {
		return true
	}
	return codeOf(err) == codes.Canceled
}

// HadNoEffect reports whether err, by which a call that writes has failed, says for
// sure that it changed nothing: there was no connection for it, no token, or no
// leader. Where it is false, a call that was not answered may have been carried out;
// a context's own errors are of that kind.
func HadNoEffect(err error) bool {
	_, unsent := errors.AsType[unsentError](err)
	return unsent || isRefusal(err)
}

// unsentError is that of a write of which no server was told.
type unsentError struct{ error }

// Unwrap gives the error of gRPC.
func (e unsentError) Unwrap() error { return e.error }

// GRPCStatus makes it that status.
func (e unsentError) GRPCStatus() *status.Status { return status.Convert(e.error) }

// withoutEffect marks the error of a write that was not sent. Those of contexts and
// of etcd stay as they are, as they are compared.
func withoutEffect(e effect, err error) error {
	_, typed := errors.AsType[rpctypes.EtcdError](err)
	if e == reads || typed || err == context.Canceled || err == context.DeadlineExceeded { //nolint:errorlint // identity is what is asked
		return err
	}
	return unsentError{err}
}

// codeOf gives the gRPC code of err, of package rpctypes or not.
func codeOf(err error) codes.Code {
	if typed, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return typed.Code()
	}
	return status.Code(err)
}

// isRefusal reports whether err says that the server did nothing of what it was
// asked, and another one, or the same one later, may.
func isRefusal(err error) bool {
	switch {
	case errors.Is(err, rpctypes.ErrNoLeader): // WithRequireLeader: checked before all else
		return true
	case rpctypes.ErrorDesc(err) == rpctypes.ErrorDesc(rpctypes.ErrGRPCNotSupportedForLearner):
		return true
	}
	return false
}
