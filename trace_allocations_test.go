package client_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/coreos/etcd/client"
)

// idleTrace returns a Trace that has all functions. They do nothing.
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

// tracedWays are the ways to observe a call.
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
		{why: "no tracer", ctx: ctx},
		{why: "Config.Trace", cfg: client.Config{Trace: idleTrace()}, ctx: ctx},
		{why: "WithTrace", ctx: client.WithTrace(ctx, idleTrace())},
		{why: "Config.Logger", cfg: client.Config{Logger: quiet}, ctx: ctx},
	}
}

// A tracer or a logger takes time and no memory: the limits are those of
// TestKeysAPI_Allocations.
func TestTrace_Allocations(t *testing.T) {
	var untraced float64
	for i, tt := range tracedWays(context.Background()) {
		t.Run(tt.why, func(t *testing.T) {
			tt.cfg.Endpoints, tt.cfg.Transport = []string{"http://etcd:2379"}, newCannedTransport(smallNode)
			kapi := client.NewKeysAPI(newClientOf(t, tt.cfg))
			get := func() error {
				_, err := kapi.Get(tt.ctx, "/message", nil)
				return err
			}
			checkCost(t, get, bareCall(newCannedTransport(smallNode), http.MethodGet, "", nil))
			allocs, _ := costOf(t, get)
			if i == 0 {
				untraced = allocs
			}
			if !client.RaceDetector && allocs > untraced {
				t.Errorf("%.0f allocations, want %.0f as without a tracer", allocs, untraced)
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
