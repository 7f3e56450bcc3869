package faults_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// on is a test on one server.
type on struct {
	t      *testing.T
	server harness.Server
}

// onEach runs a test on each server, in parallel.
func onEach(t *testing.T, run func(o on)) {
	t.Helper()
	t.Parallel()
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			run(on{t, s})
		})
	}
}

// must returns a value that is there without an error.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// within returns a context that ends after d, or with the test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// newKeys returns the keys API of a new client, with a transport of its own unless
// there is one.
func newKeys(t *testing.T, cfg client.Config) (client.KeysAPI, client.Client) {
	t.Helper()
	if cfg.Transport == nil {
		cfg.Transport = newTransport(t, client.TransportOptions{})
	}
	c := must[client.Client](t)(client.New(cfg))
	return client.NewKeysAPI(c), c
}

// newTransport returns a transport that is closed with the test.
func newTransport(t *testing.T, o client.TransportOptions) *client.Transport {
	t.Helper()
	transport := must[*client.Transport](t)(client.NewTransport(o))
	t.Cleanup(func() { _ = transport.Close() })
	return transport
}

// set sets keys one after the other, by the member itself, and returns the index of
// the first.
func set(t *testing.T, m *harness.Member, o client.TransportOptions, keys ...string) (first uint64) {
	t.Helper()
	kapi, _ := newKeys(t, client.Config{Endpoints: []string{m.DirectURL()}, Transport: newTransport(t, o)})
	for _, key := range keys {
		resp, err := kapi.Set(within(t, 20*time.Second), key, "v", nil)
		if err != nil {
			t.Fatal(err)
		}
		if first == 0 {
			first = resp.Node.ModifiedIndex
		}
	}
	return first
}

// startGateway starts a gateway that ends with the test.
func startGateway(t *testing.T, target string) *harness.Gateway {
	t.Helper()
	g := must[*harness.Gateway](t)(harness.StartGateway(t.Context(), target))
	t.Cleanup(g.Close)
	return g
}

// startLink starts a link that ends with the test.
func startLink(t *testing.T, l harness.Link) *harness.Proxy {
	t.Helper()
	p := must[*harness.Proxy](t)(harness.StartLink(t.Context(), l))
	t.Cleanup(p.Close)
	return p
}

// newServerTLS makes a CA and a certificate of it for servers.
func newServerTLS(t *testing.T) *harness.ServerTLS {
	t.Helper()
	ca := must[*harness.CA](t)(harness.NewCA())
	return &harness.ServerTLS{CA: ca, Cert: must[harness.KeyPair](t)(ca.Issue("server"))}
}

// keyPath matches the requests with a key.
func keyPath(method, key string) harness.Match {
	return harness.Match{Method: method, Path: "/v2/keys" + key}
}

// cloneOfDefault returns a clone of the default transport.
func cloneOfDefault(t *testing.T) *http.Transport {
	t.Helper()
	base, ok := client.DefaultTransport.(*http.Transport)
	if !ok {
		t.Fatalf("the default transport is a %T", client.DefaultTransport)
	}
	c := base.Clone()
	t.Cleanup(c.CloseIdleConnections)
	return c
}
