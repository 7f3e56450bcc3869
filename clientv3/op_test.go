package clientv3_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/protobuf/proto"

	"github.com/coreos/etcd/clientv3"
)

// do has op done by a member and gives what that member was sent, if anything.
func do(t *testing.T, op clientv3.Op) (proto.Message, error) {
	t.Helper()
	m := serve(t, answerEmpty)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	_, err := c.Do(soon(t), op)
	got := m.got()
	if len(got) == 0 {
		return nil, err
	}
	return got[0].message, err
}

func TestOpRequests(t *testing.T) {
	get := clientv3.OpGet
	k, all := []byte("k"), []byte{0}
	for _, test := range []struct {
		name string
		op   clientv3.Op
		want proto.Message
	}{
		{"get", get("k"), &pb.RangeRequest{Key: k}},
		{"WithPrefix", get("k", clientv3.WithPrefix()), &pb.RangeRequest{Key: k, RangeEnd: []byte("l")}},
		{"WithPrefix 0xff", get("k\xff\xff", clientv3.WithPrefix()), &pb.RangeRequest{Key: []byte("k\xff\xff"), RangeEnd: []byte("l")}},
		{"WithPrefix only 0xff", get("\xff", clientv3.WithPrefix()), &pb.RangeRequest{Key: []byte("\xff"), RangeEnd: all}},
		{"WithPrefix of all", get("", clientv3.WithPrefix()), &pb.RangeRequest{Key: all, RangeEnd: all}},
		{"WithRange", get("k", clientv3.WithRange("m")), &pb.RangeRequest{Key: k, RangeEnd: []byte("m")}},
		{"WithFromKey", get("k", clientv3.WithFromKey()), &pb.RangeRequest{Key: k, RangeEnd: all}},
		{"WithFromKey of all", get("", clientv3.WithFromKey()), &pb.RangeRequest{Key: all, RangeEnd: all}},
		{"WithLimit", get("k", clientv3.WithLimit(7)), &pb.RangeRequest{Key: k, Limit: 7}},
		{"WithRev", get("k", clientv3.WithRev(7)), &pb.RangeRequest{Key: k, Revision: 7}},
		{"WithSerializable", get("k", clientv3.WithSerializable()), &pb.RangeRequest{Key: k, Serializable: true}},
		{"WithKeysOnly", get("k", clientv3.WithKeysOnly()), &pb.RangeRequest{Key: k, KeysOnly: true}},
		{"WithCountOnly", get("k", clientv3.WithCountOnly()), &pb.RangeRequest{Key: k, CountOnly: true}},
		{"WithMinModRev", get("k", clientv3.WithMinModRev(7)), &pb.RangeRequest{Key: k, MinModRevision: 7}},
		{"WithMaxModRev", get("k", clientv3.WithMaxModRev(7)), &pb.RangeRequest{Key: k, MaxModRevision: 7}},
		{"WithMinCreateRev", get("k", clientv3.WithMinCreateRev(7)), &pb.RangeRequest{Key: k, MinCreateRevision: 7}},
		{"WithMaxCreateRev", get("k", clientv3.WithMaxCreateRev(7)), &pb.RangeRequest{Key: k, MaxCreateRevision: 7}},
		{
			"WithSort", get("k", clientv3.WithSort(clientv3.SortByValue, clientv3.SortDescend)),
			&pb.RangeRequest{Key: k, SortTarget: pb.RangeRequest_VALUE, SortOrder: pb.RangeRequest_DESCEND},
		},
		{"WithSort as it is", get("k", clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend)), &pb.RangeRequest{Key: k}},
		{"WithFirstKey", get("k", clientv3.WithFirstKey()...), top(pb.RangeRequest_KEY, pb.RangeRequest_NONE)},
		{"WithLastKey", get("k", clientv3.WithLastKey()...), top(pb.RangeRequest_KEY, pb.RangeRequest_DESCEND)},
		{"WithFirstCreate", get("k", clientv3.WithFirstCreate()...), top(pb.RangeRequest_CREATE, pb.RangeRequest_ASCEND)},
		{"WithLastCreate", get("k", clientv3.WithLastCreate()...), top(pb.RangeRequest_CREATE, pb.RangeRequest_DESCEND)},
		{"WithFirstRev", get("k", clientv3.WithFirstRev()...), top(pb.RangeRequest_MOD, pb.RangeRequest_ASCEND)},
		{"WithLastRev", get("k", clientv3.WithLastRev()...), top(pb.RangeRequest_MOD, pb.RangeRequest_DESCEND)},
		{
			"get with a watch's options",
			get("k", clientv3.WithPrevKV(), clientv3.WithProgressNotify(), clientv3.WithCreatedNotify(),
				clientv3.WithFilterPut(), clientv3.WithFilterDelete(), clientv3.WithFragment()),
			&pb.RangeRequest{Key: k},
		},

		{"put", clientv3.OpPut("k", "v"), &pb.PutRequest{Key: k, Value: []byte("v")}},
		{"WithLease", clientv3.OpPut("k", "v", clientv3.WithLease(7)), &pb.PutRequest{Key: k, Value: []byte("v"), Lease: 7}},
		{"WithPrevKV", clientv3.OpPut("k", "v", clientv3.WithPrevKV()), &pb.PutRequest{Key: k, Value: []byte("v"), PrevKv: true}},
		{"WithIgnoreValue", clientv3.OpPut("k", "", clientv3.WithIgnoreValue()), &pb.PutRequest{Key: k, IgnoreValue: true}},
		{"WithIgnoreLease", clientv3.OpPut("k", "v", clientv3.WithIgnoreLease()), &pb.PutRequest{Key: k, Value: []byte("v"), IgnoreLease: true}},

		{"delete", clientv3.OpDelete("k"), &pb.DeleteRangeRequest{Key: k}},
		{
			"delete of a prefix", clientv3.OpDelete("k", clientv3.WithPrefix(), clientv3.WithPrevKV()),
			&pb.DeleteRangeRequest{Key: k, RangeEnd: []byte("l"), PrevKv: true},
		},

		{"txn", clientv3.OpTxn(nil, nil, nil), &pb.TxnRequest{}},
		{
			"txn of all",
			clientv3.OpTxn(
				[]clientv3.Cmp{clientv3.Compare(clientv3.Version("k"), "=", 7)},
				[]clientv3.Op{get("k"), clientv3.OpPut("k", "v")},
				[]clientv3.Op{clientv3.OpDelete("k"), clientv3.OpTxn(nil, nil, nil)}),
			&pb.TxnRequest{
				Compare: []*pb.Compare{{Key: k, TargetUnion: &pb.Compare_Version{Version: 7}}},
				Success: []*pb.RequestOp{
					{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: k}}},
					{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: k, Value: []byte("v")}}},
				},
				Failure: []*pb.RequestOp{
					{Request: &pb.RequestOp_RequestDeleteRange{RequestDeleteRange: &pb.DeleteRangeRequest{Key: k}}},
					{Request: &pb.RequestOp_RequestTxn{RequestTxn: &pb.TxnRequest{}}},
				},
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := do(t, test.op)
			if err != nil || !proto.Equal(got, test.want) {
				t.Errorf("sent %v, %v; not %v", got, err, test.want)
			}
		})
	}
}

