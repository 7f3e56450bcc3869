package clientv3_test

import (
	"context"
	"fmt"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/coreos/etcd/clientv3"
)

func TestTxnMisusePanics(t *testing.T) {
	c := clientv3.NewCtxClient(t.Context())
	begin := func() clientv3.Txn { return clientv3.NewKV(c).Txn(t.Context()) }
	for want, misuse := range map[string]func(){
		"clientv3: Txn.If twice":        func() { begin().If().If() },
		"clientv3: Txn.If after Then":   func() { begin().Then().If() },
		"clientv3: Txn.If after Else":   func() { begin().Else().If() },
		"clientv3: Txn.Then twice":      func() { begin().If().Then().Then() },
		"clientv3: Txn.Then after Else": func() { begin().If().Else().Then() },
		"clientv3: Txn.Else twice":      func() { begin().Then().Else().Else() },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("panic %q", got)
				}
			}()
			misuse()
		})
	}
}

func TestTxnOrders(t *testing.T) {
	m := serve(t, func(_ context.Context, _ any) (any, error) { return &pb.TxnResponse{Succeeded: true}, nil })
	c := connect(t, clientv3.Config{Endpoints: []string{m.addr}})
	cmp, get := clientv3.Compare(clientv3.Value("k"), "=", "v"), clientv3.OpGet("k")
	requestGet := []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("k")}}}}
	compare := []*pb.Compare{{Target: pb.Compare_VALUE, Key: []byte("k"), TargetUnion: &pb.Compare_Value{Value: []byte("v")}}}
	for i, test := range []struct {
		txn  clientv3.Txn
		want *pb.TxnRequest
	}{
		{c.Txn(soon(t)), &pb.TxnRequest{}},
		{c.Txn(soon(t)).If(cmp), &pb.TxnRequest{Compare: compare}},
		{c.Txn(soon(t)).Then(get), &pb.TxnRequest{Success: requestGet}},
		{c.Txn(soon(t)).Else(get), &pb.TxnRequest{Failure: requestGet}},
		{c.Txn(soon(t)).If(cmp).Then(get).Else(get), &pb.TxnRequest{Compare: compare, Success: requestGet, Failure: requestGet}},
	} {
		response, err := test.txn.Commit()
		if err != nil || !response.Succeeded {
			t.Fatalf("%d: %v, %v", i, response, err)
		}
		if got := m.got()[i].message; !proto.Equal(got, test.want) {
			t.Errorf("sent %v, not %v", got, test.want)
		}
	}
}
