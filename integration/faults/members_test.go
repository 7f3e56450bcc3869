package faults_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestMembersRemove_AnswerLost loses the answer to a Remove, which may be repeated:
// IDs are never used again.
func TestMembersRemove_AnswerLost(t *testing.T) {
	onEach(t, func(o on) {
		t, s := o.t, o.server
		cluster := harness.Start(t, s, harness.Options{Members: 3, Proxied: true})
		_, c := newKeys(t, client.Config{Endpoints: cluster.Endpoints()})
		members := client.NewMembersAPI(c)
		added := must[*client.Member](t)(members.Add(within(t, 10*time.Second), "http://127.0.0.1:1"))
		var lost atomic.Bool
		for _, m := range cluster.Members() {
			m.Proxy().Inject(harness.Fault{
				Kind: harness.LoseAnswer, Match: harness.Match{Method: http.MethodDelete, Path: "/v2/members"},
				When: func(string) bool { return lost.CompareAndSwap(false, true) },
			})
		}
		if err := members.Remove(within(t, 20*time.Second), added.ID); err != nil {
			t.Errorf("Remove: %v", err)
		}
	})
}

// TestMembersRemove_OfTheOneAsked removes the member that is asked, as follower and
// as leader; it may answer 500, or not at all, as it goes.
func TestMembersRemove_OfTheOneAsked(t *testing.T) {
	for _, role := range []string{"follower", "leader"} {
		t.Run(role, func(t *testing.T) {
			onEach(t, func(o on) {
				t, s := o.t, o.server
				cluster := harness.Start(t, s, harness.Options{Members: 3, Proxied: true})
				_, c := newKeys(t, client.Config{Endpoints: cluster.Endpoints()})
				var leader *client.Member
				harness.WaitFor(t, 20*time.Second, func() (err error) {
					leader, err = client.NewMembersAPI(c).Leader(within(t, 5*time.Second))
					return err
				})
				var target *harness.Member
				for _, m := range cluster.Members() {
					if (m == cluster.MemberAt(leader.ClientURLs[0])) == (role == "leader") {
						target = m
					}
				}
				id := memberID(t, c, target)
				pinned := pinnedTo(t, cluster, target)
				began := time.Now()
				err := client.NewMembersAPI(pinned).Remove(within(t, 20*time.Second), id)
				t.Logf("Remove took %v", time.Since(began))
				if err != nil {
					t.Errorf("Remove: %v", err)
				}
				cluster.Forget(target)
				harness.WaitFor(t, 20*time.Second, func() error {
					_, err := client.NewKeysAPI(pinned).Set(within(t, 5*time.Second), "/k", "v", nil)
					return err
				})
			})
		})
	}
}

// memberID returns the ID of a member in the list.
func memberID(t *testing.T, c client.Client, m *harness.Member) string {
	t.Helper()
	for _, listed := range must[[]client.Member](t)(client.NewMembersAPI(c).List(within(t, 10*time.Second))) {
		if len(listed.ClientURLs) > 0 && strings.TrimSuffix(listed.ClientURLs[0], "/") == m.ClientURL() {
			return listed.ID
		}
	}
	t.Fatalf("member %s is not in the list", m.Name())
	return ""
}

// pinnedTo returns a client of all members whose calls begin with one.
func pinnedTo(t *testing.T, cluster *harness.Cluster, m *harness.Member) client.Client {
	t.Helper()
	for {
		kapi, c := newKeys(t, client.Config{Endpoints: cluster.Endpoints()})
		var asked string
		ctx := client.WithTrace(within(t, 10*time.Second), &client.Trace{AttemptStart: func(a client.AttemptInfo) { asked = a.Endpoint }})
		if _, err := kapi.Get(context.WithoutCancel(ctx), "/who", nil); !client.IsKeyNotFound(err) {
			t.Fatal(err)
		}
		if asked == m.ClientURL() {
			return c
		}
	}
}
