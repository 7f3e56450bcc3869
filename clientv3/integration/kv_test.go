package integration

import (
	"context"
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

// A row is one call and what is to come of it, after the rows before it.
type row struct {
	op   clientv3.Op
	want string
	err  error
}

// run does the row's call by the method for it and returns what came of it.
func (r row) run(ctx context.Context, cli *clientv3.Client) (string, error) {
	resp, err := cli.Do(ctx, r.op)
	if err != nil {
		return "", err
	}
	return told(resp), nil
}

func runRows(s story, cli *clientv3.Client, rows []row) {
	s.Helper()
	for i, r := range rows {
		got, err := r.run(s.ctx, cli)
		if !errors.Is(err, r.err) || got != r.want {
			s.Errorf("row %d: %q is %q, %v; want %q, %v", i, r.op.KeyBytes(), got, err, r.want, r.err)
		}
	}
}

// The revisions below count from 1, that of an empty store.
func TestKV(t *testing.T) {
	put, get, del := clientv3.OpPut, clientv3.OpGet, clientv3.OpDelete
	onEach(t, harness.Options{}, func(s story) {
		runRows(s, s.client(), []row{
			{op: put("a", "1"), want: "put"}, // 2
			{op: put("a", "3", clientv3.WithPrevKV()), want: "put, was a=1"},
			{op: put("b", "2"), want: "put"}, // 4
			{op: put("b", "", clientv3.WithIgnoreValue(), clientv3.WithPrevKV()), want: "put, was b=2"},
			{op: put("b", "2", clientv3.WithIgnoreLease()), want: "put"}, // 6
			{op: put("c", "1"), want: "put"},
			{op: put("none", "", clientv3.WithIgnoreValue()), err: rpctypes.ErrKeyNotFound},
			{op: put("none", "", clientv3.WithIgnoreLease()), err: rpctypes.ErrKeyNotFound},
			{op: put("a", "4", clientv3.WithIgnoreValue()), err: rpctypes.ErrValueProvided},
			{op: put("a", "4", clientv3.WithIgnoreLease(), clientv3.WithLease(1)), err: rpctypes.ErrLeaseProvided},
			{op: put("a", "4", clientv3.WithLease(12345)), err: rpctypes.ErrLeaseNotFound},
			{op: put("", "1"), err: rpctypes.ErrEmptyKey},

			{op: get("a"), want: "a=3"},
			{op: get("none"), want: ""},
			{op: get("a", clientv3.WithSerializable()), want: "a=3"},
			{op: get("a", clientv3.WithRev(2)), want: "a=1"},
			{op: get("a", clientv3.WithRev(99)), err: rpctypes.ErrFutureRev},
			{op: get("a", clientv3.WithRange("c")), want: "a=3 b=2"},
			{op: get("b", clientv3.WithFromKey()), want: "b=2 c=1"},
			{op: get("", clientv3.WithPrefix()), want: "a=3 b=2 c=1"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithKeysOnly()), want: "a b c"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithCountOnly()), want: ", 3 in all"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithLimit(2)), want: "a=3 b=2, more, 3 in all"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend)), want: "c=1 b=2 a=3"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend)), want: "c=1 b=2 a=3"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByVersion, clientv3.SortAscend)), want: "c=1 a=3 b=2"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortDescend)), want: "c=1 b=2 a=3"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByModRevision, clientv3.SortAscend)), want: "a=3 b=2 c=1"},
			{op: get("", clientv3.WithFirstKey()...), want: "a=3, more, 3 in all"},
			{op: get("", clientv3.WithLastKey()...), want: "c=1, more, 3 in all"},
			{op: get("", clientv3.WithFirstRev()...), want: "a=3, more, 3 in all"},
			{op: get("", clientv3.WithLastRev()...), want: "c=1, more, 3 in all"},
			{op: get("", clientv3.WithFirstCreate()...), want: "a=3, more, 3 in all"},
			{op: get("", clientv3.WithLastCreate()...), want: "c=1, more, 3 in all"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithMinModRev(6)), want: "b=2 c=1, 3 in all"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithMaxModRev(6)), want: "a=3 b=2, 3 in all"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithMinCreateRev(7)), want: "c=1, 3 in all"},
			{op: get("", clientv3.WithPrefix(), clientv3.WithMaxCreateRev(2)), want: "a=3, 3 in all"},

			{op: del("none"), want: "deleted 0"},
			{op: del("a", clientv3.WithPrevKV()), want: "deleted 1: a=3"},
			{op: del("b", clientv3.WithRange("c")), want: "deleted 1"},
			{op: put("d", "1"), want: "put"},
			{op: del("d", clientv3.WithFromKey()), want: "deleted 1"},
			{op: del("", clientv3.WithPrefix()), want: "deleted 1"},
			{op: get("", clientv3.WithPrefix()), want: ""},
			{op: get("", clientv3.WithPrefix(), clientv3.WithRev(7)), want: "a=3 b=2 c=1"},
		})
	})
}

func TestCompact(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		for _, v := range []string{"1", "2", "3"} {
			must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", v))
		}
		must[*clientv3.CompactResponse](s)(cli.Compact(s.ctx, 3, clientv3.WithCompactPhysical()))
		for rev, wanted := range map[int64]error{2: rpctypes.ErrCompacted, 3: nil, 4: nil, 5: rpctypes.ErrFutureRev} {
			if _, err := cli.Get(s.ctx, "k", clientv3.WithRev(rev)); !errors.Is(err, wanted) {
				s.Errorf("get at %d: %v, want %v", rev, err, wanted)
			}
		}
		for rev, wanted := range map[int64]error{3: rpctypes.ErrCompacted, 9: rpctypes.ErrFutureRev} {
			if _, err := cli.Compact(s.ctx, rev); !errors.Is(err, wanted) {
				s.Errorf("compact %d: %v, want %v", rev, err, wanted)
			}
		}
	})
}

