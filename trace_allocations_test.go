package client_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/coreos/etcd/client"
)

// idleTrace has all hooks, and they do nothing.
func idleTrace() *client.Trace {
	return &client.Trace{
		AttemptStart:      func(client.AttemptInfo) {},
		AttemptDone:       func(client.AttemptResult) {},
		EndpointUnhealthy: func(client.HealthInfo) {},
		EndpointHealthy:   func(client.HealthInfo) {},
		ProbeDone:         func(client.ProbeInfo) {},
		WatchRestarted:    func(client.WatchRestartInfo) {},
		SyncDone:          func(client.SyncInfo) {},
	}
}

// tracedWays are the ways to look at a call that succeeds.
func tracedWays(ctx context.Context) []struct {
	why string
	cfg client.Config
	ctx context.Context
} {
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	return []struct {
		why string
		cfg client.Config
		ctx context.Context
	}{
		{why: "nobody looks", ctx: ctx},
		{why: "Config.Trace", cfg: client.Config{Trace: idleTrace()}, ctx: ctx},
		{why: "WithTrace", ctx: client.WithTrace(ctx, idleTrace())},
		{why: "Config.Logger", cfg: client.Config{Logger: quiet}, ctx: ctx},
	}
}

// Whoever looks pays with time and no memory: 7 allocations for a Get, as
// TestAllocationsOfACall has it.
func TestAllocationsOfATracedCall(t *testing.T) {
	for _, tt := range tracedWays(context.Background()) {
		t.Run(tt.why, func(t *testing.T) {
			tt.cfg.Endpoints, tt.cfg.Transport = []string{"http://etcd:2379"}, newCannedTransport(smallNode)
			kapi := client.NewKeysAPI(newClientOf(t, tt.cfg))
			allocs, bytes := costOf(t, func() error {
				_, err := kapi.Get(tt.ctx, "/message", nil)
				return err
			})
			t.Logf("%.0f allocations, %.0f bytes", allocs, bytes)
			if !client.RaceDetector && (allocs > 7 || bytes > 1000) {
				t.Errorf("%.0f allocations of %.0f bytes, want at most 7 and 1000", allocs, bytes)
			}
		})
	}
}

func BenchmarkTracedGet(b *testing.B) {
	for _, tt := range tracedWays(b.Context()) {
		b.Run(tt.why, func(b *testing.B) {
			tt.cfg.Endpoints, tt.cfg.Transport = []string{"http://etcd:2379"}, newCannedTransport(smallNode)
			kapi := client.NewKeysAPI(newClientOf(b, tt.cfg))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := kapi.Get(tt.ctx, "/message", nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
