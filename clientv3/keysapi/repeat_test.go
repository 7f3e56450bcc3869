package keysapi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A lost answer, or request, of a write that may be repeated is made up for. Any
// other is sent once, and the caller is told that its outcome is unknown.
func TestLostWrites(t *testing.T) {
	for _, c := range writeCalls() {
		for what, fault := range map[string]fakeetcd.Fault{"answer": loseAnswer, "request": loseRequest} {
			t.Run(c.name+", "+what, func(t *testing.T) {
				play(t, func(s *stage) {
					index := s.begin(c)
					s.befall(fault)
					err := c.do(s.Context(), s.kapi, index)
					if !c.once {
						if err != nil || s.writes.Load() != 2 {
							s.Fatalf("got %v after %d requests, want success after two", err, s.writes.Load())
						}
						s.wantEnd(c)
						return
					}
					wantUnknown(s, err)
					if s.writes.Load() != 1 {
						s.Errorf("%d requests", s.writes.Load())
					}
					if what == "answer" {
						s.wantEnd(c)
					}
				})
			})
		}
	}
}

func wantUnknown(s *stage, err error) {
	s.Helper()
	_, isCluster := err.(*client.ClusterError) //nolint:errorlint // The contract: returned bare.
	if !isCluster || !errors.Is(err, client.ErrOutcomeUnknown) || client.IsTestFailed(err) || client.IsNodeExist(err) || client.IsKeyNotFound(err) {
		s.Errorf("got %T (%v), want a *client.ClusterError that is ErrOutcomeUnknown", err, err)
	}
}

func TestStrictWritesAreNotRepeated(t *testing.T) {
	for _, c := range writeCalls() {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(s *stage) {
				index := s.begin(c)
				s.befall(loseAnswer)
				wantUnknown(s, c.do(s.Context(), s.kapi, index))
				if s.writes.Load() != 1 {
					s.Errorf("%d requests", s.writes.Load())
				}
			}, keysapi.WithStrictWrites())
		})
	}
}

// A call that may be repeated leaves a member that does not answer when half of its
// time is over, if there is another one.
func TestCallsLeaveWhoDoesNotAnswer(t *testing.T) {
	hang := func(ctx context.Context, _ any, _ func() (any, error)) (any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for _, c := range append(writeCalls(), readCall()) {
		for _, members := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d", c.name, members), func(t *testing.T) {
				play(t, func(s *stage) {
					index := s.begin(c)
					s.Client.SetEndpoints([]string{"fake:2379", "fake:2380"}[:members]...)
					var hung atomic.Int64
					s.befallAll(func(ctx context.Context, request any, do func() (any, error)) (any, error) {
						if !mayWrite(request) && c.name != readCall().name || hung.Add(1) > 2 {
							return do()
						}
						return hang(ctx, request, do)
					})
					ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
					defer cancel()
					began := time.Now()
					err := c.do(ctx, s.kapi, index)
					took := time.Since(began)
					switch {
					case c.once || members == 1:
						if err != context.DeadlineExceeded { //nolint:errorlint // the contract: returned bare
							s.Errorf("got %v", err)
						}
					case err != nil || took < 45*time.Second || took > 46*time.Second:
						s.Errorf("got %v after %v, want success when half the time is over, and half of the rest", err, took)
					}
				})
			})
		}
	}
}

// What is not answered for long ends, and tells of each attempt; that the last was
// refused for want of a leader says nothing of those before.
func TestRepeatsEnd(t *testing.T) {
	for _, last := range []error{fakeetcd.Unavailable(), rpctypes.ErrGRPCNoLeader} {
		play(t, func(s *stage) {
			lost := false
			s.befallAll(func(ctx context.Context, request any, do func() (any, error)) (any, error) {
				if !lost {
					lost = true
					return loseAnswer(ctx, request, do)
				}
				return nil, last
			})
			began := time.Now()
			_, err := s.kapi.Set(s.Context(), key, "v", nil)
			wantUnknown(s, err)
			var failed *client.ClusterError
			if errors.As(err, &failed) && (len(failed.Errors) != 5 || len(failed.Attempts) != 5) {
				s.Errorf("the error tells of %d attempts", len(failed.Errors))
			}
			if took := time.Since(began); took > 30*time.Second {
				s.Errorf("that took %v", took)
			}
		})
	}
}

