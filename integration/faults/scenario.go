package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// A Role is what the victim is in its cluster, at first.
type Role int

const (
	// Follower forwards to the leader what needs a quorum.
	Follower Role = iota
	// Leader is missed by all, until there is another one.
	Leader
)

// String names the role in the name of a scenario.
func (r Role) String() string {
	if r == Leader {
		return "leader"
	}
	return "follower"
}

// A Scenario is what happens to a cluster of three members while callers make
// calls, and what is promised to them.
//
// What always holds, and is not said here: no acknowledged write is lost, nothing
// is applied twice that must not be, no caller is told that a write was not
// applied when it was, no call ends with an error that is neither the context's
// nor a *client.ClusterError, none outlives its deadline, and when all is over
// every load goes on.
type Scenario struct {
	Name string
	// StrictWrites is that of the clients' configuration, which is else the
	// default one.
	StrictWrites bool
	// Role is that of the victim.
	Role Role
	// Loads are what callers do; nil means the everyday loads.
	Loads []Load
	// Steps are one round.
	Steps []Step
	// Length is for how long rounds follow each other; the last one is completed.
	// There is one at least.
	Length time.Duration
	// Short is that in tests; it is one round where it is zero.
	Short time.Duration
	// Promises are what is asserted besides.
	Promises []Promise
	// Gap is what is not as it should be yet.
	Gap Gap
	// ByLoad makes a row of the table of each load.
	ByLoad bool
}

// A Gap says of a load, and why, that some assertions about it are known to
// fail. They don't count as failed; that none of them fails does.
type Gap struct{ Load, Why string }

// A Promise is made to the callers of a load.
type Promise struct {
	Load string
	// NoFailure says that every call succeeds.
	NoFailure bool
	// SomeUnknown says that some calls end with client.ErrOutcomeUnknown: where
	// none do, the scenario does not show what it is for.
	SomeUnknown bool
	// SomeResent says that some requests reach the servers twice.
	SomeResent bool
	// Call bounds every call, Stall the time without success; zero means none.
	Call, Stall time.Duration
}

const (
	warmUp = 500 * time.Millisecond
	// afterwards is how long the loads go on when all is over.
	afterwards = 2 * time.Second
	// catchUpTime is how long watches may take to report what was written.
	catchUpTime = 8 * time.Second
	// scenarioTime is what a scenario may take besides its length.
	scenarioTime = 3 * time.Minute
)

// Run runs the scenario on a new cluster, for the length. Its error is for what
// kept it from being run; what was found is in the result.
func (sc Scenario) Run(ctx context.Context, server harness.Server, length time.Duration) (result *Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, length+scenarioTime)
	defer cancel()
	c, err := harness.StartCluster(ctx, server, harness.Options{Members: 3, Proxied: true})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err == nil && result != nil && len(result.Problems()) > 0 {
			result.Logs = c.Logs()
		}
		err = errors.Join(err, c.Close())
	}()
	s, err := newStage(c, sc.StrictWrites)
	if err != nil {
		return nil, err
	}
	if s.loads = sc.Loads; s.loads == nil {
		s.loads = everyday()
	}
	began := time.Now()
	pulse := harness.TakePulse(ctx, c.Members())
	running, err := sc.play(ctx, s, length)
	silence := pulse.Silence()
	if err != nil {
		return nil, fmt.Errorf("faults: %s: %w\n%s", sc.Name, err, c.Logs())
	}
	result = &Result{Scenario: sc, Took: time.Since(began), Silence: silence}
	for _, r := range running {
		lr, err := r.result(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("faults: %s: audit of %s: %w", sc.Name, r.Name, err)
		}
		result.Loads = append(result.Loads, lr)
	}
	result.judge()
	return result, nil
}