func top(target pb.RangeRequest_SortTarget, order pb.RangeRequest_SortOrder) proto.Message {
	return &pb.RangeRequest{Key: []byte("k"), RangeEnd: []byte("l"), Limit: 1, SortTarget: target, SortOrder: order}
}

// optionNames are all options, by name.
func optionNames() map[string]clientv3.OpOption {
	return map[string]clientv3.OpOption{
		"WithLease":          clientv3.WithLease(7),
		"WithLimit":          clientv3.WithLimit(7),
		"WithRev":            clientv3.WithRev(7),
		"WithSort":           clientv3.WithSort(clientv3.SortByKey, clientv3.SortAscend),
		"WithPrefix":         clientv3.WithPrefix(),
		"WithRange":          clientv3.WithRange("z"),
		"WithFromKey":        clientv3.WithFromKey(),
		"WithSerializable":   clientv3.WithSerializable(),
		"WithKeysOnly":       clientv3.WithKeysOnly(),
		"WithCountOnly":      clientv3.WithCountOnly(),
		"WithMinModRev":      clientv3.WithMinModRev(7),
		"WithMaxModRev":      clientv3.WithMaxModRev(7),
		"WithMinCreateRev":   clientv3.WithMinCreateRev(7),
		"WithMaxCreateRev":   clientv3.WithMaxCreateRev(7),
		"WithPrevKV":         clientv3.WithPrevKV(),
		"WithIgnoreValue":    clientv3.WithIgnoreValue(),
		"WithIgnoreLease":    clientv3.WithIgnoreLease(),
		"WithProgressNotify": clientv3.WithProgressNotify(),
		"WithCreatedNotify":  clientv3.WithCreatedNotify(),
		"WithFilterPut":      clientv3.WithFilterPut(),
		"WithFilterDelete":   clientv3.WithFilterDelete(),
		"WithFragment":       clientv3.WithFragment(),
	}
}