// Without a leader nothing is done: all calls wait for one, longer than an election
// takes, and say that they had no effect when there is none.
func TestCallsWaitForALeader(t *testing.T) {
	calls := append(writeCalls(), readCall(), call{name: "CreateInOrder", do: func(ctx context.Context, kapi client.KeysAPI, _ uint64) error {
		_, err := kapi.CreateInOrder(ctx, "/d", "v", nil)
		return err
	}})
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			play(t, func(s *stage) {
				index := s.begin(c)
				elected := time.Now().Add(6 * time.Second)
				s.Server.SetFault(func(_ context.Context, _ any, do func() (any, error)) (any, error) {
					if time.Now().Before(elected) {
						return nil, rpctypes.ErrGRPCNoLeader
					}
					return do()
				})
				if err := c.do(s.Context(), s.kapi, index); err != nil {
					s.Errorf("an election: %v", err)
				}
				s.Server.SetFault(refuse(rpctypes.ErrGRPCNoLeader))
				err := c.do(s.Context(), s.kapi, index)
				if !errors.Is(err, client.ErrClusterUnavailable) || !errors.Is(err, rpctypes.ErrNoLeader) || errors.Is(err, client.ErrOutcomeUnknown) {
					s.Errorf("no leader: %v", err)
				}
			})
		})
	}
}

// A member that is cut off from the others is to say that it has no leader, but for
// what it is to read as it has it.
func TestLeaderIsAskedFor(t *testing.T) {
	play(t, func(s *stage) {
		var with, without int
		s.Server.SetFault(func(ctx context.Context, _ any, do func() (any, error)) (any, error) {
			if md, _ := metadata.FromIncomingContext(ctx); len(md.Get(rpctypes.MetadataRequireLeaderKey)) > 0 {
				with++
			} else {
				without++
			}
			return do()
		})
		want := func(what string, err error, wantWith, wantWithout int) {
			t.Helper()
			if err != nil || with != wantWith || without != wantWithout {
				t.Errorf("%s: %v after %d requests that want a leader and %d that do not, want %d and %d", what, err, with, without, wantWith, wantWithout)
			}
			with, without = 0, 0
		}
		_, err := s.kapi.Set(s.Context(), key, "v", nil)
		want("Set", err, 1, 0)
		_, err = s.kapi.Get(s.Context(), key, nil)
		want("Get", err, 0, 1)
		_, err = s.kapi.Get(s.Context(), key, &client.GetOptions{Quorum: true})
		want("Get with a quorum", err, 1, 0)
		_, err = s.kapi.Set(s.Context(), key, "v", &client.SetOptions{TTL: time.Hour})
		want("Set with a TTL", err, 2, 0)
		_, err = s.kapi.Get(s.Context(), key, nil)
		want("Get with a TTL", err, 1, 1)
		_, err = s.kapi.Delete(s.Context(), key, &client.DeleteOptions{PrevValue: "v"})
		want("Delete, and the TTL that was left", err, 2, 0)
	})
}

// A repetition that is refused must not take along what the first attempt made: the
// directory has the lease that the second would have had.
func TestRefusedRepetitionLeavesTheLease(t *testing.T) {
	play(t, func(s *stage) {
		s.befall(loseAnswer)
		_, err := s.kapi.Set(s.Context(), "/d", "", &client.SetOptions{Dir: true, TTL: time.Hour})
		if !errors.Is(err, client.Error{Code: client.ErrorCodeNotFile}) {
			s.Errorf("got %v, want what a v2 server says: that there is a directory", err)
		}
		if resp, err := s.kapi.Get(s.Context(), "/d", nil); err != nil || !resp.Node.Dir || resp.Node.TTL == 0 {
			s.Errorf("the directory is gone, or has no TTL: %v, %v", resp, err)
		}
	})
}

// A refused write leaves no lease.
func TestRefusedWriteDropsItsLease(t *testing.T) {
	play(t, func(s *stage) {
		var revoked int
		s.Server.SetFault(func(_ context.Context, request any, do func() (any, error)) (any, error) {
			if _, is := request.(*pb.LeaseRevokeRequest); is {
				revoked++
			}
			return do()
		})
		for _, o := range []client.SetOptions{{PrevExist: client.PrevExist}, {PrevValue: "other"}, {PrevIndex: 7}} {
			o.TTL = time.Hour
			if _, err := s.kapi.Set(s.Context(), key, "v", &o); !client.IsKeyNotFound(err) {
				s.Errorf("%+v: %v", o, err)
			}
		}
		if revoked != 3 {
			s.Errorf("%d leases were revoked of 3", revoked)
		}
	})
}