// play lets the callers work while the steps are taken.
func (sc Scenario) play(ctx context.Context, s *stage, length time.Duration) ([]*running, error) {
	loads, err := sc.prepare(ctx, s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	calls, lasting := newTroupe(ctx, cancel), newTroupe(ctx, cancel)
	for _, r := range loads {
		if r.Lasting {
			lasting.work(r)
		} else {
			calls.work(r)
		}
	}
	err = sc.takeSteps(ctx, s, length)
	calm := time.Now()
	if err == nil {
		err = goOnSince(ctx, loads, calm)
	}
	calls.stop()
	if err == nil {
		err = catchUp(ctx, loads)
	}
	lasting.cancel()
	lasting.stop()
	for _, r := range loads {
		r.goesOn = r.ledger.succeededSince(calm)
	}
	return loads, err
}

// takeSteps takes them, round after round, and waits for a healthy cluster.
func (sc Scenario) takeSteps(ctx context.Context, s *stage, length time.Duration) error {
	if err := pause(ctx, warmUp); err != nil {
		return err
	}
	start := time.Now()
	for first := true; first || time.Since(start) < length; first = false {
		for _, step := range sc.Steps {
			if err := step.take(ctx, s); err != nil {
				return err
			}
		}
	}
	return s.cluster.WaitHealthy(ctx)
}

// prepare writes what must be there, chooses the victim, and makes the clients.
func (sc Scenario) prepare(ctx context.Context, s *stage) ([]*running, error) {
	first := map[string]string{readKey: readValue}
	for _, l := range s.loads {
		for caller := range l.Callers {
			first[counterKey(caller)] = "0"
		}
	}
	for key, value := range first {
		err := s.eventually(ctx, func(ctx context.Context) error {
			resp, err := s.keys.Set(ctx, key, value, nil)
			if err == nil {
				s.index = max(s.index, resp.Node.ModifiedIndex)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if err := s.choose(ctx, sc.Role); err != nil {
		return nil, err
	}
	return s.cast(ctx)
}

// cast makes the callers of each load, with a client of their own.
func (s *stage) cast(ctx context.Context) ([]*running, error) {
	all := make([]*running, 0, len(s.loads))
	for _, l := range s.loads {
		c, err := s.newClient(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, &running{Load: l, job: l.job(l, s, c)})
	}
	for _, r := range all {
		r.ledger = newLedger(time.Now())
		s.ledgers[r.Name] = r.ledger
	}
	return all, nil
}

// goOnSince lets the loads go on for a while, and waits for those that still
// hang in a call; when that does not help, their results tell.
func goOnSince(ctx context.Context, loads []*running, calm time.Time) error {
	if err := pause(ctx, afterwards); err != nil {
		return err
	}
	waitCtx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	err := harness.Until(waitCtx, func(context.Context) error {
		for _, r := range loads {
			if !r.ledger.succeededSince(calm) {
				return fmt.Errorf("%s: no success yet", r.Name)
			}
		}
		return nil
	})
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// catchUp waits until the watches have reported what was written; when they
// don't in time, their audit tells.
func catchUp(ctx context.Context, loads []*running) error {
	catchCtx, cancel := context.WithTimeout(ctx, catchUpTime)
	defer cancel()
	for _, r := range loads {
		r.ledger.close(time.Now())
		if w, ok := r.job.(*watcher); ok {
			if err := harness.Until(catchCtx, w.caughtUp); err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// A troupe is loads that begin and end together.
type troupe struct {
	ctx    context.Context
	cancel context.CancelFunc
	fail   context.CancelCauseFunc
	ended  chan struct{}
	wg     sync.WaitGroup
}

func newTroupe(ctx context.Context, fail context.CancelCauseFunc) *troupe {
	t := &troupe{fail: fail, ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(ctx)
	return t
}

func (t *troupe) work(r *running) {
	t.wg.Go(func() {
		if err := r.work(t.ctx, t.ended); err != nil {
			t.fail(err)
		}
	})
}

// stop waits for the calls on their way. Lasting ones end with cancel.
func (t *troupe) stop() {
	close(t.ended)
	t.wg.Wait()
	t.cancel()
}