// TestOptionsWithoutUse gives each option to each operation: those that have no
// use for it are not sent, and say why.
func TestOptionsWithoutUse(t *testing.T) {
	keyRange := []string{"WithPrefix", "WithRange", "WithFromKey"}
	onlyGet := []string{
		"WithLimit", "WithSort", "WithSerializable", "WithKeysOnly", "WithCountOnly",
		"WithMinModRev", "WithMaxModRev", "WithMinCreateRev", "WithMaxCreateRev",
	}
	watch := append([]string{
		"WithRev", "WithPrevKV", "WithProgressNotify", "WithCreatedNotify",
		"WithFilterPut", "WithFilterDelete", "WithFragment",
	}, keyRange...)
	m := serve(t, answerEmpty)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	for _, kind := range []struct {
		name string
		uses []string
		do   func(ctx context.Context, opt clientv3.OpOption) error
	}{
		{"a get", slices.Concat(watch, onlyGet), func(ctx context.Context, opt clientv3.OpOption) error {
			_, err := c.Get(ctx, "k", opt)
			return err
		}},
		{"a put", []string{"WithLease", "WithPrevKV", "WithIgnoreValue", "WithIgnoreLease"}, func(ctx context.Context, opt clientv3.OpOption) error {
			_, err := c.Put(ctx, "k", "", opt)
			return err
		}},
		{"a delete", append([]string{"WithPrevKV"}, keyRange...), func(ctx context.Context, opt clientv3.OpOption) error {
			_, err := c.Delete(ctx, "k", opt)
			return err
		}},
		{"a member list", []string{"WithSerializable"}, func(ctx context.Context, opt clientv3.OpOption) error {
			_, err := c.MemberList(ctx, opt)
			return err
		}},
	} {
		for name, option := range optionNames() {
			before := len(m.got())
			err := kind.do(soon(t), option)
			useful, sent := slices.Contains(kind.uses, name), len(m.got())-before
			switch {
			case useful && (err != nil || sent != 1):
				t.Errorf("%s, %s: sent %d times, %v", kind.name, name, sent, err)
			case !useful && (err == nil || sent != 0):
				t.Errorf("%s, %s: sent %d times, %v", kind.name, name, sent, err)
			case !useful && err.Error() != "clientv3: "+kind.name+" has no use for "+name:
				t.Errorf("%s, %s: %v", kind.name, name, err)
			}
		}
	}
}

func TestWrongOps(t *testing.T) {
	wrong := clientv3.OpGet("")
	for _, test := range []struct {
		name string
		op   clientv3.Op
		is   error
		says string
	}{
		{"zero", clientv3.Op{}, nil, "empty operation"},
		{"new", *clientv3.NewOp(), nil, "empty operation"},
		{"watch", clientv3.OpWatch("k"), nil, "a watch"},
		{"get without a key", wrong, rpctypes.ErrEmptyKey, ""},
		{"put without a key", clientv3.OpPut("", "v"), rpctypes.ErrEmptyKey, ""},
		{"delete without a key", clientv3.OpDelete(""), rpctypes.ErrEmptyKey, ""},
		{"two ranges", clientv3.OpGet("k", clientv3.WithPrefix(), clientv3.WithFromKey()), nil, "WithPrefix and WithFromKey"},
		{"two useless options", clientv3.OpPut("k", "v", clientv3.WithRev(7), clientv3.WithLimit(7)), nil, "WithLimit, WithRev"},
		{"two values", clientv3.OpPut("k", "v", clientv3.WithIgnoreValue()), rpctypes.ErrValueProvided, ""},
		{"two leases", clientv3.OpPut("k", "v", clientv3.WithIgnoreLease(), clientv3.WithLease(7)), rpctypes.ErrLeaseProvided, ""},
		{"sort target", clientv3.OpGet("k", clientv3.WithSort(9, clientv3.SortAscend)), rpctypes.ErrInvalidSortOption, ""},
		{"sort order", clientv3.OpGet("k", clientv3.WithSort(clientv3.SortByKey, -1)), rpctypes.ErrInvalidSortOption, ""},
		{"in then", clientv3.OpTxn(nil, []clientv3.Op{wrong}, nil), rpctypes.ErrEmptyKey, ""},
		{"in else", clientv3.OpTxn(nil, nil, []clientv3.Op{wrong}), rpctypes.ErrEmptyKey, ""},
		{"zero in else", clientv3.OpTxn(nil, nil, []clientv3.Op{{}}), nil, "empty operation"},
		{"deep", clientv3.OpTxn(nil, nil, []clientv3.Op{clientv3.OpTxn(nil, []clientv3.Op{wrong}, nil)}), rpctypes.ErrEmptyKey, ""},
		{"watch in a txn", clientv3.OpTxn(nil, []clientv3.Op{clientv3.OpWatch("k")}, nil), nil, "watch within a txn"},
		{"comparison without a key", clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Version(""), "=", 0)}, nil, nil), rpctypes.ErrEmptyKey, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			sent, err := do(t, test.op)
			if sent != nil || err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("sent %v, got error %v", sent, err)
			}
		})
	}
}

