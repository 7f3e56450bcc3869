package benchmarks

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// benchCanned benchmarks one operation of every peer on canned replies.
func benchCanned(b *testing.B, answer []byte, do func(context.Context, peer) error) {
	b.Helper()
	for _, m := range makers() {
		b.Run(m.name, func(b *testing.B) {
			p, err := m.make(config{endpoints: []string{cannedEndpoint}, transport: newCanned(answer)})
			if err != nil {
				b.Fatal(err)
			}
			bench(b, func() error { return do(b.Context(), p) })
		})
	}
}

func bench(b *testing.B, do func() error) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
}

// benchLoopback benchmarks one operation of every peer on the stub.
func benchLoopback(b *testing.B, goroutines int, do func(context.Context, peer) error) {
	b.Helper()
	s := benchStub(b)
	for _, m := range makers() {
		b.Run(m.name, func(b *testing.B) {
			all, leave, err := guests(s.endpoints[0], []maker{m})
			if err != nil {
				b.Fatal(err)
			}
			defer leave()
			b.ReportAllocs()
			if err := measure.Share(goroutines, b.N, func() error { return do(b.Context(), all[0].peer) }); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func benchStub(b *testing.B) *stub {
	b.Helper()
	s, err := startStub(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func getSmallKey(ctx context.Context, p peer) error { return p.get(ctx, smallKey) }

func setSmallKey(ctx context.Context, p peer) error { return p.set(ctx, smallKey, "10.0.42.17:8080") }

func BenchmarkGetSmall(b *testing.B) { benchCanned(b, smallGet(), getSmallKey) }

func BenchmarkSetSmall(b *testing.B) { benchCanned(b, smallSet(), setSmallKey) }

func BenchmarkGetLoopback(b *testing.B) {
	for _, goroutines := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) { benchLoopback(b, goroutines, getSmallKey) })
	}
}

func BenchmarkSetLoopback(b *testing.B) {
	for _, goroutines := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) { benchLoopback(b, goroutines, setSmallKey) })
	}
}

func BenchmarkGetTreeLoopback(b *testing.B) {
	for _, nodes := range []int{1000, 10000, 100000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			key := stubTreeKey(nodes)
			benchLoopback(b, 1, func(ctx context.Context, p peer) error { return p.getTree(ctx, key) })
		})
	}
}

func BenchmarkGetTree(b *testing.B) {
	for _, nodes := range []int{100, 10000, 100000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			benchCanned(b, tree(nodes), func(ctx context.Context, p peer) error { return p.getTree(ctx, treeKey) })
		})
	}
}

// BenchmarkDecode has no sub-benchmark of ours, whose decoder is not exported: that
// is BenchmarkGetTree/nodes=…/ours.
func BenchmarkDecode(b *testing.B) {
	for _, nodes := range []int{100, 10000, 100000} {
		body := tree(nodes)
		for _, d := range decoders() {
			b.Run(fmt.Sprintf("nodes=%d/%s", nodes, strings.ReplaceAll(d.name, "/", "-")), func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				bench(b, func() error { return d.decode(body, &document{}) })
			})
		}
	}
}

func BenchmarkWatcher(b *testing.B) {
	s := benchStub(b)
	for _, m := range makers() {
		b.Run(m.name, func(b *testing.B) {
			all, leave, err := guests(s.endpoints[0], []maker{m})
			if err != nil {
				b.Fatal(err)
			}
			defer leave()
			b.ReportAllocs()
			if err := follow(b.Context(), all[0].peer)(b.N); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkEvents is one event of a stream.
func BenchmarkEvents(b *testing.B) {
	s := benchStub(b)
	b.Run(oursName, func(b *testing.B) {
		t := newTransport()
		defer t.CloseIdleConnections()
		kapi, err := keysOn(s.endpoints[0], t)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		if err := streamed(b.Context(), kapi, b.N); err != nil {
			b.Fatal(err)
		}
	})
}
