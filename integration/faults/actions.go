package faults

import (
	"context"
	"net/http"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// A Target is the members that a step is on.
type Target int

const (
	// TargetPinned is the member that all clients begin with.
	TargetPinned Target = iota
	// CurrentLeader is the member that leads at the time of the step.
	CurrentLeader
	// Next is one member after the other.
	Next
	// Same is the member of the step before.
	Same
	// All is each member.
	All
)

// An Action does something to a member.
type Action func(ctx context.Context, s *env, m *harness.Member) error

// A Step is an action, and how long it is until the next one.
type Step struct {
	Do   Action
	On   Target
	Then time.Duration
}

func (st Step) take(ctx context.Context, s *env) error {
	switch st.On {
	case TargetPinned:
		s.last = s.pinned
	case CurrentLeader:
		leader, err := s.leader(ctx)
		if err != nil {
			return err
		}
		s.last = leader
	case Next:
		s.last = s.cluster.Member(s.turns % len(s.cluster.Members()))
		s.turns++
	case Same:
	case All:
		for _, m := range s.cluster.Members() {
			if err := st.Do(ctx, s, m); err != nil {
				return err
			}
		}
		return pause(ctx, st.Then)
	}
	if err := st.Do(ctx, s, s.last); err != nil {
		return err
	}
	return pause(ctx, st.Then)
}

func kill(_ context.Context, s *env, m *harness.Member) error {
	s.mayElect = true
	m.Kill()
	return nil
}

func restart(ctx context.Context, _ *env, m *harness.Member) error { return m.Restart(ctx) }

// restartAll is on no member: one alone does not become healthy.
func restartAll(ctx context.Context, s *env, _ *harness.Member) error {
	return s.cluster.Restart(ctx)
}

// nothing is for scenarios whose network is the fault.
func nothing(context.Context, *env, *harness.Member) error { return nil }

func stop(_ context.Context, s *env, m *harness.Member) error {
	s.mayElect = true
	return m.Stop()
}

func goOn(_ context.Context, _ *env, m *harness.Member) error { return m.Cont() }

func reset(_ context.Context, s *env, m *harness.Member) error {
	s.front(m).Reset()
	return nil
}

// front returns what has the connections of the clients: the member's proxy, or the
// link before all members, whose connections may go to any of them.
func (s *env) front(m *harness.Member) *harness.Proxy {
	if s.network.OneAddress {
		return s.network.links[0]
	}
	return m.Proxy()
}

// refuse resets the connections, and refuses new ones.
func refuse(_ context.Context, _ *env, m *harness.Member) error {
	m.Proxy().Refuse()
	return nil
}

func accept(ctx context.Context, _ *env, m *harness.Member) error { return m.Proxy().Accept(ctx) }

// swallow makes the existing connections a black hole; new ones are served.
func swallow(_ context.Context, s *env, m *harness.Member) error {
	s.front(m).Blackhole()
	return nil
}

// swallowAll makes the member a black hole for clients; its peers reach it.
func swallowAll(_ context.Context, _ *env, m *harness.Member) error {
	m.Proxy().BlackholeAll()
	return nil
}

func cutOff(_ context.Context, s *env, m *harness.Member) error {
	s.mayElect = true
	return s.cluster.Partition(m)
}

func heal(_ context.Context, s *env, _ *harness.Member) error {
	s.cluster.Heal()
	return nil
}

// slowDown holds each answer back for longer than the client waits before it
// asks whether the member is there: with a deadline of 5 s, that is 1 s.
func slowDown(_ context.Context, _ *env, m *harness.Member) error {
	m.Proxy().Inject(harness.Fault{Kind: harness.Slow, Match: harness.Match{Path: "/v2"}, Delay: 1500 * time.Millisecond})
	return nil
}

// loseAnswers makes the next answer to each kind of write get lost. Of a call that
// may be repeated, one of the three members has its answer pass.
func loseAnswers(_ context.Context, s *env, m *harness.Member) error {
	for _, l := range s.loads {
		for _, match := range l.Requests {
			m.Proxy().Inject(harness.Fault{Kind: harness.LoseAnswer, Match: match, When: s.mayLose(l), Count: 1})
		}
	}
	return nil
}

// cutWatches ends the next replies to watches, late, with a fault of that kind.
func cutWatches(kind harness.FaultKind) Action {
	return func(_ context.Context, _ *env, m *harness.Member) error {
		m.Proxy().Inject(harness.Fault{
			Kind: kind, Match: harness.Match{Method: http.MethodGet, Path: "/v2/keys" + setsDir, Query: "wait=true"},
			Delay: 1200 * time.Millisecond, Count: 6,
		})
		return nil
	}
}

// answerPage makes the gateway before the member answer with a page.
func answerPage(status int) Action {
	return func(_ context.Context, s *env, m *harness.Member) error {
		s.network.gateways[m].Answer(status)
		return nil
	}
}

// clearFaults ends what slowDown, swallowAll, loseAnswers and cutWatches began.
func clearFaults(_ context.Context, _ *env, m *harness.Member) error {
	m.Proxy().Clear()
	return nil
}