func TestConditionsOfTransactions(t *testing.T) {
	type cmps []clientv3.Cmp
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		lease := must[*clientv3.LeaseGrantResponse](s)(cli.Grant(s.ctx, 600)).ID
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k/1", "m"))                            // created at 2
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k/1", "m", clientv3.WithLease(lease))) // version 2, at 3
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k/2", "n"))
		compare, value, version := clientv3.Compare, clientv3.Value, clientv3.Version
		for name, row := range map[string]struct {
			cmps cmps
			want bool
		}{
			"none":            {nil, true},
			"value =":         {cmps{compare(value("k/1"), "=", "m")}, true},
			"value = wrong":   {cmps{compare(value("k/1"), "=", "x")}, false},
			"value !=":        {cmps{compare(value("k/1"), "!=", "x")}, true},
			"value >":         {cmps{compare(value("k/1"), ">", "l")}, true},
			"value <":         {cmps{compare(value("k/1"), "<", "n")}, true},
			"value missing":   {cmps{compare(value("none"), "=", "")}, false},
			"version":         {cmps{compare(version("k/1"), "=", 2)}, true},
			"version missing": {cmps{compare(version("none"), "=", 0)}, true},
			"created":         {cmps{compare(clientv3.CreateRevision("k/1"), "=", 2)}, true},
			"created >":       {cmps{compare(clientv3.CreateRevision("k/1"), ">", 2)}, false},
			"modified":        {cmps{compare(clientv3.ModRevision("k/1"), "=", int64(3))}, true},
			"modified <":      {cmps{compare(clientv3.ModRevision("k/1"), "<", 3)}, false},
			"lease":           {cmps{compare(clientv3.LeaseValue("k/1"), "=", lease)}, true},
			"no lease":        {cmps{compare(clientv3.LeaseValue("k/2"), "=", clientv3.NoLease)}, true},
			"both":            {cmps{compare(value("k/1"), "=", "m"), compare(value("k/2"), "=", "n")}, true},
			"one of two":      {cmps{compare(value("k/1"), "=", "m"), compare(value("k/2"), "=", "m")}, false},
			"prefix":          {cmps{compare(value("k/").WithPrefix(), ">", "l")}, true},
			"prefix not all":  {cmps{compare(value("k/").WithPrefix(), "=", "m")}, false},
			"range":           {cmps{compare(value("k/1").WithRange("k/2"), "=", "m")}, true},
		} {
			resp, err := cli.Txn(s.ctx).If(row.cmps...).Then().Else().Commit()
			if err != nil || resp.Succeeded != row.want {
				s.Errorf("%s: %v, %v; want %v", name, resp, err, row.want)
			}
		}
	})
}

func TestTxn(t *testing.T) {
	put, get, del, txn := clientv3.OpPut, clientv3.OpGet, clientv3.OpDelete, clientv3.OpTxn
	exists := func(key string) []clientv3.Cmp {
		return []clientv3.Cmp{clientv3.Compare(clientv3.Version(key), ">", 0)}
	}
	ops := func(list ...clientv3.Op) []clientv3.Op { return list }
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		runRows(s, cli, []row{
			{op: txn(exists("a"), ops(put("a", "x")), ops(put("a", "1"), put("b", "2"), get("a"))), want: "else(put; put; a=1)"},
			{op: txn(exists("a"), ops(get("a", clientv3.WithRange("c")), put("a", "3", clientv3.WithPrevKV())), nil), want: "then(a=1 b=2; put, was a=1)"},
			{op: txn(nil, ops(txn(exists("none"), nil, ops(put("d", "4"), txn(exists("b"), ops(del("b", clientv3.WithPrevKV())), nil))), get("a")), nil), want: "then(else(put; then(deleted 1: b=2)); a=3)"},
			{op: txn(exists("none"), ops(put("a", "x")), nil), want: "else()"},
			{op: txn(nil, ops(get("", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend))), nil), want: "then(d=4 a=3)"},
			{op: txn(nil, ops(put("a", "1"), put("a", "2")), nil), err: rpctypes.ErrDuplicateKey},
			{op: txn(nil, ops(put("a", "1"), put("", "2")), nil), err: rpctypes.ErrEmptyKey},
			{op: get("a"), want: "a=3"},
		})
		many := make([]clientv3.Op, 129)
		for i := range many {
			many[i] = get("a")
		}
		if _, err := cli.Txn(s.ctx).Then(many...).Commit(); !errors.Is(err, rpctypes.ErrTooManyOps) {
			s.Errorf("129 operations: %v", err)
		}
		// The revision is of the transaction as a whole.
		resp := must[*clientv3.TxnResponse](s)(cli.Txn(s.ctx).Then(put("e", "1"), put("f", "1")).Commit())
		kvs := must[*clientv3.GetResponse](s)(cli.Get(s.ctx, "e", clientv3.WithFromKey())).Kvs
		if len(kvs) != 2 || kvs[0].ModRevision != resp.Header.Revision || kvs[1].ModRevision != resp.Header.Revision {
			s.Errorf("keys of one transaction at revision %d: %v", resp.Header.Revision, kvs)
		}
	})
}
