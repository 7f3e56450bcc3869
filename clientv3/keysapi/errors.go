package keysapi

import (
	"context"
	"errors"
	"net/http"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// callError gives an error of the v3 client the form that it has in KeysAPI and
// MembersAPI. Those of contexts stay as they are.
func callError(err error, k kind) error {
	if err == nil || err == context.Canceled || err == context.DeadlineExceeded { //nolint:errorlint // others may wrap one, as of a client that is closed
		return err
	}
	switch {
	case isDenial(err):
		return refusal(client.ErrorCodeUnauthorized, rpctypes.ErrorDesc(err), 0)
	case isFailure(err):
		unknown := k != reads && !clientv3.HadNoEffect(err)
		err = withCode(err)
		return &client.ClusterError{
			Errors: []error{err}, Attempts: []client.Attempt{{Sent: unknown, Err: err}}, OutcomeUnknown: unknown,
		}
	}
	return &client.ReplyError{StatusCode: statusOf(err), Message: rpctypes.ErrorDesc(err), Err: err}
}

// A codedError is a failure that the cluster itself has told, with the code that v2 has
// for it.
type codedError struct {
	error
	v2 client.Error
}

// Unwrap gives the error of the v3 client and that of v2.
func (e *codedError) Unwrap() []error { return []error{e.error, e.v2} }

// withCode gives a failure its code: 301 without a leader, 300 for the rest of what
// the cluster could not do.
func withCode(err error) error {
	if _, told := errors.AsType[rpctypes.EtcdError](err); !told {
		return err
	}
	code := client.ErrorCodeRaftInternal
	if errors.Is(err, rpctypes.ErrNoLeader) || errors.Is(err, rpctypes.ErrLeaderChanged) || errors.Is(err, rpctypes.ErrTimeoutDueToLeaderFail) {
		code = client.ErrorCodeLeaderElect
	}
	return &codedError{err, refusal(code, rpctypes.ErrorDesc(err), 0)}
}

func codeOf(err error) codes.Code {
	if typed, ok := errors.AsType[rpctypes.EtcdError](err); ok {
		return typed.Code()
	}
	return status.Code(err)
}

func isDenial(err error) bool {
	switch codeOf(err) {
	case codes.PermissionDenied, codes.Unauthenticated:
		return true
	}
	return errors.Is(err, rpctypes.ErrAuthFailed) || errors.Is(err, rpctypes.ErrUserEmpty)
}

// isFailure reports whether err is no answer, but what became of a call instead.
func isFailure(err error) bool {
	switch codeOf(err) {
	case codes.Unavailable, codes.Unknown, codes.Internal, codes.DeadlineExceeded, codes.Canceled, codes.Aborted, codes.DataLoss:
		return true
	}
	return false
}

func statusOf(err error) int {
	switch codeOf(err) {
	case codes.NotFound:
		return http.StatusNotFound
	case codes.ResourceExhausted:
		return http.StatusTooManyRequests
	case codes.AlreadyExists, codes.FailedPrecondition:
		return http.StatusConflict
	}
	return http.StatusBadRequest
}
