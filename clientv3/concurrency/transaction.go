package concurrency

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	v3 "github.com/coreos/etcd/clientv3"
)

// errConflict means that an attempt has written nothing and another may succeed.
var errConflict = errors.New("concurrency: others have changed what the transaction has read")

// maxReads is how many keys are read by one request. Servers take 128 operations,
// unless they are told otherwise (--max-txn-ops).
const maxReads = 128

// transaction is an [STM].
type transaction struct {
	kv        v3.KV
	ctx       context.Context
	isolation Isolation
	prefetch  []string

	// Of one attempt.
	reads    map[string]*mvccpb.KeyValue // nil for no key
	order    []string                    // the keys of reads
	revision int64                       // of the first read, 0 before it
	writes   map[string]v3.Op
	written  []string          // the keys of writes
	values   map[string]string // what Get sees of writes
	failure  error             // of a read
}

// abort carries an error out of the function of the user.
type abort struct{ err error }

func (t *transaction) begin() {
	t.reads, t.order, t.revision = make(map[string]*mvccpb.KeyValue), nil, 0
	t.writes, t.written, t.values = make(map[string]v3.Op), nil, make(map[string]string)
	t.failure = nil
}

// attempt is errConflict if it is to be done again.
func (t *transaction) attempt(apply func(STM) error) (*v3.TxnResponse, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	t.begin()
	if err := t.apply(apply); err != nil {
		return nil, err
	}
	return t.commit()
}

// apply calls the function of the user. Panics that are not of Get go on.
func (t *transaction) apply(apply func(STM) error) (err error) {
	defer func() {
		switch reason := recover().(type) {
		case nil:
		case abort:
			err = reason.err
		default:
			panic(reason)
		}
	}()
	if len(t.prefetch) > 0 {
		t.fetch(t.prefetch)
	}
	err = apply(t)
	if t.failure != nil {
		return t.failure // also where the user has recovered
	}
	return err
}

// fail ends the attempt from within the function of the user.
func (t *transaction) fail(err error) {
	t.failure = err
	panic(abort{err})
}

// Get implements [STM].
func (t *transaction) Get(key ...string) string {
	if len(key) == 0 {
		return ""
	}
	t.fetch(slices.DeleteFunc(slices.Clone(key), func(k string) bool { _, own := t.writes[k]; return own }))
	if _, own := t.writes[key[0]]; own {
		return t.values[key[0]]
	}
	return string(t.reads[key[0]].GetValue())
}

// Put implements [STM].
func (t *transaction) Put(key, val string, opts ...v3.OpOption) {
	t.write(key, val, v3.OpPut(key, val, opts...))
}

// Del implements [STM].
func (t *transaction) Del(key string) { t.write(key, "", v3.OpDelete(key)) }

func (t *transaction) write(key, val string, op v3.Op) {
	if _, again := t.writes[key]; !again {
		t.written = append(t.written, key)
	}
	t.writes[key], t.values[key] = op, val
}

// Rev implements [STM].
func (t *transaction) Rev(key string) int64 {
	t.fetch([]string{key})
	return t.reads[key].GetModRevision()
}

// fetch reads those of the keys that were not read before.
func (t *transaction) fetch(keys []string) {
	var missing []string
	for _, key := range keys {
		if _, known := t.reads[key]; !known && !slices.Contains(missing, key) {
			missing = append(missing, key)
		}
	}
	for part := range slices.Chunk(missing, maxReads) {
		response, err := t.kv.Txn(t.ctx).Then(t.gets(part)...).Commit()
		if errors.Is(err, rpctypes.ErrCompacted) {
			t.fail(errConflict) // another attempt reads at a later revision
		}
		if err != nil {
			t.fail(err)
		}
		t.note(part, response.Header.Revision, response.Responses)
	}
}

func (t *transaction) gets(keys []string) []v3.Op {
	var opts []v3.OpOption
	if t.revision != 0 && t.isolation <= Serializable {
		opts = append(opts, v3.WithRev(t.revision))
	}
	gets := make([]v3.Op, len(keys))
	for i, key := range keys {
		gets[i] = v3.OpGet(key, opts...)
	}
	return gets
}

func (t *transaction) note(keys []string, revision int64, responses []*pb.ResponseOp) {
	if t.revision == 0 {
		t.revision = revision
	}
	for i, key := range keys {
		t.order = append(t.order, key)
		t.reads[key] = first(responses[i].GetResponseRange().Kvs)
	}
}

// conditions are those by which the commit does not conflict with others.
func (t *transaction) conditions() []v3.Cmp {
	var conditions []v3.Cmp
	if t.isolation == ReadCommitted {
		return nil
	}
	for _, key := range t.order {
		conditions = append(conditions, v3.Compare(v3.ModRevision(key), "=", t.reads[key].GetModRevision()))
	}
	if t.isolation == SerializableSnapshot && t.revision != 0 {
		for _, key := range t.written {
			if _, read := t.reads[key]; !read {
				conditions = append(conditions, v3.Compare(v3.ModRevision(key), "<", t.revision+1))
			}
		}
	}
	return conditions
}

// commit sends the transaction once.
func (t *transaction) commit() (*v3.TxnResponse, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	ops := make([]v3.Op, len(t.written))
	for i, key := range t.written {
		ops[i] = t.writes[key]
	}
	response, err := t.kv.Txn(t.ctx).If(t.conditions()...).Then(ops...).Commit()
	switch {
	case err == nil && response.Succeeded:
		return response, nil
	case err == nil:
		return nil, errConflict
	case len(ops) > 0 && isUndecided(err):
		return nil, fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	default:
		return nil, err
	}
}
