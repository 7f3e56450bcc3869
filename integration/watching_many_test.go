package integration

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A countedPolls transport counts the watches that servers have taken.
type countedPolls struct {
	http.RoundTripper
	taken atomic.Int64
}

func (p *countedPolls) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := p.RoundTripper.RoundTrip(req)
	if err == nil && req.URL.Query().Has("wait") {
		p.taken.Add(1)
	}
	return resp, err
}

// inUse is the memory that heap and stacks take, garbage aside.
func inUse() uint64 {
	runtime.GC()
	runtime.GC() // The second one sweeps what the first one has found.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func TestThousandWatchesOnOneClient(t *testing.T) {
	const watches = 1000
	kinds := map[string]func(ctx context.Context, kapi client.KeysAPI, key string, got func(value string) bool) error{
		"Watcher": func(ctx context.Context, kapi client.KeysAPI, key string, got func(string) bool) error {
			w := kapi.Watcher(key, nil)
			for {
				resp, err := w.Next(ctx)
				if err != nil {
					return err
				}
				if !got(resp.Node.Value) {
					return nil
				}
			}
		},
		"Events": func(ctx context.Context, kapi client.KeysAPI, key string, got func(string) bool) error {
			for event, err := range client.Events(ctx, kapi, key, nil) {
				if err != nil {
					return err
				}
				if !got(event.Node.Value) {
					break
				}
			}
			return nil
		},
	}
	for _, s := range harness.Servers(t) {
		for name, watch := range kinds {
			for _, overTLS := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/TLS %v", s, name, overTLS), func(t *testing.T) {
					transport := &http.Transport{MaxConnsPerHost: watches, MaxIdleConnsPerHost: watches}
					options := harness.Options{}
					if overTLS {
						options.TLS, transport = manyOverFew(t)
					}
					thousandWatches(t, harness.Start(t, s, options), transport, watches, watch)
				})
			}
		}
	}
}

func thousandWatches(t *testing.T, c *harness.Cluster, transport *http.Transport, watches int,
	watch func(ctx context.Context, kapi client.KeysAPI, key string, got func(value string) bool) error,
) {
	t.Helper()
	polls := &countedPolls{RoundTripper: transport}
	writing := transport.Clone()
	writer := client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints(), Transport: writing})))
	kapi := client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints(), Transport: polls})))
	ctx := within(t, callTimeout)
	check(t, set(ctx, writer, "/warm", "up"))
	leaks := goleak.IgnoreCurrent()
	before := inUse()

	var wg sync.WaitGroup
	var first, second atomic.Int64
	began := time.Now()
	for i := range watches {
		wg.Go(func() {
			err := watch(ctx, kapi, fmt.Sprintf("/many/%d", i), func(value string) bool {
				if value == "first" {
					first.Add(1)
					return true
				}
				second.Add(1)
				return false
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	waitCount := func(what string, count *atomic.Int64) {
		t.Helper()
		harness.WaitFor(t, callTimeout, func() error {
			if n := count.Load(); n < int64(watches) {
				return fmt.Errorf("%d %s", n, what)
			}
			return nil
		})
	}
	waitCount("watches", &polls.taken)
	taken := time.Since(began)
	memory := inUse() - before
	t.Logf("%d watches in %v, %d bytes each", watches, taken.Round(time.Millisecond), memory/uint64(watches))

	for _, value := range []string{"first", "second"} {
		var writers sync.WaitGroup
		for w := range 16 {
			writers.Go(func() {
				for i := w; i < watches; i += 16 {
					if err := set(ctx, writer, fmt.Sprintf("/many/%d", i), value); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		writers.Wait()
	}
	waitCount("first events", &first)
	waitCount("second events", &second)
	wg.Wait()
	// A probe, or a connection whose last streams have just been cancelled, has a
	// moment to end.
	harness.WaitFor(t, 10*time.Second, func() error {
		transport.CloseIdleConnections()
		writing.CloseIdleConnections()
		if err := goleak.Find(leaks); err != nil {
			return errors.Join(errors.New("watches leave goroutines behind"), err)
		}
		return nil
	})
}

// manyOverFew makes a transport that speaks HTTP/2, over which many watches share
// few connections.
func manyOverFew(t *testing.T) (*harness.ServerTLS, *http.Transport) {
	t.Helper()
	const connections = 20
	server := newServerTLS(t, false)
	return server, &http.Transport{
		MaxConnsPerHost: connections, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: server.CA.Pool(), MinVersion: tls.VersionTLS12},
	}
}
