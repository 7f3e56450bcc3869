// Package rawfaults breaks the members of a cluster that has harness.Options.RawProxies,
// one at a time.
package rawfaults

import (
	"context"
	"math/rand/v2"
	"os"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// recovery is the time between two faults.
const recovery = 500 * time.Millisecond

// A Fault is something that goes wrong with one member, and is over when Do returns.
type Fault struct {
	Name string
	Do   func(ctx context.Context, c *harness.Cluster, m *harness.Member) error
}

// Faults are one of each kind.
func Faults() []Fault {
	return []Fault{
		{"killed", func(ctx context.Context, _ *harness.Cluster, m *harness.Member) error {
			m.Kill()
			pause(time.Second)
			return m.Restart(ctx)
		}},
		{"stopped", func(_ context.Context, _ *harness.Cluster, m *harness.Member) error {
			if err := m.Stop(); err != nil {
				return err
			}
			pause(2 * time.Second)
			return m.Cont()
		}},
		{"cut off", func(_ context.Context, c *harness.Cluster, m *harness.Member) error {
			if err := c.Partition(m); err != nil {
				return err
			}
			pause(2 * time.Second)
			c.Heal()
			return nil
		}},
		{"its answers are lost", func(_ context.Context, _ *harness.Cluster, m *harness.Member) error {
			for range 3 {
				m.Proxy().LoseAnswers()
				pause(300 * time.Millisecond)
				m.Proxy().Reset()
				pause(300 * time.Millisecond)
			}
			return nil
		}},
		{"swallows all", func(_ context.Context, _ *harness.Cluster, m *harness.Member) error {
			m.Proxy().Blackhole()
			pause(time.Second)
			m.Proxy().Reset()
			return nil
		}},
		{"refuses", func(ctx context.Context, _ *harness.Cluster, m *harness.Member) error {
			m.Proxy().Refuse()
			pause(time.Second)
			return m.Proxy().Accept(ctx)
		}},
		{"all are restarted, one after the other", func(ctx context.Context, c *harness.Cluster, _ *harness.Member) error {
			for _, each := range c.Members() {
				if err := each.Restart(ctx); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

// Time is how long faults go on for each server beyond one of each kind: V3_FAULTS.
func Time() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("V3_FAULTS")); err == nil {
		return d
	}
	return 0
}

// Suffer makes one fault of each kind, of random members and in random order, and goes
// on with any of them for as long as Time says. In the end all members are healthy.
func Suffer(ctx context.Context, c *harness.Cluster, random *rand.Rand, log func(format string, args ...any)) error {
	all := Faults()
	suffer := func(f Fault) error {
		m := c.Member(random.IntN(len(c.Members())))
		log("%s: %s", m.Name(), f.Name)
		err := f.Do(ctx, c, m)
		pause(recovery)
		return err
	}
	over := time.Now().Add(Time())
	for _, i := range random.Perm(len(all)) {
		if err := suffer(all[i]); err != nil {
			return err
		}
	}
	for time.Now().Before(over) {
		if err := suffer(all[random.IntN(len(all))]); err != nil {
			return err
		}
	}
	return c.WaitHealthy(ctx)
}

func pause(d time.Duration) { <-time.After(d) }
