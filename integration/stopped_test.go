package integration

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// healthChecks matches the probes of the client.
var healthChecks = harness.Match{Path: "/health"}

// stop stops a member, and lets it go on when the test ends.
func stop(t *testing.T, m *harness.Member) {
	t.Helper()
	check(t, m.Stop())
	t.Cleanup(func() { _ = m.Cont() })
}

// goOn lets a member that was stopped go on, and waits until it is healthy.
func goOn(t *testing.T, c *harness.Cluster, m *harness.Member) {
	t.Helper()
	check(t, m.Cont())
	check(t, c.WaitHealthy(t.Context()))
}

func TestStoppedMember(t *testing.T) {
	calls := map[string]func(context.Context, client.KeysAPI) error{
		"Get": func(ctx context.Context, kapi client.KeysAPI) error {
			_, err := kapi.Get(ctx, "/k", nil)
			return err
		},
		"quorum Get": func(ctx context.Context, kapi client.KeysAPI) error {
			_, err := kapi.Get(ctx, "/k", &client.GetOptions{Quorum: true})
			return err
		},
		"Set": func(ctx context.Context, kapi client.KeysAPI) error {
			_, err := kapi.Set(ctx, "/k", "v", nil)
			return err
		},
	}
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		resp, err := freshKeys(t, c).Set(within(t, callTimeout), "/k", "v", nil)
		mustResponse(t, resp, err)
		for name, call := range calls {
			t.Run(name, func(t *testing.T) {
				inSomeRound(t, func() bool {
					kapi := freshKeys(t, c)
					m := pinnedMember(t, c, kapi)
					stop(t, m)
					defer goOn(t, c, m)
					again := func() error { return call(within(t, 5*time.Second), kapi) }
					if !promptly(t, "the first call", others(c, m), 3*time.Second, again) {
						return false
					}
					for range 20 {
						if !promptly(t, "one of the next calls", others(c, m), time.Second, again) {
							return false
						}
					}
					return true
				})
			})
		}
	})
}

func TestStoppedMemberIsUsedAgainOnceItGoesOn(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi := freshKeys(t, c)
		m := pinnedMember(t, c, kapi)
		stop(t, m)
		resp, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil)
		mustResponse(t, resp, err)
		goOn(t, c, m)

		// Calls, none of which it gets, make the client look after it.
		before := m.Proxy().Requests(healthChecks)
		harness.WaitFor(t, callTimeout, func() error {
			resp, err := kapi.Get(within(t, 5*time.Second), "/k", nil)
			mustResponse(t, resp, err)
			if m.Proxy().Requests(healthChecks) == before || m.Proxy().Open(healthChecks) > 0 {
				return errors.New("no probe was answered")
			}
			return nil
		})
		for _, other := range others(c, m) {
			other.Kill()
		}
		wantPrompt(t, "the call that it answers", []*harness.Member{m}, time.Second, func() {
			resp, err := kapi.Get(within(t, 5*time.Second), "/k", nil)
			mustResponse(t, resp, err)
		})
		if now := pinnedMember(t, c, kapi); now != m {
			t.Errorf("%s is pinned", now.Name())
		}
	})
}

func TestStoppedMemberUnder64Callers(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		inSomeRound(t, func() bool {
			kapi := freshKeys(t, c)
			m := pinnedMember(t, c, kapi)
			stop(t, m)
			defer goOn(t, c, m)
			before, probed := m.Proxy().Connections(), m.Proxy().Requests(healthChecks)
			if !promptly(t, "64 callers at once", others(c, m), 3*time.Second, func() error { return setAtOnce(t, kapi, 64) }) {
				return false
			}
			probes, conns := m.Proxy().Requests(healthChecks)-probed, m.Proxy().Connections()-before
			t.Logf("the stopped member saw %d probes and %d connections", probes, conns)
			// One for each caller at most, and those of the probes. A probe more than
			// one is for callers that this machine let wait.
			if probes > 3 || conns > 64+probes {
				t.Errorf("%d probes, %d connections", probes, conns)
			}
			return true
		})
	})
}

