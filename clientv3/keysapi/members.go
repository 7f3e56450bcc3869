package keysapi

import (
	"context"
	"errors"
	"strconv"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// NewMembersAPI makes a MembersAPI of a v3 client, which stays the caller's to close.
//
// A refusal is a [*client.ReplyError] that wraps the error of package rpctypes, such
// as ErrPeerURLExist. Remove of a member that the cluster does not know is no error:
// v3 does not tell one that was removed before from one that never was. It is safe for
// concurrent use.
func NewMembersAPI(c *clientv3.Client) client.MembersAPI { return membersAPI{c} }

type membersAPI struct{ c *clientv3.Client }

// List implements client.MembersAPI.
func (m membersAPI) List(ctx context.Context) ([]client.Member, error) {
	resp, err := m.c.MemberList(ctx)
	if err != nil {
		return nil, callError(err, reads)
	}
	members := make([]client.Member, 0, len(resp.Members))
	for _, member := range resp.Members {
		members = append(members, memberOf(member))
	}
	return members, nil
}

func memberOf(m *etcdserverpb.Member) client.Member {
	return client.Member{ID: strconv.FormatUint(m.ID, 16), Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs}
}

// Add implements client.MembersAPI.
func (m membersAPI) Add(ctx context.Context, peerURL string) (*client.Member, error) {
	resp, err := m.c.MemberAdd(ctx, []string{peerURL})
	if err != nil {
		return nil, callError(err, writes)
	}
	added := memberOf(resp.Member)
	return &added, nil
}

// Remove implements client.MembersAPI.
func (m membersAPI) Remove(ctx context.Context, mID string) error {
	id, err := memberID(mID)
	if err != nil {
		return err
	}
	if _, err = m.c.MemberRemove(ctx, id); errors.Is(err, rpctypes.ErrMemberNotFound) {
		return nil
	}
	return callError(err, writes)
}

// Update implements client.MembersAPI.
func (m membersAPI) Update(ctx context.Context, mID string, peerURLs []string) error {
	id, err := memberID(mID)
	if err != nil {
		return err
	}
	_, err = m.c.MemberUpdate(ctx, id, peerURLs)
	return callError(err, writes)
}

// Leader implements client.MembersAPI.
func (m membersAPI) Leader(ctx context.Context) (*client.Member, error) {
	members, err := m.List(ctx)
	if err != nil {
		return nil, err
	}
	failures := &client.ClusterError{}
	for _, endpoint := range m.c.Endpoints() {
		status, statusErr := m.c.Status(ctx, endpoint)
		if statusErr == nil && status.Leader == 0 {
			statusErr = rpctypes.ErrNoLeader
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if statusErr != nil {
			failures.Errors = append(failures.Errors, statusErr)
			failures.Attempts = append(failures.Attempts, client.Attempt{Endpoint: endpoint, Err: statusErr})
			continue
		}
		for i := range members {
			if members[i].ID == strconv.FormatUint(status.Leader, 16) {
				return &members[i], nil
			}
		}
	}
	return nil, failures
}

func memberID(text string) (uint64, error) {
	id, err := strconv.ParseUint(text, 16, 64)
	if err != nil {
		return 0, &client.InvalidInputError{Field: "member ID", Value: text, Reason: "it is not a hexadecimal number", Err: err}
	}
	return id, nil
}
