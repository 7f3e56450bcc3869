package clientv3_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/coreos/etcd/clientv3"
)

// answerFunc is what a fake member does with a request.
type answerFunc func(ctx context.Context, request any) (any, error)

// member is an etcd member on a loopback socket that answers as a test says.
type member struct {
	pb.UnimplementedKVServer
	pb.UnimplementedLeaseServer
	pb.UnimplementedClusterServer
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedAuthServer

	addr     string
	server   *grpc.Server
	health   *health.Server
	snapshot func(stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error

	mu       sync.Mutex // guards the fields below
	answer   answerFunc
	requests []request
}

// request is one that a member got.
type request struct {
	message   proto.Message
	token     string
	authority string
}

// serve starts a member on a TCP port of its own.
func serve(t *testing.T, answer answerFunc, options ...grpc.ServerOption) *member {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, listener, answer, options...)
}

func serveOn(t *testing.T, listener net.Listener, answer answerFunc, options ...grpc.ServerOption) *member {
	t.Helper()
	m := &member{addr: listener.Addr().String(), answer: answer, health: health.NewServer()}
	m.server = grpc.NewServer(append(options, grpc.UnaryInterceptor(m.intercept))...)
	pb.RegisterKVServer(m.server, m)
	pb.RegisterLeaseServer(m.server, m)
	pb.RegisterClusterServer(m.server, m)
	pb.RegisterMaintenanceServer(m.server, m)
	pb.RegisterAuthServer(m.server, m)
	healthpb.RegisterHealthServer(m.server, m.health)
	var serving sync.WaitGroup
	serving.Go(func() { m.server.Serve(listener) })
	t.Cleanup(func() {
		m.server.Stop()
		serving.Wait()
	})
	return m
}

// intercept is called with each request of one reply.
func (m *member) intercept(ctx context.Context, message any, _ *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	m.mu.Lock()
	m.requests = append(m.requests, request{
		message:   message.(proto.Message),
		token:     strings.Join(md.Get("token"), ","),
		authority: strings.Join(md.Get(":authority"), ","),
	})
	answer := m.answer
	m.mu.Unlock()
	return answer(ctx, message)
}

func (m *member) Snapshot(_ *pb.SnapshotRequest, stream grpc.ServerStreamingServer[pb.SnapshotResponse]) error {
	return m.snapshot(stream)
}

// got gives what m was asked so far.
func (m *member) got() []request {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

// count gives how many requests like one m was sent.
func count[R proto.Message](m *member) int {
	n := 0
	for _, r := range m.got() {
		if _, ok := r.message.(R); ok {
			n++
		}
	}
	return n
}

// answerEmpty answers any request by an empty reply of its kind.
func answerEmpty(_ context.Context, message any) (any, error) {
	switch r := message.(type) {
	case *pb.RangeRequest:
		return &pb.RangeResponse{}, nil
	case *pb.PutRequest:
		return &pb.PutResponse{}, nil
	case *pb.DeleteRangeRequest:
		return &pb.DeleteRangeResponse{}, nil
	case *pb.TxnRequest:
		return &pb.TxnResponse{}, nil
	case *pb.MemberListRequest:
		return &pb.MemberListResponse{}, nil
	case *pb.StatusRequest:
		return &pb.StatusResponse{}, nil
	default:
		return nil, status.Error(codes.Unimplemented, fmt.Sprintf("no answer to a %T", r))
	}
}

// answerError answers any request by an error.
func answerError(err error) answerFunc {
	return func(context.Context, any) (any, error) { return nil, err }
}

// connect makes a client that does not wait long before it repeats a call.
func connect(t *testing.T, cfg clientv3.Config) *clientv3.Client {
	t.Helper()
	if cfg.BackoffWaitBetween == 0 {
		cfg.BackoffWaitBetween = time.Millisecond
	}
	c, err := clientv3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// patience bounds what must happen, on however busy a machine.
const patience = 30 * time.Second

// soon is a context that ends when a test has lost its patience.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// await waits until condition holds.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}
