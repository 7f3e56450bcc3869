package faults_test

import (
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestGateway_OneOfTwo has two endpoints, of which one answers with a page: fresh
// clients use the other.
func TestGateway_OneOfTwo(t *testing.T) {
	onEach(t, func(o on) {
		t, s := o.t, o.server
		m := harness.Start(t, s, harness.Options{}).Member(0)
		g := startGateway(t, m.ClientURL())
		notEnabled := harness.Start(t, s, harness.Options{DisableV2: true}).Member(0)
		tests := map[string]string{"a member without --enable-v2": notEnabled.ClientURL()}
		for _, status := range []int{403, 404, 408, 429, 502, 503} {
			tests[strconv.Itoa(status)] = g.URL()
		}
		for name, bad := range tests {
			t.Run(name, func(t *testing.T) {
				if status, err := strconv.Atoi(name); err == nil {
					g.Answer(status)
				}
				failed := 0
				var example error
				const clients = 20
				for range clients {
					kapi, _ := newKeys(t, client.Config{Endpoints: []string{bad, m.ClientURL()}})
					if _, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil); err != nil {
						failed++
						example = err
						continue
					}
					if _, err := kapi.Get(within(t, 5*time.Second), "/k", nil); err != nil {
						failed++
						example = err
					}
				}
				if failed > 0 {
					t.Errorf("%d of %d fresh clients failed: %v", failed, clients, example)
				}
			})
		}
	})
}

// TestGateway_TimeoutIsUnknown has a gateway that answers 408: the write may have
// been applied.
func TestGateway_TimeoutIsUnknown(t *testing.T) {
	onEach(t, func(o on) {
		t, s := o.t, o.server
		m := harness.Start(t, s, harness.Options{}).Member(0)
		g := startGateway(t, m.ClientURL())
		for _, status := range []int{http.StatusRequestTimeout, 499, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout} {
			g.Answer(status)
			kapi, _ := newKeys(t, client.Config{Endpoints: []string{g.URL()}})
			if _, err := kapi.Create(within(t, 5*time.Second), "/k", "v"); !errors.Is(err, client.ErrOutcomeUnknown) {
				t.Errorf("Create answered %d: %T %v", status, err, err)
			}
		}
	})
}
