package integration

import (
	"context"
	"flag"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// watchProof is how long the faults of the proof go on, for each server: the
// flag, or else WATCH_PROOF.
var (
	watchProof = flag.Duration("watch-proof", durationOf("WATCH_PROOF", 15*time.Second), "how long to watch during faults")
	watchSeed  = flag.Uint64("watch-seed", uint64(time.Now().UnixNano()), "of the faults that are chosen at random")
)

func durationOf(env string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(env)); err == nil {
		return d
	}
	return otherwise
}

// historyRoom is how far a writer may be ahead of the slowest watch: less than
// the 1,000 events that servers remember.
const historyRoom = 700

// proveOnAll runs a proof on three members of each server, side by
// side and with nothing else going on.
func proveOnAll(t *testing.T, run func(p *proof)) {
	t.Helper()
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			t.Logf("-watch-seed=%d", *watchSeed)
			run(&proof{
				T: t, c: harness.Start(t, s, harness.Options{Members: 3, Proxied: true}),
				rand: rand.New(rand.NewPCG(*watchSeed, 0)), //nolint:gosec // To be repeated.
			})
		})
	}
}

// begin starts the writer and the watches.
func (p *proof) begin(writers int, pace func() bool) (stop func()) {
	p.Helper()
	dir := uniqueKey("proof")
	p.writer = newWriter(p.T, dir, p.c.Members())
	p.writer.pace = pace
	eventually(p.T, func(ctx context.Context) error { return p.writer.write(ctx, p.writer.key(0), "first") })
	p.began = p.writer.last("")
	p.followers = watchers(dir, p.began)
	stop = startFollowing(p.T, p.c, p.followers)
	p.writer.start(p.Context(), writers)
	return stop
}

func TestWatchingLosesNothingDuringFaults(t *testing.T) {
	proveOnAll(t, func(p *proof) {
		stop := p.begin(1, func() bool { return p.ahead() < historyRoom })
		over := time.Now().Add(*watchProof)
		all := faultKinds()
		for _, i := range p.rand.Perm(len(all)) {
			p.suffer(all[i], p.aNewEvent())
		}
		for time.Now().Before(over) {
			overcome := p.aNewEvent()
			if p.rand.IntN(2) == 0 {
				overcome = nil
			}
			p.suffer(all[p.rand.IntN(len(all))], overcome)
		}
		p.conclude(stop)
		for _, f := range p.followers {
			if n := len(f.losses); n > 0 {
				p.Errorf("%s: %d losses, though the writer waited", f.name, n)
			}
		}
	})
}

func TestWatchingSaysWhatIsLostDuringFaults(t *testing.T) {
	const writers, least, most = 24, 2, 8
	proveOnAll(t, func(p *proof) {
		stop := p.begin(writers, nil)
		all := silences()
		i := p.rand.IntN(len(all))
		byResync, byError := 0, 0
		for n := range most {
			overcome := p.aNewEvent()
			p.suffer(all[i], func() bool { return p.ahead() > 1200 || overcome() })
			p.waitUntil(p.aNewEvent(), "the watches did not go on")
			i = (i + 1) % len(all)
			byResync, byError = p.losses()
			if n+1 >= least && byResync > 0 && byError > 0 {
				break
			}
		}
		p.conclude(stop)
		if byResync == 0 || byError == 0 {
			p.Errorf("%d losses by resync, %d by an error: this has shown nothing", byResync, byError)
		}
	})
}

// losses counts what was told by a snapshot, and by an error.
func (p *proof) losses() (byResync, byError int) {
	for _, f := range p.followers {
		for _, l := range f.lost() {
			if l.snapshot != nil {
				byResync++
			} else {
				byError++
			}
		}
	}
	return byResync, byError
}
