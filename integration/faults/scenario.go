package faults

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// A Role is what the pinned member is in its cluster, at first.
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
// In every scenario and network, and so not repeated here: no acknowledged write
// is lost, nothing is applied twice that must not be, no error means that a write
// was not applied when it was, no call ends with an error that is neither
// the context's nor a *client.ClusterError, none outlives its deadline, and when
// all is over every load goes on.
type Scenario struct {
	Name string
	// StrictWrites is that of the clients' configuration, which is else the
	// default one.
	StrictWrites bool
	// Role is that of the pinned member.
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
	// FullOnly leaves the scenario out of tests.
	FullOnly bool
	// Once leaves the scenario out of networks that don't have it in their Only:
	// what it shows is the same as in another scenario, or in the first network.
	Once bool
	// Outage is for how long the steps leave no two members that answer; zero for
	// all that leave them.
	Outage time.Duration
	// Needs is what a network must have.
	Needs Need
	// Promises are what is asserted besides.
	Promises []Promise
	// MaxProbes bounds how many probes all clients send in a minute; zero means
	// no bound.
	MaxProbes int
	// ByLoad makes a row of the table of each load.
	ByLoad bool
}

// A Need is something that not every network has.
type Need int

const (
	// RequestFaults are faults of single requests; proxies must see them, which
	// over TLS they don't.
	RequestFaults Need = 1 << iota
	// Gateways are before the members.
	Gateways
)

// A Promise is made to the callers of a load.
type Promise struct {
	Load string
	// NoFailure means that every call succeeds.
	NoFailure bool
	// MayFail is the share of calls that may fail; zero means no bound, unless
	// NoFailure is set.
	MayFail float64
	// SomeUnknown means that some calls end with client.ErrOutcomeUnknown: where
	// none do, the scenario does not show what it is for.
	SomeUnknown bool
	// SomeResent means that some requests reach the servers twice.
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

// ErrTooBusy says that a row could not be run on a machine that was too busy.
var ErrTooBusy = errors.New("too busy a machine")

// Run runs the row on a new cluster, for the length. Its error is for what kept
// it from being run; what was found is in the result.
func (r Row) Run(ctx context.Context, server harness.Server, length time.Duration) (result *Result, err error) {
	sc := r.Scenario
	ctx, cancel := context.WithTimeout(ctx, length+scenarioTime)
	defer cancel()
	c, network, err := r.Network.start(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("faults: %s: %w", r.Name(), err)
	}
	defer func() {
		if err == nil && result != nil && len(result.Problems()) > 0 {
			result.Logs = c.Logs()
		}
		network.close()
		err = errors.Join(err, c.Close())
	}()
	s, err := newEnv(c, network, sc.StrictWrites)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	s.loads = r.loads()
	began := time.Now()
	pulse := harness.TakePulse(ctx, c.Members())
	running, err := r.run(ctx, s, length)
	strain := Strain{Silence: max(0, pulse.Silence()-sc.Outage), Lag: pulse.Lag(), Elections: !s.mayElect && pulse.Terms() > 0}
	if err != nil && strain.IsTooMuch() {
		err = errors.Join(ErrTooBusy, err)
	}
	if err != nil {
		return nil, fmt.Errorf("faults: %s: %w\n%v\n%s", r.Name(), err, strain, c.Logs())
	}
	result = &Result{Row: r, Took: time.Since(began), Strain: strain, Probes: s.probes()}
	for _, load := range running {
		lr, err := load.result(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("faults: %s: audit of %s: %w", r.Name(), load.Name, err)
		}
		result.Loads = append(result.Loads, lr)
	}
	result.judge()
	return result, nil
}

// run lets the callers work while the steps are taken.
func (r Row) run(ctx context.Context, s *env, length time.Duration) ([]*running, error) {
	loads, err := r.Scenario.prepare(ctx, s)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	calls, lasting := newGroup(ctx, cancel), newGroup(ctx, cancel)
	for _, l := range loads {
		if l.Lasting {
			lasting.work(l)
		} else {
			calls.work(l)
		}
	}
	err = r.Scenario.takeSteps(ctx, s, length)
	calm := time.Now()
	if err == nil {
		err = goOnSince(ctx, s, loads, calm)
	}
	calls.stop()
	if err == nil {
		err = catchUp(ctx, s, loads)
	}
	lasting.cancel()
	lasting.stop()
	for _, l := range loads {
		l.goesOn = l.ledger.succeededSince(calm)
	}
	return loads, err
}

// takeSteps takes them, round after round, and waits for a healthy cluster.
func (sc Scenario) takeSteps(ctx context.Context, s *env, length time.Duration) error {
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

// prepare writes what must be there, chooses the pinned member, and makes the clients.
func (sc Scenario) prepare(ctx context.Context, s *env) ([]*running, error) {
	first := map[string]string{readKey: readValue}
	for _, l := range s.loads {
		if l.Name != swaps {
			continue
		}
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
	return s.workers(ctx)
}

// workers makes the callers of each load, with a client of their own.
func (s *env) workers(ctx context.Context) ([]*running, error) {
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
// hang in a call; when that does not help, their results show it.
func goOnSince(ctx context.Context, s *env, loads []*running, calm time.Time) error {
	if err := s.writeSentinel(ctx, loads); err != nil {
		return err
	}
	if err := pause(ctx, afterwards); err != nil {
		return err
	}
	waitCtx, cancel := context.WithTimeout(ctx, max(callDeadline, s.network.CatchUp))
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
// don't in time, their audit shows it.
func catchUp(ctx context.Context, s *env, loads []*running) error {
	catchCtx, cancel := context.WithTimeout(ctx, max(catchUpTime, s.network.CatchUp))
	defer cancel()
	for _, r := range loads {
		r.ledger.close(time.Now())
	}
	for _, r := range loads {
		if w, ok := r.job.(interface{ caughtUp(context.Context) error }); ok {
			if err := harness.Until(catchCtx, w.caughtUp); err != nil && ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

// A group is loads that begin and end together.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	fail   context.CancelCauseFunc
	ended  chan struct{}
	wg     sync.WaitGroup
}

func newGroup(ctx context.Context, fail context.CancelCauseFunc) *group {
	t := &group{fail: fail, ended: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(ctx)
	return t
}

func (t *group) work(r *running) {
	t.wg.Go(func() {
		if err := r.work(t.ctx, t.ended); err != nil {
			t.fail(err)
		}
	})
}

// stop waits for the calls on their way. Lasting ones end with cancel.
func (t *group) stop() {
	close(t.ended)
	t.wg.Wait()
	t.cancel()
}
