package fakeetcd

import (
	"bytes"
	"cmp"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// A branch is what of a transaction is done. As in etcd, all conditions see the store
// as it was before, those of transactions in it too.
type branch struct {
	succeeded bool
	ops       []*pb.RequestOp
	inner     []*branch // of each of ops; nil but for transactions
}

func (s *store) branchOf(r *pb.TxnRequest) *branch {
	b := &branch{succeeded: !slices.ContainsFunc(r.Compare, func(c *pb.Compare) bool { return !s.holds(c) }), ops: r.Failure}
	if b.succeeded {
		b.ops = r.Success
	}
	b.inner = make([]*branch, len(b.ops))
	for i, op := range b.ops {
		if nested := op.GetRequestTxn(); nested != nil {
			b.inner[i] = s.branchOf(nested)
		}
	}
	return b
}

// lacksLease reports whether a put is to be attached to a lease that is not there.
func (s *store) lacksLease(b *branch) bool {
	for i, op := range b.ops {
		if put := op.GetRequestPut(); put != nil && put.Lease != 0 && s.leases[put.Lease] == nil {
			return true
		}
		if b.inner[i] != nil && s.lacksLease(b.inner[i]) {
			return true
		}
	}
	return false
}

func (s *store) txn(r *pb.TxnRequest) (*pb.TxnResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen := s.branchOf(r)
	if s.lacksLease(chosen) {
		return nil, rpctypes.ErrGRPCLeaseNotFound
	}
	events := len(s.events)
	reply, err := s.doAll(chosen)
	if err != nil {
		return nil, err
	}
	s.commit(events)
	reply.Header = s.header()
	return reply, nil
}

func (s *store) doAll(b *branch) (*pb.TxnResponse, error) {
	reply := &pb.TxnResponse{Succeeded: b.succeeded}
	for i, op := range b.ops {
		response, err := s.do(op, b.inner[i])
		if err != nil {
			return nil, err
		}
		reply.Responses = append(reply.Responses, response)
	}
	return reply, nil
}

func (s *store) do(op *pb.RequestOp, inner *branch) (*pb.ResponseOp, error) {
	if inner != nil {
		reply, err := s.doAll(inner)
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseTxn{ResponseTxn: reply}}, err
	}
	if get := op.GetRequestRange(); get != nil {
		reply, err := s.read(get)
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: reply}}, err
	}
	if put := op.GetRequestPut(); put != nil {
		reply := &pb.PutResponse{}
		if put.PrevKv {
			reply.PrevKv = s.keys[string(put.Key)]
		}
		s.put(put)
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: reply}}, nil
	}
	r := op.GetRequestDeleteRange()
	deleted := s.matching(0, r.Key, r.RangeEnd)
	for _, kv := range deleted {
		s.delete(kv)
	}
	reply := &pb.DeleteRangeResponse{Deleted: int64(len(deleted))}
	if r.PrevKv {
		reply.PrevKvs = deleted
	}
	return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseDeleteRange{ResponseDeleteRange: reply}}, nil
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
