package integration

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// faultTime is how long faults go on for each server beyond one of each kind:
// V3_FAULTS.
func faultTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("V3_FAULTS")); err == nil {
		return d
	}
	return 0
}

// A fault is something that goes wrong with one member, and is over when do
// returns.
type fault struct {
	name string
	do   func(s story, m *harness.Member)
}

func pause(d time.Duration) { <-time.After(d) }

func faults() []fault {
	restart := func(s story, m *harness.Member) { check(s, m.Restart(s.ctx)) }
	return []fault{
		{"killed", func(s story, m *harness.Member) { m.Kill(); pause(time.Second); restart(s, m) }},
		{"stopped", func(s story, m *harness.Member) { check(s, m.Stop()); pause(2 * time.Second); check(s, m.Cont()) }},
		{"cut off", func(s story, m *harness.Member) { check(s, s.c.Partition(m)); pause(2 * time.Second); s.c.Heal() }},
		{"its answers are lost", func(_ story, m *harness.Member) {
			for range 3 {
				m.Proxy().LoseAnswers()
				pause(300 * time.Millisecond)
				m.Proxy().Reset()
				pause(300 * time.Millisecond)
			}
		}},
		{"swallows all", func(_ story, m *harness.Member) {
			m.Proxy().Blackhole()
			pause(time.Second)
			m.Proxy().Reset()
		}},
		{"refuses", func(s story, m *harness.Member) {
			m.Proxy().Refuse()
			pause(time.Second)
			check(s, m.Proxy().Accept(s.ctx))
		}},
		{"all are restarted, one after the other", func(s story, _ *harness.Member) {
			for _, each := range s.c.Members() {
				restart(s, each)
			}
		}},
	}
}

func TestFaultsUnderLoad(t *testing.T) {
	onEach(t, harness.Options{Members: 3, RawProxies: true}, func(s story) {
		seed := uint64(time.Now().UnixNano())
		s.Logf("seed %d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		l, all := startLoad(s), faults()
		suffer := func(f fault) {
			m := s.c.Member(random.IntN(3))
			s.Logf("%s: %s", m.Name(), f.name)
			f.do(s, m)
			pause(500 * time.Millisecond)
		}
		over := time.Now().Add(faultTime())
		for _, i := range random.Perm(len(all)) {
			suffer(all[i])
		}
		for time.Now().Before(over) {
			suffer(all[random.IntN(len(all))])
		}
		check(s, s.c.WaitHealthy(s.ctx))
		l.conclude()
	})
}
