package clientv3_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
)

// leaseServer is the server's side of a stream of renewals, as a story tells it.
type leaseServer struct {
	t *testing.T
	*serverStream[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]
}

func (c *streamMembers) acceptRenewals(t *testing.T) leaseServer {
	t.Helper()
	return leaseServer{t, accept(c.renewals)}
}

func (s leaseServer) wantRenewal(id int64) {
	s.t.Helper()
	request, err := s.Recv()
	if err != nil || request.ID != id {
		s.t.Fatalf("the server was asked for %v (%v), want a renewal of %d", request, err, id)
	}
}

func (s leaseServer) answer(id, ttl int64) {
	s.t.Helper()
	if err := s.Send(&pb.LeaseKeepAliveResponse{Header: at(1), ID: id, TTL: ttl}); err != nil {
		s.t.Fatal(err)
	}
}

// renew does what a server does for a lease of ttl seconds.
func (s leaseServer) renew(id, ttl int64) {
	s.t.Helper()
	s.wantRenewal(id)
	s.answer(id, ttl)
}

// maxPause is more than the first pause between two streams.
const maxPause = 50 * time.Millisecond

type keepAlives = <-chan *clientv3.LeaseKeepAliveResponse

func keepAlive(ctx context.Context, t *testing.T, l clientv3.Lease, id clientv3.LeaseID) keepAlives {
	t.Helper()
	ch, err := l.KeepAlive(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

func wantAlive(t *testing.T, ch keepAlives, id clientv3.LeaseID, ttl int64) {
	t.Helper()
	resp := <-ch
	if resp == nil || resp.ID != id || resp.TTL != ttl || resp.ResponseHeader == nil {
		t.Fatalf("got %v, want lease %d to live for %d s", resp, id, ttl)
	}
}

func wantHalted(t *testing.T, ch keepAlives) {
	t.Helper()
	if resp, open := <-ch; open {
		t.Fatalf("got %v, want the end", resp)
	}
}

// wantElapsed measures virtual time.
func wantElapsed(t *testing.T, since time.Time, least, most time.Duration) {
	t.Helper()
	if got := time.Since(since); got < least || got > most {
		t.Fatalf("took %v, want %v to %v", got, least, most)
	}
}

func TestKeepAliveRenewsAtAThird(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		began := time.Now()
		ch := keepAlive(t.Context(), t, cli, 7)
		server := c.acceptRenewals(t)
		server.renew(7, 60)
		wantAlive(t, ch, 7, 60)
		wantElapsed(t, began, 0, 0)
		for range 5 {
			began = time.Now()
			server.renew(7, 60)
			wantElapsed(t, began, 18*time.Second, 20*time.Second)
			wantAlive(t, ch, 7, 60)
		}
	}, "m0:1")
}

func TestKeepAliveTellsAllWhoAsked(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		first := keepAlive(ctx, t, cli, 7)
		server := c.acceptRenewals(t)
		server.renew(7, 60)
		wantAlive(t, first, 7, 60)
		second := keepAlive(t.Context(), t, cli, 7) // hears at once
		server.renew(7, 60)
		wantAlive(t, first, 7, 60)
		wantAlive(t, second, 7, 60)

		cancel()
		wantHalted(t, first)
		server.renew(7, 60)
		wantAlive(t, second, 7, 60)
	}, "m0:1")
}

func TestKeepAliveWithoutReader(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ch := keepAlive(t.Context(), t, cli, 7)
		server := c.acceptRenewals(t)
		for range 40 {
			server.renew(7, 5)
		}
		synctest.Wait()
		if len(ch) != 16 {
			t.Errorf("%d answers wait, want 16", len(ch))
		}
	}, "m0:1")
}

func TestKeepAliveOfALeaseThatIsGone(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		gone, there := keepAlive(t.Context(), t, cli, 7), keepAlive(t.Context(), t, cli, 8)
		server := c.acceptRenewals(t)
		for range 2 {
			request, err := server.Recv()
			if err != nil {
				t.Fatal(err)
			}
			server.answer(request.ID, map[int64]int64{7: 0, 8: 30}[request.ID])
		}
		wantHalted(t, gone)
		wantAlive(t, there, 8, 30)
		server.renew(8, 0)
		wantHalted(t, there)
		<-server.Context().Done() // The last lease takes the stream along,

		ch := keepAlive(t.Context(), t, cli, 9) // and the next begins another.
		c.acceptRenewals(t).renew(9, 30)
		wantAlive(t, ch, 9, 30)
	}, "m0:1")
}

