package concurrency_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

func wantAlive(tb testing.TB, s *concurrency.Session) {
	tb.Helper()
	select {
	case <-s.Done():
		tb.Fatalf("the session has ended: %v", context.Cause(s.Ctx()))
	default:
	}
}

func wantEnded(tb testing.TB, s *concurrency.Session, cause error) {
	tb.Helper()
	synctest.Wait()
	select {
	case <-s.Done():
		if got := context.Cause(s.Ctx()); !errors.Is(got, cause) {
			tb.Fatalf("the session ended by %v, not %v", got, cause)
		}
	default:
		tb.Fatal("the session has not ended")
	}
}

// ttlOf gives the TTL that the lease of s has when it is renewed, -1 if it is gone.
func ttlOf(tb testing.TB, s *concurrency.Session) int64 {
	tb.Helper()
	response, err := s.Client().TimeToLive(tb.Context(), s.Lease())
	if err != nil {
		tb.Fatal(err)
	}
	if response.TTL < 0 {
		return -1
	}
	return response.GrantedTTL
}

func TestSessionKeepsItsLease(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client, concurrency.WithTTL(5))
		if s.Client() != client {
			t.Error("Client is another")
		}
		pass(time.Hour)
		wantAlive(t, s)
		if ttl := ttlOf(t, s); ttl != 5 {
			t.Errorf("TTL: %d", ttl)
		}
		closeAll(t, s)
		wantEnded(t, s, concurrency.ErrSessionExpired)
		if ttl := ttlOf(t, s); ttl >= 0 {
			t.Errorf("the lease is there after Close: TTL %d", ttl)
		}
		closeAll(t, s) // nothing is left to do
	})
}

func TestSessionWithoutTTLHasAMinute(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client, concurrency.WithTTL(0))
		defer closeAll(t, s)
		if ttl := ttlOf(t, s); ttl != 60 {
			t.Errorf("TTL: %d", ttl)
		}
	})
}

// TestSessionEndsBeforeItsLease has the member answer no renewal from some time on.
func TestSessionEndsBeforeItsLease(t *testing.T) {
	for _, alive := range []time.Duration{0, time.Second, 7 * time.Second, 33 * time.Second} {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			server, client := t.Server, t.Client
			s := newSession(t, client, concurrency.WithTTL(10))
			pass(alive)
			server.Mute(true)
			muted := time.Now()
			<-s.Done()
			wantEnded(t, s, concurrency.ErrSessionExpired)
			if after := time.Since(muted); after > 8*time.Second {
				t.Errorf("ended %v after the last answer at the latest", after)
			}
			if ttl := ttlOf(t, s); ttl != 10 {
				t.Error("the lease was gone when the session ended")
			}
			pass(3 * time.Second)
			if ttl := ttlOf(t, s); ttl >= 0 {
				t.Error("the lease outlived its TTL by far")
			}
			closeAll(t, s)
		})
	}
}

func TestSessionEndsWithItsLease(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client, concurrency.WithTTL(30))
		if _, err := client.Revoke(t.Context(), s.Lease()); err != nil {
			t.Fatal(err)
		}
		revoked := time.Now()
		<-s.Done()
		wantEnded(t, s, concurrency.ErrSessionExpired)
		if after := time.Since(revoked); after > 10*time.Second {
			t.Errorf("the session ended %v after its lease, with renewals each 10s", after)
		}
		closeAll(t, s)
	})
}

func TestOrphanLeavesTheLease(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		first := newSession(t, client, concurrency.WithTTL(10))
		m := concurrency.NewMutex(first, "/lock")
		if err := m.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		first.Orphan()
		first.Orphan()
		wantEnded(t, first, concurrency.ErrSessionExpired)
		pass(9 * time.Second)

		second := newSession(t, client, concurrency.WithLease(first.Lease()))
		if second.Lease() != first.Lease() {
			t.Errorf("lease %x, not %x", second.Lease(), first.Lease())
		}
		pass(time.Minute)
		wantAlive(t, second)
		again := concurrency.NewMutex(second, "/lock")
		if err := again.Lock(t.Context()); err != nil {
			t.Fatal(err)
		}
		if again.Key() != m.Key() {
			t.Errorf("the lock was taken anew: %q", again.Key())
		}
		closeAll(t, second)
		wantNoKeys(t, client, "/lock")

		if _, err := concurrency.NewSession(client, concurrency.WithLease(first.Lease())); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			t.Errorf("with a lease that is gone: %v", err)
		}
	})
}

func TestSessionEndsWithItsContext(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		reason := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		s := newSession(t, client, concurrency.WithContext(ctx), concurrency.WithTTL(10))
		cancel(reason)
		wantEnded(t, s, reason)
		if err := s.Close(); !errors.Is(err, context.Canceled) {
			t.Errorf("Close: %v", err)
		}
		if ttl := ttlOf(t, s); ttl != 10 {
			t.Errorf("TTL %d: the lease was to be abandoned", ttl)
		}
		if _, err := concurrency.NewSession(client, concurrency.WithContext(ctx)); !errors.Is(err, context.Canceled) {
			t.Errorf("NewSession: %v", err)
		}
	})
}

func TestSessionEndsWithItsClient(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		s := newSession(t, client, concurrency.WithContext(t.Context()))
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		wantEnded(t, s, concurrency.ErrSessionExpired)
		if err := concurrency.NewMutex(s, "/lock").Lock(t.Context()); !errors.Is(err, concurrency.ErrSessionExpired) {
			t.Errorf("Lock: %v", err)
		}
	})
}

func TestSessionWithWrongArguments(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		if _, err := concurrency.NewSession(nil); err == nil {
			t.Error("a nil client is taken")
		}
		var none context.Context
		if _, err := concurrency.NewSession(client, concurrency.WithContext(none)); err == nil {
			t.Error("a nil context is taken")
		}
	})
}

func TestCloseWhoseAnswerIsLost(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		revokes := func(request any) bool { _, ok := request.(*pb.LeaseRevokeRequest); return ok }
		for _, fault := range []fakeetcd.Fault{loseAnswer, loseRequest} {
			s := newSession(t, client)
			server.SetFault(once(revokes, fault))
			closeAll(t, s)
			if ttl := ttlOf(t, s); ttl >= 0 {
				t.Errorf("the lease is there after Close: TTL %d", ttl)
			}
		}
	})
}

func TestCloseWithoutAnAnswerEnds(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		s := newSession(t, client)
		server.SetFault(swallow(server, time.Hour))
		began := time.Now()
		if err := s.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		server.SetFault(nil)
		closeAll(t, s) // another attempt
	})
}