// setAtOnce sets keys, each by a caller of its own.
func setAtOnce(t *testing.T, kapi client.KeysAPI, callers int) error {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, errs[i] = kapi.Set(ctx, "/k"+strconv.Itoa(i), "v", nil)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func TestStoppedMemberAndAWriteThatMustNotBeRepeated(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		for name, deadline := range map[string]time.Duration{"deadline of 5 s": 5 * time.Second, "no deadline": 0} {
			t.Run(name, func(t *testing.T) {
				kapi, dir := freshKeys(t, c), uniqueKey("queue")
				m := pinnedMember(t, c, kapi)
				stop(t, m)
				ctx, bound := t.Context(), 5*time.Second
				if deadline > 0 {
					ctx, bound = within(t, deadline), 3*time.Second
				}
				wantPrompt(t, "the error", others(c, m), bound, func() {
					_, err := kapi.CreateInOrder(ctx, dir, "v", nil)
					wantUnknown(t, "CreateInOrder", err)
				})
				if asked, requests := askedFor(c, keyPath(http.MethodPost, dir)); requests != 1 || asked[0] != m {
					t.Errorf("%d requests to %d members", requests, len(asked))
				}
				goOn(t, c, m)
				if n := childrenOf(t, kapi, dir); n > 1 {
					t.Errorf("applied %d times", n)
				}
			})
		}
	})
}

func TestWatchOnAMemberThatIsStopped(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		for name, fromNow := range watchStarts() {
			t.Run(name, func(t *testing.T) {
				kapi, key := freshKeys(t, c), uniqueKey("watched")
				m := pinnedMember(t, c, kapi)
				event := next(within(t, callTimeout), watcherOf(t, kapi, key, fromNow))
				waitForWatch(t, m)
				stop(t, m)
				wantPrompt(t, "the event", others(c, m), 10*time.Second, func() {
					setAt(t, others(c, m), key, "v")
					wantEvent(t, <-event, "set", key, "v")
				})
				goOn(t, c, m)
			})
		}
	})
}

// watchStarts are the two ways to begin a watch: from now on, or after an index.
func watchStarts() map[string]bool { return map[string]bool{"from now": true, "from an index": false} }

// watcherOf watches a key from now on, or from after its first event, which it makes.
func watcherOf(t *testing.T, kapi client.KeysAPI, key string, fromNow bool) client.Watcher {
	t.Helper()
	resp, err := kapi.Set(within(t, callTimeout), key, "before", nil)
	index := mustResponse(t, resp, err).Node.ModifiedIndex
	if fromNow {
		return kapi.Watcher(key, nil)
	}
	return kapi.Watcher(key, &client.WatcherOptions{AfterIndex: index})
}

// waitForWatch waits until the member has taken a long poll: from then on one
// from now has its beginning.
func waitForWatch(t *testing.T, m *harness.Member) {
	t.Helper()
	harness.WaitFor(t, callTimeout, func() error {
		if m.Proxy().Answering(harness.Match{Query: "wait=true"}) == 0 {
			return errors.New("no watch")
		}
		return nil
	})
}

func TestBodyThatStopsHalfWay(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		for name, kind := range map[string]harness.FaultKind{"stalls": harness.StallMidBody, "reset": harness.ResetMidBody} {
			t.Run(name, func(t *testing.T) {
				kapi, key := freshKeys(t, c), uniqueKey("body")
				resp, err := kapi.Set(within(t, callTimeout), key, "v", nil)
				mustResponse(t, resp, err)
				pinnedMember(t, c, kapi).Proxy().Inject(harness.Fault{Kind: kind, Match: keyPath(http.MethodGet, key)})
				wantPrompt(t, "the read", c.Members(), 5*time.Second, func() {
					resp, err := kapi.Get(within(t, callTimeout), key, &client.GetOptions{Quorum: true})
					if got := mustResponse(t, resp, err).Node.Value; got != "v" {
						t.Errorf("value %q", got)
					}
				})
			})
		}
	})
}

func TestConnectionsThatBecomeABlackHole(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi := freshKeys(t, c)
		m := pinnedMember(t, c, kapi)
		m.Proxy().Blackhole()
		// The member answers probes, which come on new connections, so it is
		// merely slow: the context is what ends the call.
		ctx := within(t, 2*time.Second)
		if _, err := kapi.CreateInOrder(ctx, "/queue", "v", nil); !isBare(err, ctx.Err()) || ctx.Err() == nil {
			t.Errorf("got %T (%v), want %v itself", err, err, ctx.Err())
		}
		wantPrompt(t, "the next call", c.Members(), time.Second, func() {
			resp, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil)
			mustResponse(t, resp, err)
		})
	})
}