func TestKeepAliveEndsWithItsContext(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ctx, cancel := context.WithCancel(t.Context())
		ch := keepAlive(ctx, t, cli, 7)
		server := c.acceptRenewals(t)
		cancel()
		wantHalted(t, ch)
		<-server.Context().Done()
		if _, err := cli.KeepAlive(ctx, 7); !errors.Is(err, context.Canceled) {
			t.Errorf("KeepAlive with an ended context: %v", err)
		}
	}, "m0:1")
}

func TestKeepAliveEndsWhenTheTTLHasPassed(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		began := time.Now()
		ch := keepAlive(t.Context(), t, cli, 7)
		server := c.acceptRenewals(t)
		server.wantRenewal(7)
		<-time.After(900 * time.Millisecond) // It counts from when it was sent, not from the answer.
		server.answer(7, 6)
		wantAlive(t, ch, 7, 6)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go silence(ctx, c)
		wantHalted(t, ch)
		wantElapsed(t, began, 6*time.Second, 6*time.Second)
	}, "m0:1", "m1:1", "m2:1")
}

func TestKeepAliveThatIsNeverAnswered(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go silence(ctx, c)
		began := time.Now()
		wantHalted(t, keepAlive(t.Context(), t, cli, 7))
		wantElapsed(t, began, 10*time.Second, 10*time.Second)
	}, "m0:1")
}

// silence takes streams and says nothing.
func silence(ctx context.Context, c *streamMembers) {
	for {
		select {
		case <-c.renewals:
		case <-ctx.Done():
			return
		}
	}
}

func TestKeepAliveLeavesAMemberThatStandsStill(t *testing.T) {
	for _, ttl := range []int64{2, 5, 60, 3600} {
		withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
			t := c.t
			ch := keepAlive(t.Context(), t, cli, 7)
			stopped := c.acceptRenewals(t)
			began := time.Now()
			stopped.renew(7, ttl)
			wantAlive(t, ch, 7, ttl)
			stopped.wantRenewal(7)

			server := c.acceptRenewals(t)
			if server.member == stopped.member {
				t.Fatalf("the client is back at %s, which stands still", server.member)
			}
			server.wantRenewal(7)
			whole := time.Duration(ttl) * time.Second
			wantElapsed(t, began, whole*3/10, whole/2+maxPause)
			server.answer(7, ttl)
			wantAlive(t, ch, 7, ttl)
		}, "m0:1", "m1:1", "m2:1")
	}
}

func TestKeepAliveTriesAllMembersBeforeTheLeaseEnds(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ch := keepAlive(t.Context(), t, cli, 7)
		stopped := c.acceptRenewals(t)
		stopped.renew(7, 6)
		wantAlive(t, ch, 7, 6)
		stopped.wantRenewal(7)
		server := c.acceptRenewals(t)
		server.wantRenewal(7)
		third := c.acceptRenewals(t)
		third.renew(7, 6)
		wantAlive(t, ch, 7, 6)
		if third.member == stopped.member || third.member == server.member {
			t.Errorf("asked were %s, %s and %s", stopped.member, server.member, third.member)
		}
	}, "m0:1", "m1:1", "m2:1")
}

func TestKeepAliveStaysWithAMemberThatIsSlow(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		// As long as anything comes, the stream is not stuck.
		slow := keepAlive(t.Context(), t, cli, 1)
		server := c.acceptRenewals(t)
		server.renew(1, 6)
		wantAlive(t, slow, 1, 6)
		server.wantRenewal(1)
		for id := range clientv3.LeaseID(4) {
			<-time.After(800 * time.Millisecond)
			keepAlive(t.Context(), t, cli, 10+id)
			server.renew(int64(10+id), 600)
		}
		server.answer(1, 6)
		wantAlive(t, slow, 1, 6)
	}, "m0:1", "m1:1")
}

