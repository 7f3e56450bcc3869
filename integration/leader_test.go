package integration

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

func TestPrioritizeLeaderFollowsElections(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		seen := newRecorder(t)
		cl := must[client.Client](t)(client.New(client.Config{
			Endpoints: c.Endpoints(), Transport: seen, SelectionMode: client.EndpointSelectionPrioritizeLeader,
		}))
		kapi := client.NewKeysAPI(cl)
		set := func() string {
			t.Helper()
			resp, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil)
			mustResponse(t, resp, err)
			return seen.pinned(t)
		}
		first := set()
		leader := func(of []*harness.Member) string {
			t.Helper()
			var url string
			watcher := must[client.Client](t)(client.New(client.Config{Endpoints: endpointsOf(of)}))
			harness.WaitFor(t, callTimeout, func() error {
				m, err := client.NewMembersAPI(watcher).Leader(within(t, 5*time.Second))
				if err != nil {
					return err
				}
				if url = m.ClientURLs[0]; url == first && len(of) < 3 {
					return fmt.Errorf("the leader is still %s", url)
				}
				return nil
			})
			return url
		}
		if want := leader(c.Members()); first != want {
			t.Fatalf("the first call went to %s; the leader is %s", first, want)
		}
		dead := c.MemberAt(first)
		dead.Kill()
		want := leader(others(c, dead))
		calls := 1
		for set() != want {
			if calls++; calls > 5 {
				t.Fatalf("call %d still went to %s; the leader is %s", calls, seen.pinned(t), want)
			}
		}
		t.Logf("call %d after the election went to the leader", calls)
	})
}

// An election that no call noticed by a failure is told by the term.
func TestPrioritizeLeaderNoticesANewTerm(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		seen := newRecorder(t)
		cl := must[client.Client](t)(client.New(client.Config{
			Endpoints: c.Endpoints(), Transport: seen, SelectionMode: client.EndpointSelectionPrioritizeLeader,
		}))
		kapi := client.NewKeysAPI(cl)
		resp, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil)
		mustResponse(t, resp, err)
		first := c.MemberAt(seen.pinned(t))
		heal := cutOff(t, c, first)
		setAt(t, others(c, first), "/elected", "v")
		heal()
		var leader string
		harness.WaitFor(t, callTimeout, func() error {
			m, err := client.NewMembersAPI(cl).Leader(within(t, 5*time.Second))
			if err != nil {
				return err
			}
			leader = m.ClientURLs[0]
			return nil
		})
		calls := 0
		for {
			resp, err := kapi.Set(within(t, 5*time.Second), "/k", "v", nil)
			mustResponse(t, resp, err)
			if calls++; seen.pinned(t) == leader {
				break
			}
			if calls > 5 {
				t.Fatalf("call %d still went to %s; the leader is %s", calls, seen.pinned(t), leader)
			}
		}
		t.Logf("call %d after the election went to the leader, another one than before: %v", calls, leader != first.ClientURL())
	})
}

// A leader that stops takes the requests with it that were on their way from
// other members: those get no answer for 6 s, from members that are well.
func TestCallsAtAFollowerWhoseLeaderIsStopped(t *testing.T) {
	calls := map[string]func(context.Context, client.KeysAPI) error{
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
				cl := must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()}))
				inSomeRound(t, func() bool {
					leader := c.MemberAt(must[*client.Member](t)(client.NewMembersAPI(cl).Leader(within(t, callTimeout))).ClientURLs[0])
					kapi := freshKeys(t, c)
					for pinnedMember(t, c, kapi) == leader {
						kapi = freshKeys(t, c)
					}
					stop(t, leader)
					defer goOn(t, c, leader)
					return promptly(t, "the call", others(c, leader), 3*time.Second, func() error {
						return call(within(t, 5*time.Second), kapi)
					})
				})
			})
		}
	})
}
