package clientv3

import (
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

type opKind int

const (
	opNone opKind = iota
	opGet
	opPut
	opDelete
	opTxn
	opWatch
	opMembers // MemberList has options too
)

func (k opKind) String() string {
	return [...]string{"an empty operation", "a get", "a put", "a delete", "a txn", "a watch", "a member list"}[k]
}

// Op is an operation on keys, to be done by [KV.Do] or within a transaction. A
// wrong one, with an option that it has no use for, is an error of whatever is to
// do it, and is never sent. So is the zero Op, which is no operation.
type Op struct {
	kind  opKind
	given optionSet

	key []byte
	end []byte
	rev int64

	value []byte
	lease LeaseID

	limit        int64
	sort         SortOption
	minModRev    int64
	maxModRev    int64
	minCreateRev int64
	maxCreateRev int64

	txn *txnOp
}

// txnOp is what only a transaction has.
type txnOp struct {
	cmps    []Cmp
	thenOps []Op
	elseOps []Op
}

// NewOp returns the zero Op, for proxies that fill in its bytes.
func NewOp() *Op { return new(Op) }

// OpGet is what [KV.Get] does.
func OpGet(key string, opts ...OpOption) Op { return newOp(opGet, []byte(key), opts) }

// OpPut is what [KV.Put] does.
func OpPut(key, val string, opts ...OpOption) Op {
	both := make([]byte, len(key)+len(val)) // in one allocation
	cut := copy(both, key)
	copy(both[cut:], val)
	op := newOp(opPut, both[:cut:cut], opts)
	op.value = both[cut:]
	return op
}

// OpDelete is what [KV.Delete] does.
func OpDelete(key string, opts ...OpOption) Op { return newOp(opDelete, []byte(key), opts) }

// OpTxn is a transaction, to be done by [KV.Do] or within another one: if all of
// cmps hold, thenOps are done, and elseOps otherwise.
func OpTxn(cmps []Cmp, thenOps []Op, elseOps []Op) Op {
	return Op{kind: opTxn, txn: &txnOp{cmps, thenOps, elseOps}}
}

// OpWatch is what [Watcher.Watch] does. It is of no use to [KV.Do].
func OpWatch(key string, opts ...OpOption) Op { return newOp(opWatch, []byte(key), opts) }

func newOp(kind opKind, key []byte, opts []OpOption) Op {
	if len(opts) == 0 {
		return Op{kind: kind, key: key} // without options it need not be on the heap
	}
	op := Op{kind: kind, key: key}
	for _, opt := range opts {
		opt(&op)
	}
	return op
}

// check returns what is wrong with op, if anything.
func (op *Op) check() error {
	switch {
	case op.kind == opNone:
		return errors.New("clientv3: an empty operation")
	case op.kind == opTxn:
		return op.checkTxn()
	case op.given&^allowedOptions(op.kind) != 0:
		return fmt.Errorf("clientv3: %s has no use for %s", op.kind, op.given&^allowedOptions(op.kind))
	case op.has(withPrefix) && op.has(withFromKey):
		return errors.New("clientv3: WithPrefix and WithFromKey exclude each other")
	case len(op.key) == 0 && op.kind != opWatch && op.kind != opMembers:
		return rpctypes.ErrEmptyKey
	case op.has(withIgnoreValue) && len(op.value) > 0:
		return rpctypes.ErrValueProvided
	case op.has(withIgnoreLease) && op.lease != NoLease:
		return rpctypes.ErrLeaseProvided
	case op.has(withSort) && !op.IsSortOptionValid():
		return rpctypes.ErrInvalidSortOption
	}
	return nil
}

func (op *Op) checkTxn() error {
	for i := range op.txn.cmps {
		if err := op.txn.cmps[i].check(); err != nil {
			return err
		}
	}
	for _, ops := range [][]Op{op.txn.thenOps, op.txn.elseOps} {
		for i := range ops {
			if ops[i].kind == opWatch {
				return errors.New("clientv3: a watch within a txn")
			}
			if err := ops[i].check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// effect tells whether op may be done twice.
func (op *Op) effect() effect {
	switch op.kind {
	case opGet:
		return reads
	case opTxn:
		for _, ops := range [][]Op{op.txn.thenOps, op.txn.elseOps} {
			for i := range ops {
				if ops[i].effect() == writes {
					return writes
				}
			}
		}
		return reads
	default:
		return writes
	}
}

func (op *Op) rangeRequest() *pb.RangeRequest {
	order := pb.RangeRequest_SortOrder(op.sort.Order)
	if op.sort == (SortOption{Target: SortByKey, Order: SortAscend}) {
		order = pb.RangeRequest_NONE // the store has its keys in that order
	}
	return &pb.RangeRequest{
		Key:               op.key,
		RangeEnd:          op.end,
		Limit:             op.limit,
		Revision:          op.rev,
		SortOrder:         order,
		SortTarget:        pb.RangeRequest_SortTarget(op.sort.Target),
		Serializable:      op.has(withSerializable),
		KeysOnly:          op.has(withKeysOnly),
		CountOnly:         op.has(withCountOnly),
		MinModRevision:    op.minModRev,
		MaxModRevision:    op.maxModRev,
		MinCreateRevision: op.minCreateRev,
		MaxCreateRevision: op.maxCreateRev,
	}
}

func (op *Op) putRequest() *pb.PutRequest {
	return &pb.PutRequest{
		Key:         op.key,
		Value:       op.value,
		Lease:       int64(op.lease),
		PrevKv:      op.has(withPrevKV),
		IgnoreValue: op.has(withIgnoreValue),
		IgnoreLease: op.has(withIgnoreLease),
	}
}

func (op *Op) deleteRequest() *pb.DeleteRangeRequest {
	return &pb.DeleteRangeRequest{Key: op.key, RangeEnd: op.end, PrevKv: op.has(withPrevKV)}
}

func (op *Op) txnRequest() *pb.TxnRequest {
	request := &pb.TxnRequest{
		Compare: make([]*pb.Compare, len(op.txn.cmps)),
		Success: requestOps(op.txn.thenOps),
		Failure: requestOps(op.txn.elseOps),
	}
	for i := range op.txn.cmps {
		request.Compare[i] = op.txn.cmps[i].request()
	}
	return request
}

func requestOps(ops []Op) []*pb.RequestOp {
	requests := make([]*pb.RequestOp, len(ops))
	for i := range ops {
		requests[i] = ops[i].requestOp()
	}
	return requests
}

// requestOp is op as a part of a transaction.
func (op *Op) requestOp() *pb.RequestOp {
	switch op.kind {
	case opGet:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: op.rangeRequest()}}
	case opPut:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: op.putRequest()}}
	case opDelete:
		return &pb.RequestOp{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: op.deleteRequest()}}
	default: // check lets nothing else pass
		return &pb.RequestOp{Request: &pb.RequestOp_RequestTxn{RequestTxn: op.txnRequest()}}
	}
}
