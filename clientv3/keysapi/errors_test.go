package keysapi_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/client"
)

// A meaning is what a caller is told.
type meaning int

const (
	denied  meaning = iota // client.Error with code 110
	failed                 // *client.ClusterError; a write has an unknown outcome
	refused                // the same, and a write had no effect
	replied                // *client.ReplyError
)

// v2Codes are the codes of those failures that v2 has one for.
var v2Codes = map[error]int{
	rpctypes.ErrGRPCTimeout: client.ErrorCodeRaftInternal, rpctypes.ErrGRPCStopped: client.ErrorCodeRaftInternal, rpctypes.ErrGRPCCorrupt: client.ErrorCodeRaftInternal,
	rpctypes.ErrGRPCTimeoutDueToLeaderFail: client.ErrorCodeLeaderElect, rpctypes.ErrGRPCNoLeader: client.ErrorCodeLeaderElect,
}

func TestErrorsOfTheServer(t *testing.T) {
	for _, tt := range []struct {
		said   error
		means  meaning
		status int // of a ReplyError
		is     error
	}{
		{rpctypes.ErrGRPCPermissionDenied, denied, 0, nil},
		{rpctypes.ErrGRPCAuthFailed, denied, 0, nil},
		{rpctypes.ErrGRPCInvalidAuthToken, denied, 0, nil},
		{rpctypes.ErrGRPCUserEmpty, denied, 0, nil},
		{status.Error(codes.Unavailable, "the connection broke"), failed, 0, nil},
		{status.Error(codes.Unknown, "something new"), failed, 0, nil},
		{status.Error(codes.Internal, "stream terminated"), failed, 0, nil},
		{status.Error(codes.Canceled, "by the server"), failed, 0, nil},
		{rpctypes.ErrGRPCTimeout, failed, 0, rpctypes.ErrTimeout},
		{rpctypes.ErrGRPCTimeoutDueToLeaderFail, failed, 0, rpctypes.ErrTimeoutDueToLeaderFail},
		{rpctypes.ErrGRPCStopped, failed, 0, rpctypes.ErrStopped},
		{rpctypes.ErrGRPCCorrupt, failed, 0, rpctypes.ErrCorrupt},
		{rpctypes.ErrGRPCNoLeader, refused, 0, rpctypes.ErrNoLeader},
		{rpctypes.ErrGRPCNoSpace, replied, http.StatusTooManyRequests, rpctypes.ErrNoSpace},
		{rpctypes.ErrGRPCRequestTooManyRequests, replied, http.StatusTooManyRequests, rpctypes.ErrTooManyRequests},
		{rpctypes.ErrGRPCRequestTooLarge, replied, http.StatusBadRequest, rpctypes.ErrRequestTooLarge},
		{rpctypes.ErrGRPCTooManyOps, replied, http.StatusBadRequest, rpctypes.ErrTooManyOps},
		{rpctypes.ErrGRPCNotLeader, replied, http.StatusConflict, rpctypes.ErrNotLeader},
		{status.Error(codes.NotFound, "no such thing"), replied, http.StatusNotFound, nil},
	} {
		t.Run(tt.said.Error(), func(t *testing.T) {
			play(t, func(s *stage) {
				s.Server.SetFault(refuse(tt.said))
				_, errGet := s.kapi.Get(s.Context(), key, nil)
				_, errSet := s.kapi.Set(s.Context(), key, "v", nil)
				_, errDelete := s.kapi.Delete(s.Context(), key, nil)
				for name, err := range map[string]error{"Get": errGet, "Set": errSet, "Delete": errDelete} {
					if got := meaningOf(err, name != "Get"); got != tt.means {
						s.Errorf("%s: got %T (%v), which means %d, not %d", name, err, err, got, tt.means)
					}
					var reply *client.ReplyError
					if errors.As(err, &reply) && reply.StatusCode != tt.status {
						s.Errorf("%s: status %d, not %d", name, reply.StatusCode, tt.status)
					}
					if tt.is != nil && !errors.Is(err, tt.is) {
						s.Errorf("%s: %v is not %v", name, err, tt.is)
					}
					if said, has := errors.AsType[client.Error](err); tt.means != denied && (said.Code != v2Codes[tt.said] || has != (said.Code != 0)) {
						s.Errorf("%s: the code %d, want %d", name, said.Code, v2Codes[tt.said])
					}
				}
			})
		})
	}
}

