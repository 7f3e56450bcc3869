package clientv3_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/coreos/etcd/clientv3"
)

// streamMembers are servers of long streams, in memory, so that all of it fits into
// a synctest bubble. Each stream that a client opens is handed to the test.
type streamMembers struct {
	t        *testing.T // of the bubble
	watches  chan *serverStream[pb.WatchRequest, pb.WatchResponse]
	renewals chan *serverStream[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]
	calls    memberCalls
	close    func()

	mu        sync.Mutex // guards the fields below
	listeners map[string]*bufconn.Listener
}

// memberCalls are what the members answer to calls of one reply. Nil is no answer.
type memberCalls struct {
	authenticate func(*pb.AuthenticateRequest) (*pb.AuthenticateResponse, error)
	grant        func(*pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error)
	get          func(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error)
}

// streamMember is one server. Its address is its name, as the peer that a client sees.
type streamMember struct {
	pb.UnimplementedWatchServer
	pb.UnimplementedLeaseServer
	pb.UnimplementedAuthServer
	pb.UnimplementedKVServer
	name    string
	cluster *streamMembers
}

// serverStream is the server's side of one stream.
type serverStream[Request, Response any] struct {
	grpc.BidiStreamingServer[Request, Response]
	member string
	end    chan error
}

// fail ends the stream with err, nil for an orderly end.
func (s *serverStream[Request, Response]) fail(err error) { s.end <- err }

// token is the one that the stream was opened with.
func (s *serverStream[Request, Response]) token() string { return s.header("token") }

func (s *serverStream[Request, Response]) header(name string) string {
	md, _ := metadata.FromIncomingContext(s.Context())
	return strings.Join(md.Get(name), ",")
}

func hold[Request, Response any](to chan *serverStream[Request, Response], member string, raw grpc.BidiStreamingServer[Request, Response]) error {
	s := &serverStream[Request, Response]{BidiStreamingServer: raw, member: member, end: make(chan error, 1)}
	select {
	case to <- s:
	case <-raw.Context().Done():
		return raw.Context().Err()
	}
	select {
	case err := <-s.end:
		return err
	case <-raw.Context().Done():
		return raw.Context().Err()
	}
}

// accept gives the next stream, but for those that the client gives up at once
// because they are at an endpoint that it avoids.
func accept[Request, Response any](from chan *serverStream[Request, Response]) *serverStream[Request, Response] {
	for {
		s := <-from
		synctest.Wait()
		if s.Context().Err() == nil {
			return s
		}
	}
}

func (m *streamMember) Watch(raw pb.Watch_WatchServer) error {
	return hold(m.cluster.watches, m.name, raw)
}

func (m *streamMember) LeaseKeepAlive(raw pb.Lease_LeaseKeepAliveServer) error {
	return hold(m.cluster.renewals, m.name, raw)
}

func (m *streamMember) Authenticate(ctx context.Context, r *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	if m.cluster.calls.authenticate == nil {
		return m.UnimplementedAuthServer.Authenticate(ctx, r)
	}
	return m.cluster.calls.authenticate(r)
}

func (m *streamMember) LeaseGrant(ctx context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	if m.cluster.calls.grant == nil {
		return m.UnimplementedLeaseServer.LeaseGrant(ctx, r)
	}
	return m.cluster.calls.grant(r)
}

func (m *streamMember) Range(ctx context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	if m.cluster.calls.get == nil {
		return m.UnimplementedKVServer.Range(ctx, r)
	}
	return m.cluster.calls.get(ctx, r)
}

// peerListener lets the client see which member it has reached: bufconn itself
// calls all of its addresses alike.
type peerConn struct {
	net.Conn
	name string
}

func (c peerConn) RemoteAddr() net.Addr { return memberAddr(c.name) }

type memberAddr string

func (a memberAddr) Network() string { return "memory" }
func (a memberAddr) String() string  { return string(a) }

func startStreamMembers(t *testing.T, names ...string) *streamMembers {
	t.Helper()
	c := &streamMembers{
		t:         t,
		watches:   make(chan *serverStream[pb.WatchRequest, pb.WatchResponse]),
		renewals:  make(chan *serverStream[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]),
		listeners: make(map[string]*bufconn.Listener),
	}
	var serving sync.WaitGroup
	var servers []*grpc.Server
	for _, name := range names {
		listener := bufconn.Listen(64 << 10)
		c.listeners[name] = listener
		member := &streamMember{name: name, cluster: c}
		server := grpc.NewServer()
		pb.RegisterWatchServer(server, member)
		pb.RegisterLeaseServer(server, member)
		pb.RegisterAuthServer(server, member)
		pb.RegisterKVServer(server, member)
		healthpb.RegisterHealthServer(server, health.NewServer())
		servers = append(servers, server)
		serving.Go(func() { server.Serve(listener) })
	}
	c.close = func() {
		for _, server := range servers {
			server.Stop()
		}
		serving.Wait()
	}
	return c
}

func (c *streamMembers) dial(ctx context.Context, name string) (net.Conn, error) {
	c.mu.Lock()
	listener := c.listeners[name]
	c.mu.Unlock()
	if listener == nil {
		return nil, errors.New("no member " + name)
	}
	conn, err := listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	return peerConn{conn, name}, nil
}

// names are the endpoints of all members.
func (c *streamMembers) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range c.listeners {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (c *streamMembers) config() clientv3.Config {
	return clientv3.Config{
		Endpoints:         c.names(),
		DialKeepAliveTime: -1,
		DialOptions:       []grpc.DialOption{grpc.WithContextDialer(c.dial)},
	}
}

// withMembers runs test in a bubble, with a client of members that the test plays.
func withMembers(t *testing.T, test func(c *streamMembers, cli *clientv3.Client), names ...string) {
	t.Helper()
	withConfiguredMembers(t, func(*clientv3.Config, *streamMembers) {}, test, names...)
}

func withConfiguredMembers(t *testing.T, configure func(*clientv3.Config, *streamMembers), test func(c *streamMembers, cli *clientv3.Client), names ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		members := startStreamMembers(t, names...)
		defer members.close()
		cfg := members.config()
		configure(&cfg, members)
		cli, err := clientv3.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if errClose := cli.Close(); errClose != nil {
				t.Errorf("Close: %v", errClose)
			}
		}()
		test(members, cli)
	})
}

func unavailable(words string) error { return status.Error(codes.Unavailable, words) }
