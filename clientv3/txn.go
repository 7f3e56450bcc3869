package clientv3

import "context"

// Txn is a transaction: its operations are done at once, or not at all.
//
//	resp, err := cli.Txn(ctx).
//		If(clientv3.Compare(clientv3.Version("lock"), "=", 0)).
//		Then(clientv3.OpPut("lock", "mine")).
//		Else(clientv3.OpGet("lock")).
//		Commit()
//
// If, Then and Else come in that order, each at most once; any other panics. A
// Txn is of one goroutine, and of one Commit.
type Txn interface {
	// If takes the conditions that must all hold for Then. Without any, Then it is.
	If(cs ...Cmp) Txn

	// Then takes what is done if the conditions hold.
	Then(ops ...Op) Txn

	// Else takes what is done if one of the conditions does not hold.
	Else(ops ...Op) Txn

	// Commit sends the transaction; the response tells in Succeeded which of Then
	// and Else was done. If there is a put or a delete in either, it is repeated
	// only when it had no effect.
	Commit() (*TxnResponse, error)
}

type txn struct {
	kv  *kv
	ctx context.Context
	txnOp
	ifDone, thenDone, elseDone bool
}

func (t *txn) If(cs ...Cmp) Txn {
	switch {
	case t.ifDone:
		panic("clientv3: Txn.If twice")
	case t.thenDone:
		panic("clientv3: Txn.If after Then")
	case t.elseDone:
		panic("clientv3: Txn.If after Else")
	}
	t.ifDone = true
	t.cmps = cs
	return t
}

func (t *txn) Then(ops ...Op) Txn {
	switch {
	case t.thenDone:
		panic("clientv3: Txn.Then twice")
	case t.elseDone:
		panic("clientv3: Txn.Then after Else")
	}
	t.thenDone = true
	t.thenOps = ops
	return t
}

func (t *txn) Else(ops ...Op) Txn {
	if t.elseDone {
		panic("clientv3: Txn.Else twice")
	}
	t.elseDone = true
	t.elseOps = ops
	return t
}

func (t *txn) Commit() (*TxnResponse, error) {
	op := Op{kind: opTxn, txn: &t.txnOp}
	if err := op.check(); err != nil {
		return nil, err
	}
	return t.kv.commit(t.ctx, &op)
}
