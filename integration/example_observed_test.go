package integration

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// startExampleServer starts an etcd of one member.
func startExampleServer(ctx context.Context) *harness.Cluster {
	server, err := harness.BuildEtcd35(ctx)
	if err != nil {
		log.Fatal(err)
	}
	cluster, err := harness.StartCluster(ctx, server, harness.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return cluster
}

// Each request is a span, by OpenTelemetry.
func Example_openTelemetry() {
	ctx := context.Background()
	cluster := startExampleServer(ctx)
	defer cluster.Close()

	spans := tracetest.NewInMemoryExporter() // yours sends them somewhere
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	defer provider.Shutdown(ctx)

	transport, err := client.NewTransport(client.TransportOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer transport.Close()
	c, err := client.New(client.Config{
		Endpoints: cluster.Endpoints(),
		Transport: otelhttp.NewTransport(transport, otelhttp.WithTracerProvider(provider)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = client.NewKeysAPI(c).Set(ctx, "/greeting", "hello", nil); err != nil {
		fmt.Println(err)
		return
	}
	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name, span.SpanKind)
	}
	// Output: HTTP PUT client
}

// Requests are counted by status and method, for Prometheus.
func Example_prometheus() {
	ctx := context.Background()
	cluster := startExampleServer(ctx)
	defer cluster.Close()

	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "etcd_requests_total", Help: "Requests to etcd.",
	}, []string{"code", "method"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(requests)

	transport, err := client.NewTransport(client.TransportOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer transport.Close()
	var counted http.RoundTripper = promhttp.InstrumentRoundTripperCounter(requests, transport)
	c, err := client.New(client.Config{Endpoints: cluster.Endpoints(), Transport: counted})
	if err != nil {
		fmt.Println(err)
		return
	}
	kapi := client.NewKeysAPI(c)
	for range 2 {
		if _, err = kapi.CreateInOrder(ctx, "/queue", "job", nil); err != nil {
			fmt.Println(err)
			return
		}
	}
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, metric := range families[0].GetMetric() {
		for _, label := range metric.GetLabel() {
			fmt.Print(label.GetName(), "=", label.GetValue(), " ")
		}
		fmt.Println(metric.GetCounter().GetValue())
	}
	// Output: code=201 method=post 2
}
