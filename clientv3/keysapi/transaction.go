package keysapi

import (
	"context"

	"github.com/coreos/etcd/clientv3"
)

// A transaction is done at once, or not at all.
type transaction struct {
	kind      kind
	guard     []clientv3.Cmp
	then      []clientv3.Op
	otherwise []clientv3.Op

	repeated bool // an attempt before the last may have been done, or may be yet
}

// commit does a transaction.
func (k *keysAPI) commit(ctx context.Context, what kind, guard []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	return k.do(ctx, &transaction{kind: what, guard: guard, then: then, otherwise: otherwise})
}

// do does a transaction. A member that has no leader is to say so, so that another one
// is asked, unless its own state is asked for.
func (k *keysAPI) do(ctx context.Context, t *transaction) (resp *clientv3.TxnResponse, err error) {
	if !t.then[0].IsSerializable() {
		ctx = clientv3.WithRequireLeader(ctx)
	}
	t.repeated, err = k.again(ctx, t.kind, func(ctx context.Context) (err error) {
		resp, err = k.c.Txn(ctx).If(t.guard...).Then(t.then...).Else(t.otherwise...).Commit()
		return err
	})
	if err != nil {
		return nil, err
	}
	k.see(resp.Header.Revision)
	return resp, nil
}
