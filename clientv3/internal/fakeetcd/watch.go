package fakeetcd

import (
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
)

type watchServer = grpc.BidiStreamingServer[pb.WatchRequest, pb.WatchResponse]

type watch struct {
	*pb.WatchCreateRequest
	next int64
}

// Watch implements the Watch service.
func (s *Server) Watch(stream watchServer) error {
	requests := make(chan *pb.WatchRequest)
	var receiving sync.WaitGroup
	defer receiving.Wait()
	receiving.Go(func() {
		defer close(requests)
		for {
			request, err := stream.Recv()
			if err != nil {
				return
			}
			select {
			case requests <- request:
			case <-stream.Context().Done():
				return
			}
		}
	})
	watches := make(map[int64]*watch)
	for {
		replies, changed := s.store.news(watches)
		for _, reply := range replies {
			if err := stream.Send(reply); err != nil {
				return err
			}
		}
		select {
		case request, open := <-requests:
			if !open {
				return nil
			}
			if err := stream.Send(s.store.note(watches, request)); err != nil {
				return err
			}
		case <-changed:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// note gives the answer to a request.
func (s *store) note(watches map[int64]*watch, request *pb.WatchRequest) *pb.WatchResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := request.GetCancelRequest(); cancel != nil {
		delete(watches, cancel.WatchId)
		return &pb.WatchResponse{Header: s.header(), WatchId: cancel.WatchId, Canceled: true}
	}
	create := request.GetCreateRequest()
	if create == nil {
		return &pb.WatchResponse{Header: s.header(), WatchId: -1} // progress
	}
	next := create.StartRevision
	if next == 0 {
		next = s.revision + 1
	}
	watches[create.WatchId] = &watch{create, next}
	return &pb.WatchResponse{Header: s.header(), WatchId: create.WatchId, Created: true}
}

// news gives what the watches were not told yet, and what is closed when there is
// more.
func (s *store) news(watches map[int64]*watch) ([]*pb.WatchResponse, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var replies []*pb.WatchResponse
	for id, one := range watches {
		reply := &pb.WatchResponse{Header: s.header(), WatchId: id}
		if one.next < s.compacted {
			reply.Canceled, reply.CompactRevision = true, s.compacted
			delete(watches, id)
			replies = append(replies, reply)
			continue
		}
		for _, event := range s.events {
			if event.Kv.ModRevision >= one.next && one.wants(event) {
				reply.Events = append(reply.Events, event)
			}
		}
		one.next = s.revision + 1
		if len(reply.Events) > 0 {
			replies = append(replies, reply)
		}
	}
	return replies, s.changed
}

func (w *watch) wants(event *mvccpb.Event) bool {
	for _, filter := range w.Filters {
		if int(filter) == int(event.Type) {
			return false
		}
	}
	return inRange(event.Kv.Key, w.Key, w.RangeEnd)
}
