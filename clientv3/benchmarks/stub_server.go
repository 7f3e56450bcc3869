package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// leaseTTL is that of all leases of the stub, in seconds: both clients renew after
// about a third of it.
const leaseTTL = 3

// stubServer answers as an etcd member would, with what it has ready.
type stubServer struct {
	etcdserverpb.UnimplementedKVServer
	etcdserverpb.UnimplementedWatchServer
	etcdserverpb.UnimplementedLeaseServer
}

// serveStub serves until in ends. It says its address on the first line of out.
func serveStub(ctx context.Context, in io.Reader, out io.Writer) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	etcdserverpb.RegisterKVServer(server, stubServer{})
	etcdserverpb.RegisterWatchServer(server, stubServer{})
	etcdserverpb.RegisterLeaseServer(server, stubServer{})
	healthpb.RegisterHealthServer(server, health.NewServer()) // clients ask, and grpc-go complains if there is none
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if _, err = fmt.Fprintln(out, l.Addr()); err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	server.Stop()
	return errors.Join(err, <-served)
}

func header(revision int64) *etcdserverpb.ResponseHeader {
	return &etcdserverpb.ResponseHeader{ClusterId: 0xcdf818194e3a8c32, MemberId: 0x8e9e05c52164694d, Revision: revision, RaftTerm: 2}
}

func smallKeyValue(revision int64) *mvccpb.KeyValue {
	return &mvccpb.KeyValue{Key: []byte(smallKey), Value: []byte(smallValue), CreateRevision: 2, ModRevision: revision, Version: 1}
}

// Range answers as if there were a small key.
func (stubServer) Range(context.Context, *etcdserverpb.RangeRequest) (*etcdserverpb.RangeResponse, error) {
	return &etcdserverpb.RangeResponse{Header: header(2), Kvs: []*mvccpb.KeyValue{smallKeyValue(2)}, Count: 1}, nil
}

// Put answers as if it had been done.
func (stubServer) Put(context.Context, *etcdserverpb.PutRequest) (*etcdserverpb.PutResponse, error) {
	return &etcdserverpb.PutResponse{Header: header(3)}, nil
}

// Txn answers as if the condition had held, and a put been done.
func (stubServer) Txn(context.Context, *etcdserverpb.TxnRequest) (*etcdserverpb.TxnResponse, error) {
	put := &etcdserverpb.PutResponse{Header: &etcdserverpb.ResponseHeader{Revision: 3}}
	return &etcdserverpb.TxnResponse{Header: header(3), Succeeded: true, Responses: []*etcdserverpb.ResponseOp{
		{Response: &etcdserverpb.ResponseOp_ResponsePut{ResponsePut: put}},
	}}, nil
}

// watchKey makes a key whose watch has so many events.
func watchKey(events int) string { return strconv.Itoa(events) }

// Watch sends each watch as many events as its key says, one in a response.
func (stubServer) Watch(stream etcdserverpb.Watch_WatchServer) error {
	var mu sync.Mutex
	send := func(reply *etcdserverpb.WatchResponse) error {
		mu.Lock()
		defer mu.Unlock()
		return stream.Send(reply)
	}
	var senders sync.WaitGroup
	defer senders.Wait()
	for next := int64(1); ; {
		request, err := stream.Recv()
		if err != nil {
			return nil // the client has gone
		}
		if c := request.GetCancelRequest(); c != nil {
			if err = send(&etcdserverpb.WatchResponse{Header: header(1), WatchId: c.WatchId, Canceled: true}); err != nil {
				return err
			}
			continue
		}
		create := request.GetCreateRequest()
		if create == nil {
			continue
		}
		events, err := strconv.ParseInt(string(create.Key), 10, 64)
		if err != nil {
			return err
		}
		id := create.WatchId
		if id == 0 {
			id, next = next, next+1
		}
		if err = send(&etcdserverpb.WatchResponse{Header: header(1), WatchId: id, Created: true}); err != nil {
			return err
		}
		senders.Go(func() {
			for revision := int64(2); revision < events+2; revision++ {
				reply := &etcdserverpb.WatchResponse{
					Header: header(revision), WatchId: id, Events: []*mvccpb.Event{{Kv: smallKeyValue(revision)}},
				}
				if send(reply) != nil {
					return // the client has gone
				}
			}
		})
	}
}

// LeaseKeepAlive answers that each lease has been renewed.
func (stubServer) LeaseKeepAlive(stream etcdserverpb.Lease_LeaseKeepAliveServer) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the client has gone
		}
		err = stream.Send(&etcdserverpb.LeaseKeepAliveResponse{Header: header(1), ID: request.ID, TTL: leaseTTL})
		if err != nil {
			return err
		}
	}
}
