package faults_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestDeadline_OfAnotherCall has a member that answers /health and /version after 600 ms and a
// Create after 3 s, beside a Get with a deadline of 1 s that it does not answer in
// time: that deadline is not the Create's.
func TestDeadline_OfAnotherCall(t *testing.T) {
	onEach(t, func(o on) {
		t, s := o.t, o.server
		m := harness.Start(t, s, harness.Options{Proxied: true}).Member(0)
		m.Proxy().Inject(
			harness.Fault{Kind: harness.Slow, Match: harness.Match{Path: "/health"}, Delay: 600 * time.Millisecond},
			harness.Fault{Kind: harness.Slow, Match: harness.Match{Path: "/version"}, Delay: 600 * time.Millisecond},
			harness.Fault{Kind: harness.Slow, Match: harness.Match{Path: "/v2/keys/slow"}, Delay: 3 * time.Second},
		)
		var wg sync.WaitGroup
		defer wg.Wait()
		// The Create is two seconds late, and the Get 200 ms, when they ask for the
		// member's health.
		for late := 1500 * time.Millisecond; late <= 2200*time.Millisecond; late += 50 * time.Millisecond {
			kapi, _ := newKeys(t, client.Config{Endpoints: []string{m.ClientURL()}})
			wg.Go(func() {
				pause(t.Context(), late)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				_, _ = kapi.Get(ctx, "/slow/get", nil) // It fails, and is not what is tested.
			})
			wg.Go(func() {
				began := time.Now()
				if _, err := kapi.Create(context.Background(), fmt.Sprint("/slow/create", late), "v"); err != nil {
					t.Errorf("a Get after %v: Create without a deadline failed after %v: %v", late, time.Since(began), err)
				}
			})
		}
	})
}

// TestDeadline_RoundTripsOf150ms makes Creates with a deadline of 1 s, each of a
// fresh client.
func TestDeadline_RoundTripsOf150ms(t *testing.T) {
	serverTLS := newServerTLS(t)
	for name, tt := range map[string]struct {
		options harness.Options
		think   time.Duration // of the server
		http1   bool
	}{
		"plain, 300 ms to answer": {harness.Options{Proxied: true}, 300 * time.Millisecond, true},
		"TLS, HTTP 1.1":           {harness.Options{TLS: serverTLS}, 0, true},
		"TLS, HTTP 2":             {harness.Options{TLS: serverTLS}, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(o on) {
				t, s := o.t, o.server
				m := harness.Start(t, s, tt.options).Member(0)
				if tt.think > 0 {
					m.Proxy().Inject(harness.Fault{Kind: harness.Slow, Match: keyPath(http.MethodPut, "/"), Delay: tt.think})
				}
				scheme, addr, _ := strings.Cut(m.ClientURL(), "://")
				link := startLink(t, harness.Link{Targets: []string{addr}, Delay: 75 * time.Millisecond})
				transport := client.TransportOptions{DisableHTTP2: tt.http1}
				if tt.options.TLS != nil {
					transport.CAPEM = serverTLS.CA.PEM()
				}
				for i := range 5 {
					kapi, _ := newKeys(t, client.Config{Endpoints: []string{scheme + "://" + link.Addr()}, Transport: newTransport(t, transport)})
					began := time.Now()
					if _, err := kapi.Create(within(t, time.Second), fmt.Sprintf("/k%d", i), "v"); err != nil {
						t.Errorf("Create after %v: %v", time.Since(began), err)
					} else {
						t.Logf("Create took %v", time.Since(began))
					}
				}
			})
		})
	}
}
