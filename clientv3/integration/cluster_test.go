package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

func TestMembersCome(t *testing.T) {
	onEach(t, harness.Options{Members: 3}, func(s story) {
		cli := s.client()
		want(s, "members", len(must[*clientv3.MemberListResponse](s)(cli.MemberList(s.ctx)).Members), 3)
		m := must[*harness.Member](s)(s.c.NewMember(s.ctx))
		added := must[*clientv3.MemberAddResponse](s)(cli.MemberAddAsLearner(s.ctx, []string{m.PeerURL()}))
		if !added.Member.IsLearner || !slices.Equal(added.Member.PeerURLs, []string{m.PeerURL()}) {
			s.Errorf("added: %+v", added.Member)
		}
		if _, err := cli.MemberPromote(s.ctx, added.Member.ID); !errors.Is(err, rpctypes.ErrMemberLearnerNotReady) {
			s.Errorf("promoted before it has started: %v", err)
		}
		check(s, m.Join(s.ctx))
		// A learner is no endpoint yet.
		check(s, cli.Sync(s.ctx))
		if slices.Contains(cli.Endpoints(), m.ClientURL()) {
			s.Errorf("endpoints with the learner: %q", cli.Endpoints())
		}
		check(s, harness.Until(s.ctx, func(ctx context.Context) error {
			return failure(cli.MemberPromote(ctx, added.Member.ID))
		}))
		check(s, harness.Until(s.ctx, func(ctx context.Context) error {
			if err := cli.Sync(ctx); err != nil || slices.Contains(cli.Endpoints(), m.ClientURL()) {
				return err
			}
			return errors.New("the promoted member is no endpoint")
		}))
		if _, err := cli.MemberPromote(s.ctx, added.Member.ID); !errors.Is(err, rpctypes.ErrMemberNotLearner) {
			s.Errorf("promoted twice: %v", err)
		}
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", "1"))
	})
}

func TestMembersGo(t *testing.T) {
	onEach(t, harness.Options{Members: 3}, func(s story) {
		cli := s.client()
		m := must[*harness.Member](s)(s.c.NewMember(s.ctx))
		added := must[*clientv3.MemberAddResponse](s)(cli.MemberAdd(s.ctx, []string{"http://127.0.0.1:1"})).Member
		must[*clientv3.MemberUpdateResponse](s)(cli.MemberUpdate(s.ctx, added.ID, []string{m.PeerURL()}))
		// Servers of 3.4, and a serializable list, may be behind.
		check(s, harness.Until(s.ctx, func(ctx context.Context) error {
			list, err := cli.MemberList(ctx, clientv3.WithSerializable())
			if err != nil {
				return err
			}
			for _, known := range list.Members {
				if known.ID == added.ID && slices.Equal(known.PeerURLs, []string{m.PeerURL()}) {
					return nil
				}
			}
			return fmt.Errorf("members: %v", list.Members)
		}))
		for name, err := range map[string]error{
			"added twice":    failure(cli.MemberAdd(s.ctx, []string{m.PeerURL()})),
			"updated to one": failure(cli.MemberUpdate(s.ctx, added.ID, []string{s.c.Member(0).PeerURL()})),
		} {
			if !errors.Is(err, rpctypes.ErrPeerURLExist) {
				s.Errorf("%s: %v", name, err)
			}
		}
		must[*clientv3.MemberRemoveResponse](s)(cli.MemberRemove(s.ctx, added.ID))
		for name, err := range map[string]error{
			"removed twice":   failure(cli.MemberRemove(s.ctx, added.ID)),
			"updated no more": failure(cli.MemberUpdate(s.ctx, added.ID, []string{m.PeerURL()})),
		} {
			if !errors.Is(err, rpctypes.ErrMemberNotFound) {
				s.Errorf("%s: %v", name, err)
			}
		}
		want(s, "members", len(must[*clientv3.MemberListResponse](s)(cli.MemberList(s.ctx)).Members), 3)
	})
}
