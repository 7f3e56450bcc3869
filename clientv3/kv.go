package clientv3

import (
	"context"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// CompactResponse is what [KV.Compact] returns.
type CompactResponse pb.CompactionResponse

// PutResponse is what [KV.Put] returns. PrevKv is set if there was a key and
// [WithPrevKV] asked for it.
type PutResponse pb.PutResponse

// GetResponse is what [KV.Get] returns. Count is how many keys there are, also
// where [WithLimit] or [WithCountOnly] left some out of Kvs.
type GetResponse pb.RangeResponse

// DeleteResponse is what [KV.Delete] returns. Deleted is how many keys there were;
// PrevKvs are they if [WithPrevKV] asked for them.
type DeleteResponse pb.DeleteRangeResponse

// TxnResponse is what [Txn.Commit] returns. Responses are those of Then if
// Succeeded, else those of Else, one for each operation and in their order.
type TxnResponse pb.TxnResponse

// KV reads and writes keys. Keys and values are any bytes.
//
// Get, and whatever only reads, is repeated on another endpoint when one fails.
// The others are repeated only when they had no effect; see the package's
// comment, also on errors.
type KV interface {
	// Put sets key to val and returns the revision of that in the header.
	// WithPrevKV, WithLease, WithIgnoreValue and WithIgnoreLease apply.
	Put(ctx context.Context, key, val string, opts ...OpOption) (*PutResponse, error)

	// Get returns key, or with WithPrefix, WithRange or WithFromKey several keys,
	// in the order of the keys unless there is WithSort. That there are none is no
	// error. It is linearizable unless there is WithSerializable.
	Get(ctx context.Context, key string, opts ...OpOption) (*GetResponse, error)

	// Delete deletes key, or with WithPrefix, WithRange or WithFromKey several
	// keys, and returns how many there were.
	Delete(ctx context.Context, key string, opts ...OpOption) (*DeleteResponse, error)

	// Compact drops the history before rev: gets and watches of what was before
	// fail with rpctypes.ErrCompacted, and so does a second Compact up to rev.
	Compact(ctx context.Context, rev int64, opts ...CompactOption) (*CompactResponse, error)

	// Do does op.
	Do(ctx context.Context, op Op) (OpResponse, error)

	// Txn begins a transaction. Nothing is sent before its Commit.
	Txn(ctx context.Context) Txn
}

// CompactOp is what [KV.Compact] asks for.
type CompactOp struct {
	rev      int64
	physical bool
}

// CompactOption changes a compaction.
type CompactOption func(*CompactOp)

// OpCompact is what [KV.Compact] asks for with these arguments.
func OpCompact(rev int64, opts ...CompactOption) CompactOp {
	op := CompactOp{rev: rev}
	for _, opt := range opts {
		opt(&op)
	}
	return op
}

// WithCompactPhysical makes Compact wait until the endpoint has removed what was
// compacted from its database.
func WithCompactPhysical() CompactOption { return func(op *CompactOp) { op.physical = true } }

// OpResponse is what came of an [Op]: one of its methods returns other than nil.
type OpResponse struct {
	put *PutResponse
	get *GetResponse
	del *DeleteResponse
	txn *TxnResponse
}

// Put returns what came of a put, or nil.
func (op OpResponse) Put() *PutResponse { return op.put }

// Get returns what came of a get, or nil.
func (op OpResponse) Get() *GetResponse { return op.get }

// Del returns what came of a delete, or nil.
func (op OpResponse) Del() *DeleteResponse { return op.del }

// Txn returns what came of a transaction, or nil.
func (op OpResponse) Txn() *TxnResponse { return op.txn }

// OpResponse returns resp as what [KV.Do] would.
func (resp *PutResponse) OpResponse() OpResponse { return OpResponse{put: resp} }

// OpResponse returns resp as what [KV.Do] would.
func (resp *GetResponse) OpResponse() OpResponse { return OpResponse{get: resp} }

// OpResponse returns resp as what [KV.Do] would.
func (resp *DeleteResponse) OpResponse() OpResponse { return OpResponse{del: resp} }

// OpResponse returns resp as what [KV.Do] would.
func (resp *TxnResponse) OpResponse() OpResponse { return OpResponse{txn: resp} }

type kv struct{ c *Client }

// NewKV returns the KV calls of c alone, also where c.KV was replaced.
func NewKV(c *Client) KV { return &kv{c} }

func (k *kv) Put(ctx context.Context, key, val string, opts ...OpOption) (*PutResponse, error) {
	op := OpPut(key, val, opts...)
	if err := op.check(); err != nil {
		return nil, err
	}
	return k.put(ctx, &op)
}

func (k *kv) Get(ctx context.Context, key string, opts ...OpOption) (*GetResponse, error) {
	op := OpGet(key, opts...)
	if err := op.check(); err != nil {
		return nil, err
	}
	return k.get(ctx, &op)
}

func (k *kv) Delete(ctx context.Context, key string, opts ...OpOption) (*DeleteResponse, error) {
	op := OpDelete(key, opts...)
	if err := op.check(); err != nil {
		return nil, err
	}
	return k.delete(ctx, &op)
}

func (k *kv) Compact(ctx context.Context, rev int64, opts ...CompactOption) (*CompactResponse, error) {
	op := OpCompact(rev, opts...)
	request := &pb.CompactionRequest{Revision: op.rev, Physical: op.physical}
	reply, err := send[pb.CompactionResponse](ctx, &k.c.caller, pb.KV_Compact_FullMethodName, request, writes)
	return (*CompactResponse)(reply), err
}

func (k *kv) Txn(ctx context.Context) Txn { return &txn{kv: k, ctx: ctx} }

func (k *kv) Do(ctx context.Context, op Op) (OpResponse, error) {
	if err := op.check(); err != nil {
		return OpResponse{}, err
	}
	var response OpResponse
	var err error
	switch op.kind {
	case opGet:
		response.get, err = k.get(ctx, &op)
	case opPut:
		response.put, err = k.put(ctx, &op)
	case opDelete:
		response.del, err = k.delete(ctx, &op)
	case opTxn:
		response.txn, err = k.commit(ctx, &op)
	default:
		err = fmt.Errorf("clientv3: Do of %s", op.kind)
	}
	return response, err
}

func (k *kv) get(ctx context.Context, op *Op) (*GetResponse, error) {
	reply, err := send[pb.RangeResponse](ctx, &k.c.caller, pb.KV_Range_FullMethodName, op.rangeRequest(), reads)
	return (*GetResponse)(reply), err
}

func (k *kv) put(ctx context.Context, op *Op) (*PutResponse, error) {
	reply, err := send[pb.PutResponse](ctx, &k.c.caller, pb.KV_Put_FullMethodName, op.putRequest(), writes)
	return (*PutResponse)(reply), err
}

func (k *kv) delete(ctx context.Context, op *Op) (*DeleteResponse, error) {
	reply, err := send[pb.DeleteRangeResponse](ctx, &k.c.caller, pb.KV_DeleteRange_FullMethodName, op.deleteRequest(), writes)
	return (*DeleteResponse)(reply), err
}

func (k *kv) commit(ctx context.Context, op *Op) (*TxnResponse, error) {
	reply, err := send[pb.TxnResponse](ctx, &k.c.caller, pb.KV_Txn_FullMethodName, op.txnRequest(), op.effect())
	return (*TxnResponse)(reply), err
}
