package fakeetcd

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
)

type lease struct {
	ttl   int64
	end   time.Time
	timer *time.Timer // ends it
}

func (l *lease) life() time.Duration { return time.Duration(l.ttl) * time.Second }

// LeaseGrant implements the Lease service.
func (s *Server) LeaseGrant(_ context.Context, r *pb.LeaseGrantRequest) (*pb.LeaseGrantResponse, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if s.store.leases[r.ID] != nil {
		return nil, rpctypes.ErrGRPCDuplicateKey
	}
	granted := &lease{ttl: r.TTL}
	granted.end = time.Now().Add(granted.life())
	granted.timer = time.AfterFunc(granted.life(), func() { s.store.endLease(r.ID) })
	s.store.leases[r.ID] = granted
	return &pb.LeaseGrantResponse{Header: s.store.header(), ID: r.ID, TTL: r.TTL}, nil
}

// LeaseRevoke implements the Lease service.
func (s *Server) LeaseRevoke(_ context.Context, r *pb.LeaseRevokeRequest) (*pb.LeaseRevokeResponse, error) {
	if !s.store.endLease(r.ID) {
		return nil, rpctypes.ErrGRPCLeaseNotFound
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	return &pb.LeaseRevokeResponse{Header: s.store.header()}, nil
}

// LeaseTimeToLive implements the Lease service.
func (s *Server) LeaseTimeToLive(_ context.Context, r *pb.LeaseTimeToLiveRequest) (*pb.LeaseTimeToLiveResponse, error) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	reply := &pb.LeaseTimeToLiveResponse{Header: s.store.header(), ID: r.ID, TTL: -1}
	if asked := s.store.leases[r.ID]; asked != nil {
		reply.GrantedTTL, reply.TTL = asked.ttl, int64(time.Until(asked.end)/time.Second)
	}
	return reply, nil
}

// LeaseKeepAlive implements the Lease service.
func (s *Server) LeaseKeepAlive(stream grpc.BidiStreamingServer[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		if s.mute.Load() {
			continue
		}
		if err := stream.Send(s.store.renew(request.ID)); err != nil {
			return err
		}
	}
}

func (s *store) renew(id int64) *pb.LeaseKeepAliveResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := &pb.LeaseKeepAliveResponse{Header: s.header(), ID: id}
	if renewed := s.leases[id]; renewed != nil {
		renewed.end = time.Now().Add(renewed.life())
		renewed.timer.Reset(renewed.life())
		reply.TTL = renewed.ttl
	}
	return reply
}

// endLease is false if there is no such lease.
func (s *store) endLease(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := s.leases[id]
	if ended == nil {
		return false
	}
	ended.timer.Stop()
	delete(s.leases, id)
	events := len(s.events)
	for _, kv := range s.matching(0, []byte{0}, []byte{0}) {
		if kv.Lease == id {
			s.delete(kv)
		}
	}
	s.commit(events)
	return true
}

func (s *store) endLeases() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, left := range s.leases {
		left.timer.Stop()
	}
}