// A write that comes when its lease has ended gets another one.
func TestLeaseThatEndsBeforeTheWrite(t *testing.T) {
	for _, c := range writeCalls() {
		if !c.ttl {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			play(t, func(s *stage) {
				index := s.begin(c)
				s.befall(func(_ context.Context, _ any, do func() (any, error)) (any, error) {
					<-time.After(2 * time.Hour)
					return do()
				})
				if err := c.do(s.Context(), s.kapi, index); err != nil {
					s.Error(err)
				}
				s.wantEnd(c)
			})
		})
	}
}

func TestLeaseThatEndsBeforeACreationInOrder(t *testing.T) {
	play(t, func(s *stage) {
		if _, err := s.kapi.Get(s.Context(), "/", nil); err != nil { // to know a revision
			s.Fatal(err)
		}
		s.befall(func(_ context.Context, _ any, do func() (any, error)) (any, error) {
			<-time.After(2 * time.Hour)
			return do()
		})
		if _, err := s.kapi.CreateInOrder(s.Context(), "/q", "v", &client.CreateInOrderOptions{TTL: time.Hour}); err != nil {
			s.Error(err)
		}
		if names := s.children("/q"); len(names) != 1 {
			s.Errorf("there are %q", names)
		}
	})
}

// Reads are repeated, by both clients.
func TestLostReads(t *testing.T) {
	play(t, func(s *stage) {
		if _, err := s.kapi.Set(s.Context(), key, "v", &client.SetOptions{TTL: time.Hour}); err != nil {
			s.Fatal(err)
		}
		lost := 0
		s.Server.SetFault(func(ctx context.Context, request any, do func() (any, error)) (any, error) {
			if lost++; lost%2 == 1 {
				return loseAnswer(ctx, request, do)
			}
			return do()
		})
		for _, quorum := range []bool{false, true} {
			resp, err := s.kapi.Get(s.Context(), key, &client.GetOptions{Quorum: quorum})
			if err != nil || resp.Node.Value != "v" || resp.Node.TTL == 0 {
				s.Errorf("got %v, %v", resp, err)
			}
		}
		if _, err := s.kapi.Get(s.Context(), "/other", nil); !client.IsKeyNotFound(err) {
			s.Errorf("a missing key: %v", err)
		}
	})
}

// A node is created once, whatever the caller is told.
func TestLostCreateInOrder(t *testing.T) {
	revision := int64(1)
	loseOfDone := func(_ context.Context, _ any, do func() (any, error)) (any, error) {
		reply, err := do()
		if err != nil || reply.(*pb.TxnResponse).Header.Revision == revision {
			return reply, err // the name was taken: it is asked for another one
		}
		revision++
		return nil, fakeetcd.Unavailable()
	}
	play(t, func(s *stage) {
		for i := range 10 {
			s.befall(loseOfDone, loseOfDone, loseOfDone)
			_, err := s.kapi.CreateInOrder(s.Context(), "/q", "v", &client.CreateInOrderOptions{TTL: time.Hour})
			wantUnknown(s, err)
			if names := s.children("/q"); len(names) != i+1 {
				s.Fatalf("%d nodes after %d calls: %q", len(names), i+1, names)
			}
		}
	})
}

// A refresh with the TTL that a node has is no write, also where the server has made
// the TTL longer than was asked for.
func TestRefreshDoesNotWrite(t *testing.T) {
	play(t, func(s *stage) {
		s.Server.SetFault(func(_ context.Context, request any, do func() (any, error)) (any, error) {
			if r, is := request.(*pb.LeaseGrantRequest); is {
				r.TTL = max(r.TTL, 2)
			}
			return do()
		})
		if _, err := s.kapi.Set(s.Context(), key, "v", &client.SetOptions{TTL: time.Second}); err != nil {
			s.Fatal(err)
		}
		for range 20 {
			<-time.After(time.Second)
			if _, err := client.Refresh(s.Context(), s.kapi, key, time.Second); err != nil {
				s.Fatal(err)
			}
		}
		if version := s.versionOf(key); version != 1 {
			s.Errorf("the key was written %d times", version)
		}
	})
}

// A write that no server was told of had no effect, and says so.
func TestNothingSentIsNoUnknownOutcome(t *testing.T) {
	refuse := func(context.Context, string) (net.Conn, error) { return nil, errors.New("nobody is there") }
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"nobody:2379"}, MaxUnaryRetries: 2, DialOptions: []grpc.DialOption{grpc.WithContextDialer(refuse)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, w := range writeCalls() {
		err := w.do(t.Context(), keysapi.New(c), 1)
		if !errors.Is(err, client.ErrClusterUnavailable) || errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("%s: got %v, want a ClusterError of no effect", w.name, err)
		}
	}
}
