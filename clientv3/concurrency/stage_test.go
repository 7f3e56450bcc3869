package concurrency_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
)

func newSession(tb testing.TB, client *clientv3.Client, opts ...concurrency.SessionOption) *concurrency.Session {
	tb.Helper()
	s, err := concurrency.NewSession(client, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func closeAll(tb testing.TB, sessions ...*concurrency.Session) {
	tb.Helper()
	for _, s := range sessions {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	}
}

// keys are those below a prefix, read without faults.
func keys(tb testing.TB, client *clientv3.Client, prefix string) []string {
	tb.Helper()
	response, err := client.Get(tb.Context(), prefix, clientv3.WithPrefix())
	if err != nil {
		tb.Fatal(err)
	}
	var names []string
	for _, kv := range response.Kvs {
		names = append(names, string(kv.Key))
	}
	return names
}

func wantNoKeys(tb testing.TB, client *clientv3.Client, prefix string) {
	tb.Helper()
	if left := keys(tb, client, prefix); len(left) > 0 {
		tb.Errorf("keys left behind: %q", left)
	}
}

// pass lets time go by in the bubble.
func pass(d time.Duration) { <-time.After(d) }

func within(tb testing.TB, d time.Duration) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	tb.Cleanup(cancel)
	return ctx
}

// started runs call in the background, and gives what it returns.
func started(call func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- call() }()
	return result
}

// puts tells whether a request is a transaction that may put a key.
func puts(request any) bool {
	return hasOp(request, func(op *pb.RequestOp) bool { return op.GetRequestPut() != nil })
}

// deletes tells whether a request is a transaction that may delete a key.
func deletes(request any) bool {
	return hasOp(request, func(op *pb.RequestOp) bool { return op.GetRequestDeleteRange() != nil })
}

func hasOp(request any, is func(*pb.RequestOp) bool) bool {
	txn, ok := request.(*pb.TxnRequest)
	return ok && slices.ContainsFunc(txn.Success, is)
}

// once applies a fault to the first request that it is for.
func once(isFor func(request any) bool, fault fakeetcd.Fault) fakeetcd.Fault {
	var done atomic.Bool
	return func(ctx context.Context, request any, do func() (any, error)) (any, error) {
		if !isFor(request) || done.Swap(true) {
			return do()
		}
		return fault(ctx, request, do)
	}
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

// holdBack carries a request out after delay, and says that the connection broke.
func holdBack(server *fakeetcd.Server, delay time.Duration) fakeetcd.Fault {
	return func(_ context.Context, _ any, do func() (any, error)) (any, error) {
		server.Later(delay, do)
		return nil, fakeetcd.Unavailable()
	}
}

// swallow carries a request out after delay, and does not answer until the client
// gives the connection up.
func swallow(server *fakeetcd.Server, delay time.Duration) fakeetcd.Fault {
	return func(ctx context.Context, _ any, do func() (any, error)) (any, error) {
		server.Later(delay, do)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(15 * time.Second):
			return nil, fakeetcd.Unavailable()
		}
	}
}