func TestKeepAliveGoesOnAfterALostStream(t *testing.T) {
	withConfiguredMembers(t, withUser, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		ch := keepAlive(t.Context(), t, cli, 7)
		server := c.acceptRenewals(t)
		server.wantRenewal(7)
		for _, failure := range []error{
			nil, unavailable("gone"), rpctypes.ErrGRPCNoLeader, rpctypes.ErrGRPCPermissionDenied,
		} {
			server.fail(failure)
			server = c.acceptRenewals(t)
			server.wantRenewal(7) // which had no answer
		}
		if server.token() != "t1" || server.header(rpctypes.MetadataRequireLeaderKey) != "true" {
			t.Errorf("the stream has the token %q, and says %q of a leader",
				server.token(), server.header(rpctypes.MetadataRequireLeaderKey))
		}
		server.fail(rpctypes.ErrGRPCInvalidAuthToken)
		server = c.acceptRenewals(t)
		if server.token() != "t2" {
			t.Errorf("the stream has the token %q, want t2", server.token())
		}
		began := time.Now()
		server.renew(7, 60)
		wantAlive(t, ch, 7, 60)

		server.fail(nil) // With nothing to ask for, the next is asked in its time.
		server = c.acceptRenewals(t)
		server.renew(7, 60)
		wantElapsed(t, began, 18*time.Second, 20*time.Second)
	}, "m0:1", "m1:1")
}

func TestKeepAliveClose(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		l := clientv3.NewLease(cli)
		ch := keepAlive(t.Context(), t, l, 7)
		server := c.acceptRenewals(t)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		wantHalted(t, ch)
		<-server.Context().Done()
		_, err := l.KeepAlive(t.Context(), 7)
		var halted clientv3.ErrKeepAliveHalted
		if !errors.As(err, &halted) || !errors.Is(err, context.Canceled) || err.Error() == (clientv3.ErrKeepAliveHalted{}).Error() {
			t.Errorf("KeepAlive after Close: %v", err)
		}
		if _, err = l.KeepAliveOnce(t.Context(), 7); !errors.As(err, &halted) {
			t.Errorf("KeepAliveOnce after Close: %v", err)
		}
	}, "m0:1")
}

func TestKeepAliveOfManyLeases(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		const leases = 2_000
		const ttl = 60
		before := runtime.NumGoroutine()
		var channels []keepAlives
		for id := range clientv3.LeaseID(leases) {
			channels = append(channels, keepAlive(t.Context(), t, cli, id+1))
		}
		server := c.acceptRenewals(t)
		if more := runtime.NumGoroutine() - before; more > 20 {
			t.Errorf("%d leases take %d goroutines", leases, more)
		}

		// All on one stream, spread more from round to round, yet many at a time.
		asked := make(map[int64]time.Time)
		ends := time.Now().Add(time.Minute)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			for {
				request, err := server.Recv()
				if err != nil {
					return
				}
				now := time.Now()
				if last, known := asked[request.ID]; known && now.Sub(last) > ttl*time.Second/3 {
					t.Errorf("lease %d was renewed after %v", request.ID, now.Sub(last))
				}
				asked[request.ID] = now
				if server.Send(&pb.LeaseKeepAliveResponse{ID: request.ID, TTL: ttl}) != nil {
					return
				}
			}
		})
		<-time.After(time.Until(ends))
		if err := cli.Lease.Close(); err != nil {
			t.Fatal(err)
		}
		waiting.Wait()
		if len(asked) != leases {
			t.Errorf("%d of %d leases were renewed", len(asked), leases)
		}
		seconds, times := make(map[int64]int), make(map[int64]int)
		for _, last := range asked {
			if ends.Sub(last) > ttl*time.Second/3 {
				t.Errorf("the last renewal of a lease was %v ago", ends.Sub(last))
			}
			seconds[last.Unix()]++
			times[last.UnixNano()]++
		}
		if len(seconds) < 2 {
			t.Errorf("all renewals are within %d seconds", len(seconds))
		}
		if len(times) > leases/4 {
			t.Errorf("%d renewals are sent at %d times", leases, len(times))
		}
		for _, ch := range channels {
			if len(ch) < 3 {
				t.Fatalf("%d answers came in a minute", len(ch))
			}
		}
	}, "m0:1")
}
