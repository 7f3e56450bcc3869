package fakeetcd

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"sync"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// store has the keys and what has happened to them.
type store struct {
	mu        sync.Mutex // guards the fields below
	revision  int64
	compacted int64
	keys      map[string]*mvccpb.KeyValue
	events    []*mvccpb.Event
	changed   chan struct{} // closed with each change
	leases    map[int64]*lease
}

func newStore() *store {
	return &store{
		revision: 1,
		keys:     make(map[string]*mvccpb.KeyValue),
		changed:  make(chan struct{}),
		leases:   make(map[int64]*lease),
	}
}

// All below that do not take mu need it held.

func (s *store) header() *pb.ResponseHeader { return &pb.ResponseHeader{Revision: s.revision} }

func inRange(key, from, to []byte) bool {
	switch {
	case len(to) == 0:
		return bytes.Equal(key, from)
	case bytes.Equal(to, []byte{0}):
		return bytes.Compare(key, from) >= 0
	default:
		return bytes.Compare(key, from) >= 0 && bytes.Compare(key, to) < 0
	}
}

// at gives the keys as they were at a revision.
func (s *store) at(revision int64) map[string]*mvccpb.KeyValue {
	if revision == 0 {
		return s.keys
	}
	keys := make(map[string]*mvccpb.KeyValue)
	for _, event := range s.events {
		if event.Kv.ModRevision > revision {
			break
		}
		if event.Type == mvccpb.Event_DELETE {
			delete(keys, string(event.Kv.Key))
		} else {
			keys[string(event.Kv.Key)] = event.Kv
		}
	}
	return keys
}

func (s *store) matching(revision int64, from, to []byte) []*mvccpb.KeyValue {
	keys := s.at(revision)
	var found []*mvccpb.KeyValue
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if inRange([]byte(key), from, to) {
			found = append(found, keys[key])
		}
	}
	return found
}

func (s *store) read(r *pb.RangeRequest) (*pb.RangeResponse, error) {
	if r.Revision > s.revision {
		return nil, rpctypes.ErrGRPCFutureRev
	}
	if r.Revision > 0 && r.Revision < s.compacted {
		return nil, rpctypes.ErrGRPCCompacted
	}
	found := s.matching(r.Revision, r.Key, r.RangeEnd)
	reply := &pb.RangeResponse{Header: s.header(), Count: int64(len(found))}
	if r.CountOnly {
		return reply, nil
	}
	if r.MaxCreateRevision > 0 {
		found = slices.DeleteFunc(found, func(kv *mvccpb.KeyValue) bool { return kv.CreateRevision > r.MaxCreateRevision })
	}
	if r.SortTarget == pb.RangeRequest_CREATE && r.SortOrder != pb.RangeRequest_NONE {
		slices.SortStableFunc(found, func(a, b *mvccpb.KeyValue) int { return cmp.Compare(a.CreateRevision, b.CreateRevision) })
	}
	if r.SortOrder == pb.RangeRequest_DESCEND {
		slices.Reverse(found)
	}
	if r.Limit > 0 && int64(len(found)) > r.Limit {
		found, reply.More = found[:r.Limit], true
	}
	reply.Kvs = found
	return reply, nil
}

func (s *store) txn(r *pb.TxnRequest) (*pb.TxnResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := &pb.TxnResponse{Succeeded: true}
	for _, compare := range r.Compare {
		reply.Succeeded = reply.Succeeded && s.holds(compare)
	}
	ops := r.Failure
	if reply.Succeeded {
		ops = r.Success
	}
	for _, op := range ops {
		if put := op.GetRequestPut(); put != nil && put.Lease != 0 && s.leases[put.Lease] == nil {
			return nil, rpctypes.ErrGRPCLeaseNotFound
		}
	}
	events := len(s.events)
	for _, op := range ops {
		response, err := s.do(op)
		if err != nil {
			return nil, err
		}
		reply.Responses = append(reply.Responses, response)
	}
	s.commit(events)
	reply.Header = s.header()
	return reply, nil
}

// commit makes a revision of what has happened since there were that many events.
func (s *store) commit(before int) {
	if len(s.events) == before {
		return
	}
	s.revision++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) holds(c *pb.Compare) bool {
	found := s.matching(0, c.Key, c.RangeEnd)
	if len(found) == 0 {
		if c.Target == pb.Compare_VALUE {
			return false
		}
		found = []*mvccpb.KeyValue{{}}
	}
	return !slices.ContainsFunc(found, func(kv *mvccpb.KeyValue) bool { return !holdsFor(c, kv) })
}

func holdsFor(c *pb.Compare, kv *mvccpb.KeyValue) bool {
	var order int
	switch c.Target {
	case pb.Compare_VERSION:
		order = cmp.Compare(kv.Version, c.GetVersion())
	case pb.Compare_CREATE:
		order = cmp.Compare(kv.CreateRevision, c.GetCreateRevision())
	case pb.Compare_MOD:
		order = cmp.Compare(kv.ModRevision, c.GetModRevision())
	case pb.Compare_VALUE:
		order = bytes.Compare(kv.Value, c.GetValue())
	case pb.Compare_LEASE:
		order = cmp.Compare(kv.Lease, c.GetLease())
	}
	switch c.Result {
	case pb.Compare_EQUAL:
		return order == 0
	case pb.Compare_GREATER:
		return order > 0
	case pb.Compare_LESS:
		return order < 0
	default:
		return order != 0
	}
}

func (s *store) do(op *pb.RequestOp) (*pb.ResponseOp, error) {
	if get := op.GetRequestRange(); get != nil {
		reply, err := s.read(get)
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: reply}}, err
	}
	if put := op.GetRequestPut(); put != nil {
		s.put(put)
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}}, nil
	}
	r := op.GetRequestDeleteRange()
	deleted := s.matching(0, r.Key, r.RangeEnd)
	for _, kv := range deleted {
		s.delete(kv)
	}
	reply := &pb.DeleteRangeResponse{Deleted: int64(len(deleted))}
	return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: reply}}, nil
}

func (s *store) put(r *pb.PutRequest) {
	next := s.revision + 1
	kv := &mvccpb.KeyValue{
		Key: r.Key, Value: r.Value, Lease: r.Lease, CreateRevision: next, ModRevision: next, Version: 1,
	}
	if before := s.keys[string(r.Key)]; before != nil {
		kv.CreateRevision, kv.Version = before.CreateRevision, before.Version+1
	}
	s.keys[string(r.Key)] = kv
	s.events = append(s.events, &mvccpb.Event{Type: mvccpb.Event_PUT, Kv: kv})
}

func (s *store) delete(kv *mvccpb.KeyValue) {
	delete(s.keys, string(kv.Key))
	s.events = append(s.events, &mvccpb.Event{
		Type: mvccpb.Event_DELETE,
		Kv:   &mvccpb.KeyValue{Key: kv.Key, ModRevision: s.revision + 1},
	})
}

func (s *store) compact(revision int64) (*pb.CompactionResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compacted = revision
	return &pb.CompactionResponse{Header: s.header()}, nil
}
