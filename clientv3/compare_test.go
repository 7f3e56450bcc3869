package clientv3_test

import (
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/coreos/etcd/clientv3"
)

func TestCompareRequests(t *testing.T) {
	k := []byte("k")
	compare, value := clientv3.Compare, clientv3.Value("k")
	for _, test := range []struct {
		name string
		cmp  clientv3.Cmp
		want *pb.Compare
	}{
		{"value", compare(value, "=", "v"), &pb.Compare{Target: pb.Compare_VALUE, Key: k, TargetUnion: &pb.Compare_Value{Value: []byte("v")}}},
		{"not", compare(value, "!=", "v"), &pb.Compare{Result: pb.Compare_NOT_EQUAL, Target: pb.Compare_VALUE, Key: k, TargetUnion: &pb.Compare_Value{Value: []byte("v")}}},
		{"greater", compare(value, ">", "v"), &pb.Compare{Result: pb.Compare_GREATER, Target: pb.Compare_VALUE, Key: k, TargetUnion: &pb.Compare_Value{Value: []byte("v")}}},
		{"less", compare(value, "<", "v"), &pb.Compare{Result: pb.Compare_LESS, Target: pb.Compare_VALUE, Key: k, TargetUnion: &pb.Compare_Value{Value: []byte("v")}}},
		{"version", compare(clientv3.Version("k"), "=", 7), &pb.Compare{Target: pb.Compare_VERSION, Key: k, TargetUnion: &pb.Compare_Version{Version: 7}}},
		{"create", compare(clientv3.CreateRevision("k"), "=", int64(7)), &pb.Compare{Target: pb.Compare_CREATE, Key: k, TargetUnion: &pb.Compare_CreateRevision{CreateRevision: 7}}},
		{"mod", compare(clientv3.ModRevision("k"), "=", 7), &pb.Compare{Target: pb.Compare_MOD, Key: k, TargetUnion: &pb.Compare_ModRevision{ModRevision: 7}}},
		{"lease", compare(clientv3.LeaseValue("k"), "=", clientv3.LeaseID(7)), &pb.Compare{Target: pb.Compare_LEASE, Key: k, TargetUnion: &pb.Compare_Lease{Lease: 7}}},
		{"no lease", compare(clientv3.LeaseValue("k"), "=", clientv3.NoLease), &pb.Compare{Target: pb.Compare_LEASE, Key: k, TargetUnion: &pb.Compare_Lease{}}},
		{"lease by number", compare(clientv3.LeaseValue("k"), "=", 7), &pb.Compare{Target: pb.Compare_LEASE, Key: k, TargetUnion: &pb.Compare_Lease{Lease: 7}}},
		{"range", compare(clientv3.Version("k").WithRange("m"), "=", 7), &pb.Compare{Target: pb.Compare_VERSION, Key: k, RangeEnd: []byte("m"), TargetUnion: &pb.Compare_Version{Version: 7}}},
		{"prefix", compare(clientv3.Version("k"), "=", 7).WithPrefix(), &pb.Compare{Target: pb.Compare_VERSION, Key: k, RangeEnd: []byte("l"), TargetUnion: &pb.Compare_Version{Version: 7}}},
		{"all", compare(clientv3.Version(""), "=", 7).WithPrefix(), &pb.Compare{Target: pb.Compare_VERSION, Key: []byte{0}, RangeEnd: []byte{0}, TargetUnion: &pb.Compare_Version{Version: 7}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := do(t, clientv3.OpTxn([]clientv3.Cmp{test.cmp}, nil, nil))
			if want := (&pb.TxnRequest{Compare: []*pb.Compare{test.want}}); err != nil || !proto.Equal(got, want) {
				t.Errorf("sent %v, %v; not %v", got, err, want)
			}
		})
	}
}

func TestWrongComparisons(t *testing.T) {
	for says, cmp := range map[string]clientv3.Cmp{
		`key "k" by "=="`:            clientv3.Compare(clientv3.Value("k"), "==", "v"),
		`key "k" with a int`:         clientv3.Compare(clientv3.Value("k"), "=", 7),
		`key "k" with a string`:      clientv3.Compare(clientv3.Version("k"), "=", "7"),
		`key "k" with a <nil>`:       clientv3.Compare(clientv3.ModRevision("k"), "=", nil),
		`key "k" with a float64`:     clientv3.Compare(clientv3.CreateRevision("k"), "=", 7.0),
		`with a clientv3.LeaseID`:    clientv3.Compare(clientv3.Version("k"), "=", clientv3.LeaseID(7)),
		`key "k" is not a condition`: clientv3.Value("k"),
	} {
		sent, err := do(t, clientv3.OpTxn([]clientv3.Cmp{cmp}, nil, nil))
		if sent != nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: sent %v, got error %v", says, sent, err)
		}
	}
}

func TestCompareFields(t *testing.T) {
	cmp := clientv3.Compare(clientv3.Value("k"), "=", "v")
	if got := string(cmp.KeyBytes()) + string(cmp.ValueBytes()); got != "kv" {
		t.Errorf("bytes are %q", got)
	}
	cmp.WithKeyBytes([]byte("key"))
	cmp.WithValueBytes([]byte("value"))
	if got := string(cmp.KeyBytes()) + string(cmp.ValueBytes()); got != "keyvalue" {
		t.Errorf("bytes are %q", got)
	}
}
