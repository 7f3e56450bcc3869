package keysapi_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A call is one of KeysAPI, of the key /d/k.
type call struct {
	name  string
	once  bool   // it must not be repeated when its outcome is unknown
	begin string // what the key has before; empty: it is not there
	end   string // what it has when the call is done, once or twice
	ttl   bool   // the node has a TTL then
	do    func(ctx context.Context, kapi client.KeysAPI, index uint64) error
}

const key = "/d/k"

// writeCalls is each kind of write there is. An index stands for that of the key.
func writeCalls() []call {
	set := func(value string, o client.SetOptions) func(context.Context, client.KeysAPI, uint64) error {
		return func(ctx context.Context, kapi client.KeysAPI, index uint64) error {
			own := o
			if own.PrevIndex != 0 {
				own.PrevIndex = index
			}
			_, err := kapi.Set(ctx, key, value, &own)
			return err
		}
	}
	remove := func(o client.DeleteOptions) func(context.Context, client.KeysAPI, uint64) error {
		return func(ctx context.Context, kapi client.KeysAPI, index uint64) error {
			own := o
			if own.PrevIndex != 0 {
				own.PrevIndex = index
			}
			_, err := kapi.Delete(ctx, key, &own)
			return err
		}
	}
	const once = true
	return []call{
		{"Set", !once, "", "new", false, set("new", client.SetOptions{})},
		{"Set over a file", !once, "old", "new", false, set("new", client.SetOptions{})},
		{"Set with a TTL", !once, "old", "new", true, set("new", client.SetOptions{TTL: time.Hour})},
		{"Update", !once, "old", "new", false, set("new", client.SetOptions{PrevExist: client.PrevExist})},
		{"Update with a TTL", !once, "old", "new", true, set("new", client.SetOptions{PrevExist: client.PrevExist, TTL: time.Hour})},
		{"refresh", !once, "old", "old", true, set("", client.SetOptions{PrevExist: client.PrevExist, Refresh: true, TTL: time.Hour})},
		{"create", once, "", "new", false, set("new", client.SetOptions{PrevExist: client.PrevNoExist})},
		{"create with a TTL", once, "", "new", true, set("new", client.SetOptions{PrevExist: client.PrevNoExist, TTL: time.Hour})},
		{"swap by value", once, "old", "new", false, set("new", client.SetOptions{PrevValue: "old"})},
		{"swap by index with a TTL", once, "old", "new", true, set("new", client.SetOptions{PrevIndex: 1, TTL: time.Hour})},
		{"refresh by value", once, "old", "old", true, set("", client.SetOptions{PrevValue: "old", Refresh: true, TTL: time.Hour})},
		{"Delete", once, "old", "", false, remove(client.DeleteOptions{})},
		{"Delete by value", once, "old", "", false, remove(client.DeleteOptions{PrevValue: "old"})},
		{"Delete by index", once, "old", "", false, remove(client.DeleteOptions{PrevIndex: 1})},
		{"Delete of all below", once, "old", "", false, remove(client.DeleteOptions{Recursive: true})},
	}
}

func readCall() call {
	return call{name: "Get", begin: "old", end: "old", do: func(ctx context.Context, kapi client.KeysAPI, _ uint64) error {
		_, err := kapi.Get(ctx, key, &client.GetOptions{Quorum: true})
		return err
	}}
}

// A stage has a member in memory and the bridge on it.
type stage struct {
	*fakeetcd.T
	kapi   client.KeysAPI
	writes atomic.Int64 // transactions that may write, as the member got them
}

func play(t *testing.T, test func(s *stage), opts ...keysapi.Option) {
	t.Helper()
	fakeetcd.Run(t, func(ft *fakeetcd.T) { test(&stage{T: ft, kapi: keysapi.New(ft.Client, opts...)}) })
}

// befall has faults befall the next transactions that may write, one each.
func (s *stage) befall(faults ...fakeetcd.Fault) {
	s.writes.Store(0)
	s.Server.SetFault(func(ctx context.Context, request any, do func() (any, error)) (any, error) {
		if !mayWrite(request) {
			return do()
		}
		if n := s.writes.Add(1); n <= int64(len(faults)) {
			return faults[n-1](ctx, request, do)
		}
		return do()
	})
}

// befallAll has a fault befall each transaction.
func (s *stage) befallAll(fault fakeetcd.Fault) {
	s.Server.SetFault(func(ctx context.Context, request any, do func() (any, error)) (any, error) {
		if _, isTxn := request.(*pb.TxnRequest); !isTxn {
			return do()
		}
		return fault(ctx, request, do)
	})
}

func mayWrite(request any) bool {
	txn, is := request.(*pb.TxnRequest)
	return is && slices.ContainsFunc(slices.Concat(txn.Success, txn.Failure), func(op *pb.RequestOp) bool { return op.GetRequestRange() == nil })
}

// begin writes what a call finds, and gives its index.
func (s *stage) begin(c call) uint64 {
	s.Helper()
	s.Server.SetFault(nil)
	if c.begin == "" {
		return 0
	}
	resp, err := s.kapi.Set(s.Context(), key, c.begin, nil)
	if err != nil {
		s.Fatal(err)
	}
	return resp.Node.ModifiedIndex
}

// wantEnd checks that the call was done.
func (s *stage) wantEnd(c call) {
	s.Helper()
	s.Server.SetFault(nil)
	resp, err := s.kapi.Get(s.Context(), key, &client.GetOptions{Quorum: true})
	switch {
	case c.end == "" && client.IsKeyNotFound(err):
	case err != nil:
		s.Errorf("%s: %v", c.name, err)
	case resp.Node.Value != c.end || (resp.Node.TTL > 0) != c.ttl:
		s.Errorf("%s: the node is %v, TTL %d, want %q, a TTL: %v", c.name, resp.Node, resp.Node.TTL, c.end, c.ttl)
	}
}

// versionOf tells how often a key of the store was written.
func (s *stage) versionOf(name string) int64 {
	s.Helper()
	resp, err := s.Client.Get(s.Context(), name)
	if err != nil {
		s.Fatal(err)
	}
	if len(resp.Kvs) == 0 {
		return 0
	}
	return resp.Kvs[0].Version
}

// children are the names in a directory of v2.
func (s *stage) children(dir string) []string {
	s.Helper()
	resp, err := s.Client.Get(s.Context(), dir+"/0", clientv3.WithRange(dir+"/:"))
	if err != nil {
		s.Fatal(err)
	}
	names := make([]string, 0, len(resp.Kvs))
	for _, kv := range resp.Kvs {
		names = append(names, strings.TrimPrefix(string(kv.Key), dir+"/"))
	}
	return names
}

// loseAnswer carries a request out and says that the connection broke.
func loseAnswer(_ context.Context, _ any, do func() (any, error)) (any, error) {
	do()
	return nil, fakeetcd.Unavailable()
}

// loseRequest does not carry a request out, which the client can't tell.
func loseRequest(context.Context, any, func() (any, error)) (any, error) {
	return nil, fakeetcd.Unavailable()
}

// refuse answers with an error.
func refuse(err error) fakeetcd.Fault {
	return func(context.Context, any, func() (any, error)) (any, error) { return nil, err }
}
