package integration

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3/integration/rawfaults"
)

func pause(d time.Duration) { <-time.After(d) }

// suffer makes faults until all members are healthy again.
func (s story) suffer() {
	s.Helper()
	seed := uint64(time.Now().UnixNano())
	s.Logf("seed %d", seed)
	check(s, rawfaults.Suffer(s.ctx, s.c, rand.New(rand.NewPCG(seed, 0)), s.Logf))
}

func TestFaultsUnderLoad(t *testing.T) {
	onEach(t, harness.Options{Members: 3, RawProxies: true}, func(s story) {
		l := startLoad(s)
		s.suffer()
		l.conclude()
	})
}
