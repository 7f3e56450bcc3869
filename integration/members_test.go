package integration

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// wantMembers compares the list of members, IDs aside.
func wantMembers(t *testing.T, got []client.Member, want []*harness.Member) {
	t.Helper()
	expected := make([]client.Member, 0, len(want))
	for _, m := range want {
		expected = append(expected, client.Member{
			Name: m.Name(), PeerURLs: []string{m.PeerURL()}, ClientURLs: []string{m.ClientURL()},
		})
	}
	byName := cmpopts.SortSlices(func(a, b client.Member) bool { return a.Name < b.Name })
	if diff := cmp.Diff(expected, got, byName, cmpopts.IgnoreFields(client.Member{}, "ID")); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
}

func TestMembersListAndLeader(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			mapi := client.NewMembersAPI(cl)
			members := must[[]client.Member](t)(mapi.List(ctx))
			wantMembers(t, members, c.Members())

			leader := must[*client.Member](t)(mapi.Leader(ctx))
			if !slices.ContainsFunc(members, func(m client.Member) bool { return cmp.Equal(m, *leader) }) {
				t.Errorf("the leader %+v is not in the list %+v", leader, members)
			}
		})
	}
}

func TestMembersAddUpdateRemove(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			mapi := client.NewMembersAPI(cl)
			find := func(id string) (client.Member, error) {
				for _, m := range must[[]client.Member](t)(mapi.List(ctx)) {
					if m.ID == id {
						return m, nil
					}
				}
				return client.Member{}, fmt.Errorf("no member %s", id)
			}

			joining := must[*harness.Member](t)(c.NewMember(ctx))
			added := must[*client.Member](t)(mapi.Add(ctx, joining.PeerURL()))
			want := &client.Member{ID: added.ID, PeerURLs: []string{joining.PeerURL()}}
			if diff := cmp.Diff(want, added, cmpopts.EquateEmpty()); diff != "" || added.ID == "" {
				t.Errorf("added member (-want +got):\n%s", diff)
			}
			if err := joining.Join(ctx); err != nil {
				t.Fatal(err)
			}
			harness.WaitFor(t, callTimeout, func() error {
				m, err := find(added.ID)
				if err == nil && (m.Name != joining.Name() || !slices.Equal(m.ClientURLs, []string{joining.ClientURL()})) {
					err = fmt.Errorf("the member has not published itself: %+v", m)
				}
				return err
			})

			moved := strings.Replace(joining.PeerURL(), "127.0.0.1", "localhost", 1)
			if err := mapi.Update(ctx, added.ID, []string{moved}); err != nil {
				t.Fatal(err)
			}
			harness.WaitFor(t, callTimeout, func() error { // A member may answer before it has applied the change.
				m, err := find(added.ID)
				if err == nil && !slices.Equal(m.PeerURLs, []string{moved}) {
					err = fmt.Errorf("peer URLs are %q", m.PeerURLs)
				}
				return err
			})

			if err := mapi.Remove(ctx, added.ID); err != nil {
				t.Fatal(err)
			}
			harness.WaitFor(t, callTimeout, func() error {
				if m, err := find(added.ID); err == nil {
					return fmt.Errorf("still there: %+v", m)
				}
				return nil
			})
		})
	}
}

func TestMembersErrorsSayWhatTheServerSaid(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
			mapi := client.NewMembersAPI(cl)

			err := mapi.Remove(ctx, "1234")
			wantReplyError(t, c, err, http.StatusNotFound, "No such member: 1234")
			err = mapi.Update(ctx, "1234", []string{"http://127.0.0.1:9"})
			wantReplyError(t, c, err, http.StatusNotFound, "No such member: 1234")

			_, err = mapi.Add(ctx, c.Member(1).PeerURL())
			wantReplyError(t, c, err, http.StatusConflict, "peerURL exists")
		})
	}
}
