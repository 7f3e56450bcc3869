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

// commit makes a revision of what has happened since there were that many events.
func (s *store) commit(before int) {
	if len(s.events) == before {
		return
	}
	s.revision++
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *store) put(r *pb.PutRequest) {
	next := s.revision + 1
	kv := &mvccpb.KeyValue{
		Key: r.Key, Value: r.Value, Lease: r.Lease, CreateRevision: next, ModRevision: next, Version: 1,
	}
	if before := s.keys[string(r.Key)]; before != nil {
		kv.CreateRevision, kv.Version = before.CreateRevision, before.Version+1
		if r.IgnoreValue {
			kv.Value = before.Value
		}
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
