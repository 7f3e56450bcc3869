package concurrency_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

func failBy(err error) fakeetcd.Fault {
	return func(context.Context, any, func() (any, error)) (any, error) { return nil, err }
}

// TestCommitThatFails tells those that were refused from those that may be done.
func TestCommitThatFails(t *testing.T) {
	for _, test := range []struct {
		err     error
		unknown bool
	}{
		{rpctypes.ErrGRPCPermissionDenied, false},
		{rpctypes.ErrGRPCTooManyOps, false},
		{rpctypes.ErrGRPCNoSpace, false}, // ResourceExhausted, by etcd
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), true},
		{rpctypes.ErrGRPCTimeout, true},
		{rpctypes.ErrGRPCLeaderChanged, true},
		{rpctypes.ErrGRPCTimeoutDueToLeaderFail, true},
		{status.Error(codes.Unknown, "?"), true},
		{status.Error(codes.Internal, "?"), true},
	} {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			t.Server.SetFault(once(puts, failBy(test.err)))
			_, err := concurrency.NewSTM(t.Client, increment("n"))
			if err == nil || errors.Is(err, concurrency.ErrOutcomeUnknown) != test.unknown || !errors.Is(err, rpctypes.Error(test.err)) {
				t.Errorf("%v gives %v", test.err, err)
			}
		})
	}
}

// TestWrongCommitIsNotSent has an operation that the client refuses.
func TestWrongCommitIsNotSent(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		_, err := concurrency.NewSTM(t.Client, func(s concurrency.STM) error { s.Put("", "x"); return nil })
		if !errors.Is(err, rpctypes.ErrEmptyKey) || errors.Is(err, concurrency.ErrOutcomeUnknown) {
			t.Errorf("%v", err)
		}
	})
}

// TestRefusedCalls end with what the server says, and with the prefix.
func TestRefusedCalls(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		s := newSession(t, t.Client)
		defer closeAll(t, s)
		m, e := concurrency.NewMutex(s, "/lock"), concurrency.NewElection(s, "/vote")
		refused := func(err error, prefix string) {
			t.Helper()
			if !errors.Is(err, rpctypes.ErrPermissionDenied) || !strings.Contains(err.Error(), prefix) {
				t.Errorf("%v", err)
			}
		}
		t.Server.SetFault(failBy(rpctypes.ErrGRPCPermissionDenied))
		refused(m.Lock(t.Context()), `"/lock/"`)
		refused(m.TryLock(t.Context()), `"/lock/"`)
		refused(e.Campaign(t.Context(), ""), `"/vote/"`)
		_, err := e.Leader(t.Context())
		refused(err, "")
		if response, open := <-e.Observe(t.Context()); open {
			t.Errorf("Observe has sent %v", response)
		}
		t.Server.SetFault(nil)
		mustLock(t, m)
		mustCampaign(t, e, "")
		t.Server.SetFault(failBy(rpctypes.ErrGRPCPermissionDenied))
		refused(e.Proclaim(t.Context(), "x"), `"/vote/`)
		refused(m.Unlock(t.Context()), `"/lock/"`)
		refused(e.Resign(t.Context()), `"/vote/"`)
		t.Server.SetFault(nil)
	})
}

// TestLeaseThatIsGone ends what needs it, and the session, which has not noticed.
func TestLeaseThatIsGone(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		s := newSession(t, t.Client)
		defer closeAll(t, s)
		if _, err := t.Client.Revoke(t.Context(), s.Lease()); err != nil {
			t.Fatal(err)
		}
		if err := concurrency.NewMutex(s, "/lock").Lock(t.Context()); err != concurrency.ErrSessionExpired { //nolint:errorlint // it is returned bare
			t.Errorf("Lock: %v", err)
		}
		if s.Ctx().Err() == nil {
			t.Error("the session goes on")
		}
	})
}
