package bridge

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/integration/rawfaults"
	"github.com/coreos/etcd/clientv3/keysapi"
)

const (
	// callTimeout bounds one call under faults.
	callTimeout = 5 * time.Second
	// pace is the pause between two calls of one caller, so that the servers are
	// busy with faults rather than with calls.
	pace = 20 * time.Millisecond
	// recovery bounds what is done when all members are healthy again.
	recovery = time.Minute
)

// A site is a cluster of one server, behind proxies that make faults.
type site struct {
	*testing.T
	ctx context.Context // bounds all calls
	c   *harness.Cluster
}

// onSites tells a story on a cluster of each v3 server, side by side.
func onSites(t *testing.T, members int, tell func(st site)) {
	t.Helper()
	t.Parallel()
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout+rawfaults.Time())
			t.Cleanup(cancel)
			tell(site{t, ctx, harness.Start(t, server, harness.Options{Members: members, RawProxies: true, DisableV2: true})})
		})
	}
}

// prefix is where in the v3 store these stories have their keys.
const prefix = "v2:"

// keys gives a KeysAPI of a client of its own.
func (st site) keys() client.KeysAPI {
	st.Helper()
	return keysapi.New(st.client(), keysapi.WithPrefix(prefix))
}

func (st site) client() *clientv3.Client {
	st.Helper()
	return newClient(st.T, st.c)
}

// suffer makes faults until all members are healthy again.
func (st site) suffer() {
	st.Helper()
	st.Logf("-bridge-seed=%d", *seed)
	if err := rawfaults.Suffer(st.ctx, st.c, rand.New(rand.NewPCG(*seed, 0)), st.Logf); err != nil { //nolint:gosec // To be repeated.
		st.Fatal(err)
	}
}

// eventually makes a call until it succeeds.
func (st site) eventually(do func(ctx context.Context) error) {
	st.Helper()
	ctx, cancel := context.WithTimeout(st.ctx, recovery)
	defer cancel()
	err := harness.Until(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return do(ctx)
	})
	if err != nil {
		st.Fatal(err)
	}
}

// An outcome is what a caller was told of a write.
type outcome int

const (
	acknowledged outcome = iota + 1
	refused              // by the store, which says why
	unknown              // it may be done: ErrOutcomeUnknown, or the context has ended
	noEffect             // a *client.ClusterError that says that nothing was done
	wrong                // anything else; no call may end so
)

func outcomeOf(err error) outcome {
	var said client.Error
	switch {
	case err == nil:
		return acknowledged
	case err == context.DeadlineExceeded, errors.Is(err, client.ErrOutcomeUnknown): //nolint:errorlint // The contract: contexts' errors are returned bare.
		return unknown
	case errors.Is(err, client.ErrClusterUnavailable):
		return noEffect
	case errors.As(err, &said) && said.Code < client.ErrorCodeRaftInternal && said.Code != client.ErrorCodeUnauthorized:
		return refused
	}
	return wrong
}

// A write is what a caller was told of one, and when: began and ended are ticks of a
// clock that all callers share.
type write struct {
	key, value   string
	outcome      outcome
	began, ended int64
}

// A ledger is what callers were told. It is safe for concurrent use.
type ledger struct {
	clock atomic.Int64

	mu     sync.Mutex // guards the field below
	writes []write
}

// note makes a write and notes what came of it. The key may be told by the answer.
func (l *ledger) note(ctx context.Context, key, value string, do func(ctx context.Context) (*client.Response, error)) error {
	w := write{key: key, value: value, began: l.clock.Add(1)}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := do(ctx)
	w.ended, w.outcome = l.clock.Add(1), outcomeOf(err)
	if err == nil && resp.Node != nil {
		w.key = resp.Node.Key
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes = append(l.writes, w)
	return err
}

// count tells how many writes came to an outcome.
func (l *ledger) count(o outcome) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, w := range l.writes {
		if w.outcome == o {
			n++
		}
	}
	return n
}

// A crew is callers that work until they are told to stop.
type crew struct {
	site
	stop    chan struct{}
	working sync.WaitGroup
}

func (st site) newCrew() *crew { return &crew{site: st, stop: make(chan struct{})} }

// work makes a call again and again. The error of a call must not be wrong.
func (c *crew) work(do func(ctx context.Context, n int) error) {
	c.working.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-c.stop:
				return
			case <-time.After(pace):
			}
			if err := do(c.ctx, n); outcomeOf(err) == wrong {
				c.Errorf("a call ended with %T: %v", err, err)
				return
			}
		}
	})
}

// rest ends the work.
func (c *crew) rest() {
	close(c.stop)
	c.working.Wait()
}
