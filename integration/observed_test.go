package integration

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// tracing makes a provider of traces that keeps the spans.
func tracing(t *testing.T) (*trace.TracerProvider, *tracetest.InMemoryExporter) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	t.Cleanup(func() {
		if err := provider.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return provider, spans
}

// TestOpenTelemetry has a span for each request, below the caller's own: over TCP
// and over a socket.
func TestOpenTelemetry(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			file, _ := harness.StartOnSocket(t, s, nil)
			for _, endpoint := range []string{c.Endpoints()[0], "unix://" + file} {
				provider, spans := tracing(t)
				transport := otelhttp.NewTransport(ownTransport(t, client.TransportOptions{}), otelhttp.WithTracerProvider(provider))
				cl, ctx := newClient(t, client.Config{Endpoints: []string{endpoint}, Transport: transport})
				kapi := client.NewKeysAPI(cl)
				ctx, parent := provider.Tracer("test").Start(ctx, "parent")
				set, err := kapi.Set(ctx, "/k", "v", nil)
				mustResponse(t, set, err)
				event, err := kapi.Watcher("/k", &client.WatcherOptions{AfterIndex: set.Node.ModifiedIndex - 1}).Next(ctx)
				mustResponse(t, event, err)
				if _, err = kapi.Get(ctx, "/absent", nil); !client.IsKeyNotFound(err) {
					t.Errorf("got %v", err)
				}
				parent.End()

				var got []string
				for _, span := range spans.GetSpans() {
					if span.SpanKind != oteltrace.SpanKindClient {
						continue
					}
					if span.Parent.SpanID() != parent.SpanContext().SpanID() {
						t.Errorf("%s is not below the caller's span", span.Name)
					}
					status := ""
					for _, a := range span.Attributes {
						if a.Key == "http.response.status_code" {
							status = a.Value.Emit()
						}
					}
					got = append(got, fmt.Sprint(span.Name, " ", status, " ", span.Status.Code == codes.Error))
				}
				// In the order in which they ended.
				if want := []string{"HTTP PUT 201 false", "HTTP GET 200 false", "HTTP GET 404 true"}; !slices.Equal(got, want) {
					t.Errorf("%s: spans %q, want %q", endpoint, got, want)
				}
			}
		})
	}
}

// TestPrometheus counts and times the requests.
func TestPrometheus(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{})
			requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "etcd_requests_total"}, []string{"code", "method"})
			durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "etcd_request_seconds"}, []string{"method"})
			inFlight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "etcd_requests_in_flight"})
			var transport http.RoundTripper = ownTransport(t, client.TransportOptions{})
			transport = promhttp.InstrumentRoundTripperCounter(requests, transport)
			transport = promhttp.InstrumentRoundTripperDuration(durations, transport)
			transport = promhttp.InstrumentRoundTripperInFlight(inFlight, transport)

			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: transport})
			kapi := client.NewKeysAPI(cl)
			for i := range 3 {
				resp, err := kapi.Set(ctx, fmt.Sprint("/k", i), "v", nil)
				mustResponse(t, resp, err)
			}
			if _, err := kapi.Get(ctx, "/absent", nil); !client.IsKeyNotFound(err) {
				t.Errorf("got %v", err)
			}
			for labels, want := range map[[2]string]float64{{"201", "put"}: 3, {"404", "get"}: 1} {
				if got := testutil.ToFloat64(requests.WithLabelValues(labels[:]...)); got != want {
					t.Errorf("%v: counted %v, want %v", labels, got, want)
				}
			}
			if n, idle := testutil.CollectAndCount(durations), testutil.ToFloat64(inFlight); n != 2 || idle != 0 {
				t.Errorf("timed %d methods, want 2; %v requests are said to be under way", n, idle)
			}
		})
	}
}
