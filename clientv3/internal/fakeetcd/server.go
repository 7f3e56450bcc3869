// Package fakeetcd is a member in memory, for tests in a synctest bubble of what is
// built on the client: keys with their history, transactions, watches and leases.
// Its answers are those of etcd, as far as they go; requests may be held back and
// answers lost.
package fakeetcd

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/coreos/etcd/clientv3"
)

// Fault is called with each request of one reply, and carries it out by do, now,
// later, or not at all. What it returns is what the client is told.
type Fault func(ctx context.Context, request any, do func() (any, error)) (any, error)

// Server is the member.
type Server struct {
	pb.UnimplementedKVServer
	pb.UnimplementedWatchServer
	pb.UnimplementedLeaseServer

	store *store
	fault atomic.Pointer[Fault]
	mute  atomic.Bool
	done  chan struct{} // closed when the server has ended
	late  sync.WaitGroup
}

// T is what a test has in its bubble: a member that has no keys, and a client of it.
type T struct {
	*testing.T

	Server *Server
	Client *clientv3.Client
}

// Run calls test in a bubble.
func Run(t *testing.T, test func(t *T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &Server{store: newStore(), done: make(chan struct{})}
		listener := bufconn.Listen(64 << 10)
		server := grpc.NewServer(grpc.UnaryInterceptor(s.intercept))
		pb.RegisterKVServer(server, s)
		pb.RegisterWatchServer(server, s)
		pb.RegisterLeaseServer(server, s)
		healthpb.RegisterHealthServer(server, health.NewServer())
		var serving sync.WaitGroup
		serving.Go(func() { server.Serve(listener) }) //nolint:errcheck // Stop ends it
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
		client, err := clientv3.New(clientv3.Config{
			Endpoints: []string{"fake:2379"}, DialKeepAliveTime: -1,
			DialOptions: []grpc.DialOption{grpc.WithContextDialer(dial)},
		})
		defer func() { // also if test fails
			if client != nil {
				client.Close() //nolint:errcheck // a test may have closed it
			}
			close(s.done)
			server.Stop()
			s.late.Wait()
			s.store.endLeases()
			serving.Wait()
		}()
		if err != nil {
			t.Fatal(err)
		}
		test(&T{T: t, Server: s, Client: client})
	})
}

// SetFault sets what is called with each request from now on; nil means nothing.
func (s *Server) SetFault(fault Fault) {
	if fault == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&fault)
}

// Mute makes the member take no renewal of a lease, and answer none.
func (s *Server) Mute(mute bool) { s.mute.Store(mute) }

// Later calls do when delay has passed, if the server is still there then.
func (s *Server) Later(delay time.Duration, do func() (any, error)) {
	s.late.Go(func() {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
			do() //nolint:errcheck // nobody is there any more to be told
		case <-s.done:
		}
	})
}

// Unavailable is what a client is told whose answer was lost.
func Unavailable() error { return status.Error(codes.Unavailable, "the answer was lost") }

func (s *Server) intercept(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	do := func() (any, error) { return handler(context.WithoutCancel(ctx), request) }
	if fault := s.fault.Load(); fault != nil {
		return (*fault)(ctx, request, do)
	}
	return do()
}

// Range implements the KV service.
func (s *Server) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return s.store.read(r)
}

// Put implements the KV service.
func (s *Server) Put(_ context.Context, r *pb.PutRequest) (*pb.PutResponse, error) {
	reply, err := s.store.txn(&pb.TxnRequest{Success: []*pb.RequestOp{
		{Request: &pb.RequestOp_RequestPut{RequestPut: r}},
	}})
	if err != nil {
		return nil, err
	}
	put := reply.Responses[0].GetResponsePut()
	put.Header = reply.Header
	return put, nil
}

// DeleteRange implements the KV service.
func (s *Server) DeleteRange(_ context.Context, r *pb.DeleteRangeRequest) (*pb.DeleteRangeResponse, error) {
	reply, err := s.store.txn(&pb.TxnRequest{Success: []*pb.RequestOp{
		{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: r}},
	}})
	if err != nil {
		return nil, err
	}
	deleted := reply.Responses[0].GetResponseDeleteRange()
	deleted.Header = reply.Header
	return deleted, nil
}

// Txn implements the KV service.
func (s *Server) Txn(_ context.Context, r *pb.TxnRequest) (*pb.TxnResponse, error) {
	return s.store.txn(r)
}

// Compact implements the KV service.
func (s *Server) Compact(_ context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	return s.store.compact(r.Revision)
}