// meaningOf is -1 for an error that is none of those there are.
func meaningOf(err error, wrote bool) meaning {
	switch err := err.(type) { //nolint:errorlint // all are returned bare
	case client.Error:
		if err.Code == client.ErrorCodeUnauthorized && err.StatusCode == http.StatusUnauthorized && client.IsUnauthorized(err) {
			return denied
		}
	case *client.ClusterError:
		switch unknown := errors.Is(err, client.ErrOutcomeUnknown); {
		case wrote && unknown, !wrote && !unknown && !errors.Is(err, rpctypes.ErrNoLeader):
			return failed
		case !unknown:
			return refused
		}
	case *client.ReplyError:
		if err.Message != "" {
			return replied
		}
	}
	return -1
}

// The context's own error comes bare, whatever the call was waiting for.
func TestContextsEndCalls(t *testing.T) {
	hang := func(ctx context.Context, _ any, _ func() (any, error)) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, c := range writeCalls() {
		for name, fault := range map[string]func(context.Context, any, func() (any, error)) (any, error){
			"an answer": hang, "a leader": refuse(rpctypes.ErrGRPCNoLeader), "the next attempt": loseRequest,
		} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				play(t, func(s *stage) {
					index := s.begin(c)
					s.befallAll(fault)
					ctx, cancel := context.WithTimeout(s.Context(), 40*time.Millisecond)
					defer cancel()
					err := c.do(ctx, s.kapi, index)
					stopped := c.once && errors.Is(err, client.ErrOutcomeUnknown)
					if err != context.DeadlineExceeded && !stopped { //nolint:errorlint // the contract: returned bare
						s.Errorf("too late: %v", err)
					}
					ctx, cancel = context.WithCancel(s.Context())
					cancel()
					if err = c.do(ctx, s.kapi, index); err != context.Canceled { //nolint:errorlint // the contract: returned bare
						s.Errorf("canceled: %v", err)
					}
				})
			})
		}
	}
}

// A server may see a deadline before the client does. The context has ended all the same
// when the caller is told.
func TestServerIsFirstToSeeTheDeadline(t *testing.T) {
	for _, c := range append(writeCalls(), readCall()) {
		play(t, func(s *stage) {
			index := s.begin(c)
			ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
			defer cancel()
			s.befallAll(func(context.Context, any, func() (any, error)) (any, error) {
				<-time.After(time.Until(mustDeadline(ctx)) - time.Millisecond)
				return nil, status.Error(codes.DeadlineExceeded, "context deadline exceeded")
			})
			if err := c.do(ctx, s.kapi, index); err != context.DeadlineExceeded || ctx.Err() == nil { //nolint:errorlint // the contract: returned bare
				s.Errorf("%s: got %v, and of the context %v", c.name, err, ctx.Err())
			}
		})
	}
}

func mustDeadline(ctx context.Context) time.Time {
	at, _ := ctx.Deadline()
	return at
}

// That the client was closed is no end of the caller's context.
func TestClosedClientIsNoEndOfTheContext(t *testing.T) {
	for _, c := range writeCalls() {
		play(t, func(s *stage) {
			index := s.begin(c)
			if err := s.Client.Close(); err != nil {
				s.Fatal(err)
			}
			err := c.do(s.Context(), s.kapi, index)
			if !errors.Is(err, client.ErrClusterUnavailable) || errors.Is(err, context.Canceled) {
				s.Errorf("%s: got %T (%v), want a ClusterError", c.name, err, err)
			}
		})
	}
}
