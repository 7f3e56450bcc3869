package faults_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestConnections_Swallowed has one endpoint whose established connections become a
// black hole; calls and a watch must leave them.
func TestConnections_Swallowed(t *testing.T) {
	for name, newRoundTripper := range map[string]func(*testing.T, *harness.ServerTLS) http.RoundTripper{
		"TLS, HTTP 1.1": func(t *testing.T, s *harness.ServerTLS) http.RoundTripper {
			t.Helper()
			return newTransport(t, client.TransportOptions{CAPEM: s.CA.PEM(), DisableHTTP2: true})
		},
		"TLS, HTTP 2": func(t *testing.T, s *harness.ServerTLS) http.RoundTripper {
			t.Helper()
			return newTransport(t, client.TransportOptions{CAPEM: s.CA.PEM()})
		},
		"TLS, HTTP 2, clone of DefaultTransport": func(t *testing.T, s *harness.ServerTLS) http.RoundTripper {
			t.Helper()
			transport := cloneOfDefault(t)
			transport.TLSClientConfig = &tls.Config{RootCAs: s.CA.Pool(), MinVersion: tls.VersionTLS12}
			return transport
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(o on) {
				t, s := o.t, o.server
				serverTLS := newServerTLS(t)
				m := harness.Start(t, s, harness.Options{TLS: serverTLS, RawProxies: true}).Member(0)
				kapi, _ := newKeys(t, client.Config{Endpoints: []string{m.ClientURL()}, Transport: newRoundTripper(t, serverTLS)})
				// Over HTTP/1.1 it takes a watch about a minute: a row of the full run.
				watches := !strings.Contains(name, "HTTP 1.1")
				after := set(t, m, client.TransportOptions{CAPEM: serverTLS.CA.PEM()}, "/w/0")
				if _, err := kapi.Get(within(t, 10*time.Second), "/w/0", nil); err != nil {
					t.Fatal(err)
				}
				ctx := within(t, 60*time.Second)
				reported := make(chan error, 1)
				go func() {
					if !watches {
						reported <- nil
						return
					}
					_, err := kapi.Watcher("/w", &client.WatcherOptions{AfterIndex: after, Recursive: true}).Next(ctx)
					reported <- err
				}()
				pause(ctx, 500*time.Millisecond) // The watch is waiting.
				m.Proxy().Blackhole()
				swallowed := time.Now()
				calls := get(ctx, kapi, swallowed.Add(40*time.Second))
				if calls.succeeded.IsZero() {
					t.Errorf("all %d calls failed in 40 s: %v", calls.failed, calls.last)
				} else {
					t.Logf("%d calls failed, until %v after", calls.failed, calls.succeeded.Sub(swallowed))
				}
				set(t, m, client.TransportOptions{CAPEM: serverTLS.CA.PEM()}, "/w/1")
				if err := <-reported; err != nil {
					t.Errorf("the watch has not reported what happened: %v", err)
				}
				t.Logf("the watch reported after %v", time.Since(swallowed))
			})
		})
	}
}

// gets is how calls ended, one a second.
type gets struct {
	failed    int
	succeeded time.Time // the first success
	last      error
}

// get makes a call a second until one succeeds or the time is over.
func get(ctx context.Context, kapi client.KeysAPI, end time.Time) (g gets) {
	for time.Now().Before(end) {
		began := time.Now()
		callCtx, cancel := context.WithTimeout(ctx, time.Second)
		_, g.last = kapi.Get(callCtx, "/w/0", nil)
		cancel()
		if g.last == nil {
			g.succeeded = time.Now()
			return g
		}
		g.failed++
		pause(ctx, time.Until(began.Add(time.Second)))
	}
	return g
}
