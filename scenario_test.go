package client_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

// scenario is a cluster of fakes by host: each has a way to answer, and one for its
// pulse.
type scenario struct {
	*fakeTransport
	mu    sync.Mutex // guards the fields below
	first string     // the host that got the first request that was no probe
}

// newScenario makes the host that is asked first answer with victim, the others with
// well; sick answers the probes of the victim, those of the others are healthy.
func newScenario(t *testing.T, victim, sick, well fakeAnswer) *scenario {
	t.Helper()
	s := &scenario{}
	s.fakeTransport = newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if s.isVictim(req.URL.Host) {
			return victim
		}
		return well
	})
	s.pulse = func(req *http.Request) fakeAnswer {
		if s.isVictim(req.URL.Host) {
			return sick
		}
		return fakeAnswer{body: healthy}
	}
	return s
}

func (s *scenario) isVictim(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == "" {
		s.first = host
	}
	return s.first == host
}

// recover makes the victim answer like the others from now on.
func (s *scenario) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = "nobody"
}

func (s *scenario) keys(t *testing.T, hosts ...string) client.KeysAPI {
	t.Helper()
	for i, host := range hosts {
		hosts[i] = "http://" + host
	}
	return client.NewKeysAPI(newClient(t, s, hosts...))
}

// bubble is a test in virtual time, with its context.
type bubble struct {
	*testing.T
	ctx context.Context
}

// within runs f in a bubble, with a context that ends after timeout, and checks
// how long it took.
func within(t *testing.T, timeout, want time.Duration, f func(bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		start := time.Now()
		f(bubble{t, ctx})
		if took := time.Since(start); took != want {
			t.Errorf("took %s, want %s", took, want)
		}
	})
}
