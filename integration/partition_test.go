package integration

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// cutOff cuts a member off from its peers, until the test ends or heal is called.
func cutOff(t *testing.T, c *harness.Cluster, m *harness.Member) (heal func()) {
	t.Helper()
	check(t, c.Partition(m))
	t.Cleanup(c.Heal)
	return func() {
		t.Helper()
		c.Heal()
		check(t, c.WaitHealthy(t.Context()))
	}
}

// setAt sets a key at these members, as soon as they have a quorum.
func setAt(t *testing.T, members []*harness.Member, key, value string) {
	t.Helper()
	kapi := keysOf(t, members)
	eventually(t, func(ctx context.Context) error {
		_, err := kapi.Set(ctx, key, value, nil)
		return err
	})
}

func TestWatchOnAMemberThatIsCutOff(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		for name, fromNow := range watchStarts() {
			t.Run(name, func(t *testing.T) {
				kapi, key := freshKeys(t, c), uniqueKey("watched")
				m := pinnedMember(t, c, kapi)
				event := next(within(t, callTimeout), watcherOf(t, kapi, key, fromNow))
				waitForWatch(t, m)
				var heal func()
				wantPrompt(t, "the event, after the cut", others(c, m), 10*time.Second, func() {
					heal = cutOff(t, c, m)
					setAt(t, others(c, m), key, "v")
					wantEvent(t, <-event, "set", key, "v")
				})

				// A member does not say of a plain read that it may be behind. But
				// once a watch has found out, reads follow it.
				resp, err := kapi.Get(within(t, 5*time.Second), key, nil)
				if got := mustResponse(t, resp, err).Node.Value; got != "v" {
					t.Errorf("the read that followed got %q", got)
				}
				if now := pinnedMember(t, c, kapi); now == m {
					t.Error("reads stay with the member that is cut off")
				}
				heal()
			})
		}
	})
}

func TestWatchStaysWhereNoMemberHasAQuorum(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi, key := freshKeys(t, c), uniqueKey("watched")
		m := pinnedMember(t, c, kapi)
		event := next(within(t, time.Minute), watcherOf(t, kapi, key, true))
		waitForWatch(t, m)
		for _, other := range others(c, m) {
			other.Kill()
		}
		before := m.Proxy().Requests(healthChecks)
		harness.WaitFor(t, callTimeout, func() error {
			select {
			case got := <-event:
				t.Fatalf("the watch ended: %v, %v", got.resp, got.err)
			default:
			}
			// With the third one the watch has had its say about two.
			if probes := m.Proxy().Requests(healthChecks) - before; probes < 3 {
				return fmt.Errorf("%d probes since the others were killed", probes)
			}
			return nil
		})
		if polls := m.Proxy().Requests(harness.Match{Query: "wait=true"}); polls != 1 {
			t.Errorf("%d long polls at the member", polls)
		}
		wantPrompt(t, "a plain read", []*harness.Member{m}, time.Second, func() {
			resp, err := kapi.Get(within(t, 5*time.Second), key, nil)
			mustResponse(t, resp, err)
		})

		for _, other := range others(c, m) {
			check(t, other.Restart(t.Context()))
		}
		setAt(t, c.Members(), key, "v")
		wantEvent(t, <-event, "set", key, "v")
	})
}

func TestQuorumReadAtAMemberThatIsCutOff(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi, key := freshKeys(t, c), uniqueKey("read")
		m := pinnedMember(t, c, kapi)
		cutOff(t, c, m)
		setAt(t, others(c, m), key, "v")
		wantPrompt(t, "the read", others(c, m), 10*time.Second, func() {
			resp, err := kapi.Get(within(t, 20*time.Second), key, &client.GetOptions{Quorum: true})
			if got := mustResponse(t, resp, err).Node.Value; got != "v" {
				t.Errorf("value %q", got)
			}
		})
	})
}

// The server itself gives a write up after 5 s and two election time-outs.
func TestWriteAtAMemberThatIsCutOff(t *testing.T) {
	const bound = 12 * time.Second
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		set, create, dir := freshKeys(t, c), freshKeys(t, c), uniqueKey("queue")
		m := pinnedMember(t, c, set)
		for pinnedMember(t, c, create) != m {
			create = freshKeys(t, c)
		}
		heal := cutOff(t, c, m)
		setAt(t, others(c, m), "/elected", "v")
		done := make(chan struct{})
		go func() {
			defer close(done)
			wantPrompt(t, "CreateInOrder", others(c, m), bound, func() {
				_, err := create.CreateInOrder(within(t, 20*time.Second), dir, "v", nil)
				wantUnknown(t, "CreateInOrder", err)
			})
		}()
		wantPrompt(t, "Set", others(c, m), bound, func() {
			_, err := set.Set(within(t, 20*time.Second), "/k", "v", nil)
			check(t, err)
		})
		<-done
		if _, requests := askedFor(c, keyPath(http.MethodPost, dir)); requests != 1 {
			t.Errorf("the servers saw %d requests", requests)
		}
		heal()
		if n := childrenOf(t, set, dir); n > 1 {
			t.Errorf("applied %d times", n)
		}
	})
}
