package benchmarks

import (
	"context"
	"testing"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// benchEach benchmarks work of every peer on the stub, for benchstat and profiles.
func benchEach(b *testing.B, work func(ctx context.Context, p peer, n int) error) {
	b.Helper()
	s, err := startStub(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	all, leave, err := peers(s.endpoint)
	if err != nil {
		b.Fatal(err)
	}
	for i, p := range all {
		b.Run(makers()[i].name, func(b *testing.B) {
			b.ReportAllocs()
			if err = work(context.WithoutCancel(b.Context()), p, b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
	if err = leave(); err != nil {
		b.Error(err)
	}
	if err = s.close(); err != nil {
		b.Error(err)
	}
}

func benchCall(b *testing.B, do func(context.Context, peer) error) {
	b.Helper()
	benchEach(b, func(ctx context.Context, p peer, n int) error {
		return measure.Share(8, n, func() error { return do(ctx, p) })
	})
}

func BenchmarkGet(b *testing.B) { benchCall(b, getOf) }

func BenchmarkPut(b *testing.B) { benchCall(b, putOf) }

func BenchmarkTxn(b *testing.B) { benchCall(b, txnOf) }

func BenchmarkWatch(b *testing.B) {
	benchEach(b, func(ctx context.Context, p peer, n int) error { return p.watch(ctx, watchKey(n), n) })
}

// BenchmarkKeepAlive is so many answers to each of the leases.
func BenchmarkKeepAlive(b *testing.B) {
	benchEach(b, func(ctx context.Context, p peer, n int) error {
		return together(manyLeases, func(i int) error { return p.keepAlive(ctx, int64(i)+1, n) })
	})
}
