package bridge

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// Members come, change and go by the bridge.
func TestMembersByTheBridge(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			cluster := harness.Start(t, server, harness.Options{Members: 3, DisableV2: true})
			v3 := newClient(t, cluster)
			members := keysapi.NewMembersAPI(v3)
			leader, err := members.Leader(ctx)
			if err != nil || !slices.Contains(cluster.Endpoints(), leader.ClientURLs[0]) || leader.Name == "" {
				t.Fatalf("leader: %+v, %v", leader, err)
			}

			joining, err := cluster.NewMember(ctx)
			if err != nil {
				t.Fatal(err)
			}
			// A cluster takes nobody in until all of its members have been connected for a while.
			var added *client.Member
			harness.WaitFor(t, storyTimeout, func() error {
				added, err = members.Add(ctx, "http://127.0.0.1:1")
				return err
			})
			if added.ID == "" || !slices.Equal(added.PeerURLs, []string{"http://127.0.0.1:1"}) {
				t.Errorf("added %+v", added)
			}
			if err = members.Update(ctx, added.ID, []string{joining.PeerURL()}); err != nil {
				t.Error(err)
			}
			wantReply(t, "added twice", errOf(members.Add(ctx, joining.PeerURL())), http.StatusConflict, rpctypes.ErrPeerURLExist)
			wantReply(t, "updated to one that is there", members.Update(ctx, added.ID, []string{cluster.Member(0).PeerURL()}), http.StatusConflict, rpctypes.ErrPeerURLExist)
			wantReply(t, "no URL", errOf(members.Add(ctx, "nowhere")), http.StatusBadRequest, rpctypes.ErrMemberBadURLs)
			if err = joining.Join(ctx); err != nil {
				t.Fatal(err)
			}
			harness.WaitFor(t, storyTimeout, func() error { return wantMember(ctx, members, *added, joining.ClientURL()) })

			if err = members.Remove(ctx, added.ID); err != nil {
				t.Error(err)
			}
			cluster.Forget(joining)
			if err = members.Remove(ctx, added.ID); err != nil {
				t.Errorf("removed twice: %v", err)
			}
			wantReply(t, "updated no more", members.Update(ctx, added.ID, []string{joining.PeerURL()}), http.StatusNotFound, rpctypes.ErrMemberNotFound)
			list, err := members.List(ctx)
			if err != nil || len(list) != 3 {
				t.Errorf("left: %v, %v", list, err)
			}
		})
	}
}

// wantMember gives an error unless the member is there and serves clients at the URL.
func wantMember(ctx context.Context, members client.MembersAPI, added client.Member, clientURL string) error {
	list, err := members.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range list {
		if m.ID == added.ID && slices.Equal(m.ClientURLs, []string{clientURL}) {
			return nil
		}
	}
	return errors.New("the member has not come")
}

func wantReply(t *testing.T, what string, err error, status int, reason error) {
	t.Helper()
	var reply *client.ReplyError
	if !errors.As(err, &reply) || reply.StatusCode != status || !errors.Is(err, reason) {
		t.Errorf("%s: got %#v, want %d because %v", what, err, status, reason)
	}
}
