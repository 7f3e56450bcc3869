package clientv3_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/metadata"

	"github.com/coreos/etcd/clientv3"
)

// withUser makes the client have a password, and the members tokens that are
// called t1, t2 and so on.
func withUser(cfg *clientv3.Config, c *streamMembers) {
	cfg.Username, cfg.Password = "joe", "secret"
	var given atomic.Int64
	c.calls.authenticate = func(*pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
		return &pb.AuthenticateResponse{Token: fmt.Sprintf("t%d", given.Add(1))}, nil
	}
}

// refuse ends a watch that has just been asked for, as etcd 3.5 does.
func (s watchServer) refuse(reason error) {
	s.t.Helper()
	s.reply(&pb.WatchResponse{
		Header: at(5), WatchId: -1, Created: true, Canceled: true, CancelReason: reason.Error(),
	})
}

func (s watchServer) wantToken(token string) {
	s.t.Helper()
	if s.token() != token {
		s.t.Fatalf("the stream has the token %q, want %q", s.token(), token)
	}
}

func TestWatchRenewsTheToken(t *testing.T) {
	for _, reason := range []error{rpctypes.ErrGRPCInvalidAuthToken, rpctypes.ErrGRPCAuthOldRevision, rpctypes.ErrGRPCUserEmpty} {
		t.Run(reason.Error(), func(t *testing.T) {
			withConfiguredMembers(t, withUser, func(c *streamMembers, cli *clientv3.Client) {
				t := c.t
				startedOld := startWatch(t.Context(), cli, "old")
				server := c.acceptWatch(t)
				server.wantToken("t1")
				server.accept("old", 0, 5)
				<-startedOld

				started := startWatch(t.Context(), cli, "k")
				server.wantCreate("k", 0)
				server.refuse(reason)

				// All go on, on a stream with a new token.
				server = c.acceptWatch(t)
				server.wantToken("t2")
				server.accept("old", 6, 9)
				id := server.accept("k", 0, 9)
				server.sendEvents(id, false, 10)
				wantEvents(t, <-started, 10)

				// The same when the server refuses the stream.
				server.fail(reason)
				server = c.acceptWatch(t)
				server.wantToken("t3")
				server.accept("old", 6, 9)
				server.accept("k", 11, 9)
			}, "m0:1")
		})
	}
}

func TestWatchRefusedForGoodDespiteNewTokens(t *testing.T) {
	withConfiguredMembers(t, withUser, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k")
		ended := make(chan clientv3.WatchChan)
		go func() { ended <- <-started }()
		for tries := 0; ; tries++ {
			select {
			case ch := <-ended:
				wantLast(t, ch, rpctypes.ErrInvalidAuthToken)
				return
			case raw := <-c.watches:
				if tries > 20 {
					t.Fatal("the client goes on for ever")
				}
				server := watchServer{t, raw}
				server.wantCreate("k", 0)
				server.refuse(rpctypes.ErrGRPCInvalidAuthToken)
			}
		}
	}, "m0:1")
}

func TestWatchWithAPasswordThatIsNoLongerValid(t *testing.T) {
	withConfiguredMembers(t, withUser, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k")
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		ch := <-started
		c.calls.authenticate = func(*pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
			return nil, rpctypes.ErrGRPCAuthFailed
		}
		server.fail(rpctypes.ErrGRPCInvalidAuthToken)
		wantLast(t, ch, rpctypes.ErrAuthFailed)
	}, "m0:1")
}

func TestWatchWithoutPasswordIsRefusedAtOnce(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(t.Context(), cli, "k")
		server := c.acceptWatch(t)
		server.wantCreate("k", 0)
		server.refuse(rpctypes.ErrGRPCUserEmpty)
		wantLast(t, <-started, rpctypes.ErrUserEmpty)
	}, "m0:1")
}

// TestWatchOfAnOldServerThatDeniesInvalidTokens is about etcd 3.4, which says that
// permission is denied also where the token is no longer valid.
func TestWatchOfAnOldServerThatDeniesInvalidTokens(t *testing.T) {
	for _, permitted := range []bool{false, true} {
		t.Run(fmt.Sprintf("permitted: %v", permitted), func(t *testing.T) {
			withConfiguredMembers(t, withUser, func(c *streamMembers, cli *clientv3.Client) {
				t := c.t
				c.calls.get = func(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
					if string(r.Key) != "k" || string(r.RangeEnd) != "l" || !r.CountOnly {
						t.Errorf("the permission was looked for by %v", r)
					}
					if md, _ := metadata.FromIncomingContext(ctx); md.Get("token")[0] == "t1" {
						return nil, rpctypes.ErrGRPCInvalidAuthToken
					}
					if !permitted {
						return nil, rpctypes.ErrGRPCPermissionDenied
					}
					return &pb.RangeResponse{Header: at(9)}, nil
				}
				started := startWatch(t.Context(), cli, "k", clientv3.WithPrefix())
				server := c.acceptWatch(t)
				server.wantCreate("k", 0)
				server.refuse(rpctypes.ErrGRPCPermissionDenied)
				if !permitted {
					wantLast(t, <-started, rpctypes.ErrPermissionDenied)
					return
				}
				server = c.acceptWatch(t)
				server.wantToken("t2")
				id := server.accept("k", 0, 9)
				server.sendEvents(id, false, 10)
				wantEvents(t, <-started, 10)
			}, "m0:1")
		})
	}
}

func TestWatchGoesToAMemberWithLeader(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(clientv3.WithRequireLeader(t.Context()), cli, "k")
		server := c.acceptWatch(t)
		server.accept("k", 0, 5)
		ch := <-started
		without := map[string]bool{}
		for range 2 {
			without[server.member] = true
			server.fail(rpctypes.ErrGRPCNoLeader)
			server = c.acceptWatch(t)
			if without[server.member] {
				t.Fatalf("the client is back at %s, which has no leader", server.member)
			}
		}
		id := server.accept("k", 6, 9)
		server.sendEvents(id, false, 10)
		wantEvents(t, ch, 10)
	}, "m0:1", "m1:1", "m2:1")
}

func TestWatchWithoutLeaderAnywhere(t *testing.T) {
	withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
		t := c.t
		started := startWatch(clientv3.WithRequireLeader(t.Context()), cli, "k")
		asked := map[string]bool{}
		for range 3 + 1 {
			server := c.acceptWatch(t)
			asked[server.member] = true
			server.fail(rpctypes.ErrGRPCNoLeader)
		}
		wantLast(t, <-started, rpctypes.ErrNoLeader)
		if len(asked) != 3 {
			t.Errorf("the client gave up after %v", asked)
		}
	}, "m0:1", "m1:1", "m2:1")
}
