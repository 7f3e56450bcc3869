package integration

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/integration/harness"
)

// recipesProof is how long the faults in the tests of package concurrency go
// on, for each server: the flag, or else RECIPES_PROOF. Each fault is made once
// at least.
var (
	recipesProof = flag.Duration("recipes-proof", durationOf("RECIPES_PROOF", 10*time.Second), "how long to hold locks, lead and queue during faults")
	recipesSeed  = flag.Uint64("recipes-seed", uint64(time.Now().UnixNano()), "of the faults that locks, elections and queues meet")
)

const (
	faultyTTL = 10 // seconds, of the sessions that live through faults

	// outlived is a silence of two members that sessions of faultyTTL live
	// through: they end 8 s after their last renewal; the next is due after 3.3 s,
	// and may spend 1.3 s on a member that does not answer.
	outlived = 2 * time.Second

	// recovery bounds what is done when all members are healthy again: sessions
	// and elections of the cluster may have to end first.
	recovery = time.Minute
)

// newSession begins a session of a new client, which ends with the test.
func newSession(t *testing.T, kapi client.KeysAPI, ttl int) *concurrency.Session {
	t.Helper()
	s := must[*concurrency.Session](t)(concurrency.NewSession(kapi, concurrency.WithTTL(ttl)))
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// A participant has one session after the other, as a program has that goes on
// when its session has ended.
type participant struct {
	*concurrency.Session
	name string
	kapi client.KeysAPI

	ended []error // why earlier sessions have ended
}

// participants have clients of their own.
func participants(t *testing.T, c *harness.Cluster, names ...string) []*participant {
	t.Helper()
	all := make([]*participant, 0, len(names))
	for _, name := range names {
		p := &participant{name: name, kapi: freshKeys(t, c)}
		check(t, p.begin(t.Context()))
		t.Cleanup(func() { check(t, p.Close()) })
		all = append(all, p)
	}
	return all
}

// begin begins a session, for as long as that takes, and forgets the one before.
func (p *participant) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, recovery)
	defer cancel()
	return harness.Until(ctx, func(context.Context) error {
		s, err := concurrency.NewSession(p.kapi, concurrency.WithTTL(faultyTTL)) //nolint:contextcheck // It outlives this call.
		if err == nil {
			p.Session = s
		}
		return err
	})
}

// outlives begins another session where the error is that the session has ended,
// and returns any other one.
func (p *participant) outlives(ctx context.Context, err error) error {
	if !errors.Is(err, concurrency.ErrSessionExpired) {
		return err
	}
	p.ended = append(p.ended, err)
	p.Orphan()
	return p.begin(ctx)
}

// wantSessionsToLive checks that no session has ended while the cluster had a
// quorum. All that it suffered were faults of one member.
func wantSessionsToLive(t *testing.T, all []*participant, silence time.Duration) {
	t.Helper()
	t.Logf("the longest silence of two members at once was %v", silence.Round(time.Millisecond))
	for _, p := range all {
		for _, err := range p.ended {
			if silence < outlived {
				t.Errorf("%s: a session of %d s ended, though two members were never silent for more than %v: %v", p.name, faultyTTL, silence, err)
			} else {
				t.Logf("%s: a session of %d s ended, as two members were silent for %v: %v", p.name, faultyTTL, silence, err)
			}
		}
	}
}

// recipeFaults are faults of one member. Each ends with all members healthy.
func recipeFaults() []fault {
	return append(faultKinds(), fault{"losing answers", losesAnswers}, fault{"resetting", resets})
}

// losesAnswers loses every other answer to a write that the member has carried
// out.
func losesAnswers(_ *testing.T, _ *harness.Cluster, m *harness.Member) func() {
	loseHalf(m, "")
	return m.Proxy().Clear
}

// loseHalf loses every other answer to writes below a directory.
func loseHalf(m *harness.Member, dir string) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		m.Proxy().Inject(harness.Fault{
			Kind: harness.LoseAnswer, Match: keyPath(method, dir),
			When: func(string) bool { return rand.IntN(2) == 0 },
		})
	}
}

// resets resets connections, some before a request is carried out, and some in
// the middle of its answer.
func resets(_ *testing.T, _ *harness.Cluster, m *harness.Member) func() {
	for _, kind := range []harness.FaultKind{harness.ResetBeforeHeaders, harness.ResetMidBody} {
		m.Proxy().Inject(harness.Fault{
			Kind: kind, Match: harness.Match{Path: "/v2"},
			When: func(string) bool { return rand.IntN(4) == 0 },
		})
	}
	return m.Proxy().Clear
}

// sufferFaults makes each fault, one at a time and of the leader half the time,
// until the time is over, and returns how long two members at once were silent.
func sufferFaults(t *testing.T, c *harness.Cluster) (silence time.Duration) {
	t.Helper()
	t.Logf("-recipes-seed=%d", *recipesSeed)
	pulse := harness.TakePulse(t.Context(), c.Members())
	r := rand.New(rand.NewPCG(*recipesSeed, 0)) //nolint:gosec // To be repeated.
	over := time.Now().Add(*recipesProof)
	all := recipeFaults()
	for again := true; again; again = time.Now().Before(over) {
		for _, i := range r.Perm(len(all)) {
			m := c.Member(r.IntN(len(c.Members())))
			if r.IntN(2) == 0 {
				m = leaderOf(t, c)
			}
			end := all[i].begin(t, c, m)
			pause(time.Duration(500+r.IntN(2000)) * time.Millisecond)
			end()
		}
	}
	return pulse.Silence()
}

// leaderOf asks who leads the cluster.
func leaderOf(t *testing.T, c *harness.Cluster) *harness.Member {
	t.Helper()
	api := client.NewMembersAPI(must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()})))
	var leader *harness.Member
	eventually(t, func(ctx context.Context) error {
		m, err := api.Leader(ctx)
		if err != nil {
			return err
		}
		leader = c.MemberAt(m.ClientURLs[0])
		return nil
	})
	return leader
}