// TestOpFields reads back what options and setters put into an operation.
func TestOpFields(t *testing.T) {
	var opts []clientv3.OpOption
	for name, option := range optionNames() {
		if name != "WithFromKey" && name != "WithRange" {
			opts = append(opts, option)
		}
	}
	op := clientv3.OpGet("k", opts...)
	for name, holds := range map[string]bool{
		"IsGet": op.IsGet(), "IsSerializable": op.IsSerializable(), "IsKeysOnly": op.IsKeysOnly(),
		"IsCountOnly": op.IsCountOnly(), "IsPrevKV": op.IsPrevKV(), "IsProgressNotify": op.IsProgressNotify(),
		"IsCreatedNotify": op.IsCreatedNotify(), "IsFilterPut": op.IsFilterPut(), "IsFilterDelete": op.IsFilterDelete(),
		"IsFragment": op.IsFragment(), "IsSortSet": op.IsSortSet(), "IsSortOptionValid": op.IsSortOptionValid(),
		"IsOptsWithPrefix": op.IsOptsWithPrefix() && clientv3.IsOptsWithPrefix(opts),
	} {
		if !holds {
			t.Errorf("%s does not hold", name)
		}
	}
	if op.IsPut() || op.IsDelete() || op.IsTxn() || op.IsOptsWithFromKey() || clientv3.IsOptsWithFromKey(opts) {
		t.Error("something holds that should not")
	}
	for name, number := range map[string]int64{
		"Limit": op.Limit(), "Rev": op.Rev(), "MinModRev": op.MinModRev(), "MaxModRev": op.MaxModRev(),
		"MinCreateRev": op.MinCreateRev(), "MaxCreateRev": op.MaxCreateRev(),
	} {
		if number != 7 {
			t.Errorf("%s is %d", name, number)
		}
	}
	op.WithKeyBytes([]byte("key"))
	op.WithRangeBytes([]byte("end"))
	op.WithValueBytes([]byte("value"))
	if got := string(op.KeyBytes()) + string(op.RangeBytes()) + string(op.ValueBytes()); got != "keyendvalue" {
		t.Errorf("bytes are %q", got)
	}
	txn := clientv3.OpTxn(make([]clientv3.Cmp, 1), make([]clientv3.Op, 2), make([]clientv3.Op, 3))
	if cmps, thenOps, elseOps := txn.Txn(); !txn.IsTxn() || len(cmps) != 1 || len(thenOps) != 2 || len(elseOps) != 3 {
		t.Error("the parts of the txn are others")
	}
	if cmps, thenOps, elseOps := op.Txn(); cmps != nil || thenOps != nil || elseOps != nil {
		t.Error("a get has parts of a txn")
	}
	if end := clientv3.GetPrefixRangeEnd("k"); end != "l" {
		t.Errorf("end of the prefix is %q", end)
	}
}

func TestOpResponses(t *testing.T) {
	m := serve(t, answerEmpty)
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	for _, test := range []struct {
		op  clientv3.Op
		has func(clientv3.OpResponse) bool
	}{
		{clientv3.OpGet("k"), func(r clientv3.OpResponse) bool { return r.Get() != nil && r.Get().OpResponse() == r }},
		{clientv3.OpPut("k", "v"), func(r clientv3.OpResponse) bool { return r.Put() != nil && r.Put().OpResponse() == r }},
		{clientv3.OpDelete("k"), func(r clientv3.OpResponse) bool { return r.Del() != nil && r.Del().OpResponse() == r }},
		{clientv3.OpTxn(nil, nil, nil), func(r clientv3.OpResponse) bool { return r.Txn() != nil && r.Txn().OpResponse() == r }},
	} {
		if r, err := c.Do(soon(t), test.op); err != nil || !test.has(r) {
			t.Errorf("got %v, %v", r, err)
		}
	}
}
