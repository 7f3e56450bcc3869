package clientv3

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// Member is a member of the cluster.
type Member pb.Member

// MemberListResponse is what [Cluster.MemberList] returns.
type MemberListResponse pb.MemberListResponse

// MemberAddResponse is what [Cluster.MemberAdd] returns.
type MemberAddResponse pb.MemberAddResponse

// MemberRemoveResponse is what [Cluster.MemberRemove] returns.
type MemberRemoveResponse pb.MemberRemoveResponse

// MemberUpdateResponse is what [Cluster.MemberUpdate] returns.
type MemberUpdateResponse pb.MemberUpdateResponse

// MemberPromoteResponse is what [Cluster.MemberPromote] returns.
type MemberPromoteResponse pb.MemberPromoteResponse

// Cluster manages the members. Calls that change something are repeated only when
// they had no effect. Errors are those of package rpctypes, such as
// ErrMemberNotFound, ErrPeerURLExist and ErrUnhealthy.
type Cluster interface {
	// MemberList returns the members. It needs a quorum unless there is
	// WithSerializable, the one option it takes. Servers before 3.5 answer from
	// what they have in any case.
	MemberList(ctx context.Context, opts ...OpOption) (*MemberListResponse, error)

	// MemberAdd adds a member that will be reached by its peers at peerAddrs. It is
	// to be started next: until then it counts for the quorum, and is missing.
	MemberAdd(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error)

	// MemberAddAsLearner adds a member that does not vote before MemberPromote.
	MemberAddAsLearner(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error)

	// MemberRemove removes a member.
	MemberRemove(ctx context.Context, id uint64) (*MemberRemoveResponse, error)

	// MemberUpdate changes where a member is reached by its peers.
	MemberUpdate(ctx context.Context, id uint64, peerAddrs []string) (*MemberUpdateResponse, error)

	// MemberPromote makes a learner that has caught up vote. It fails with
	// rpctypes.ErrMemberLearnerNotReady if it has not.
	MemberPromote(ctx context.Context, id uint64) (*MemberPromoteResponse, error)
}

type cluster struct{ c *caller }

// NewCluster returns the Cluster calls of c alone, also where c.Cluster was
// replaced.
func NewCluster(c *Client) Cluster { return &cluster{&c.caller} }

func (m *cluster) MemberList(ctx context.Context, opts ...OpOption) (*MemberListResponse, error) {
	op := newOp(opMembers, nil, opts)
	if err := op.check(); err != nil {
		return nil, err
	}
	request := &pb.MemberListRequest{Linearizable: !op.has(withSerializable)}
	reply, err := send[pb.MemberListResponse](ctx, m.c, pb.Cluster_MemberList_FullMethodName, request, reads)
	return (*MemberListResponse)(reply), err
}

func (m *cluster) MemberAdd(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error) {
	return m.add(ctx, &pb.MemberAddRequest{PeerURLs: peerAddrs})
}

func (m *cluster) MemberAddAsLearner(ctx context.Context, peerAddrs []string) (*MemberAddResponse, error) {
	return m.add(ctx, &pb.MemberAddRequest{PeerURLs: peerAddrs, IsLearner: true})
}

func (m *cluster) add(ctx context.Context, request *pb.MemberAddRequest) (*MemberAddResponse, error) {
	reply, err := send[pb.MemberAddResponse](ctx, m.c, pb.Cluster_MemberAdd_FullMethodName, request, writes)
	return (*MemberAddResponse)(reply), err
}

func (m *cluster) MemberRemove(ctx context.Context, id uint64) (*MemberRemoveResponse, error) {
	request := &pb.MemberRemoveRequest{ID: id}
	reply, err := send[pb.MemberRemoveResponse](ctx, m.c, pb.Cluster_MemberRemove_FullMethodName, request, writes)
	return (*MemberRemoveResponse)(reply), err
}

func (m *cluster) MemberUpdate(ctx context.Context, id uint64, peerAddrs []string) (*MemberUpdateResponse, error) {
	request := &pb.MemberUpdateRequest{ID: id, PeerURLs: peerAddrs}
	reply, err := send[pb.MemberUpdateResponse](ctx, m.c, pb.Cluster_MemberUpdate_FullMethodName, request, writes)
	return (*MemberUpdateResponse)(reply), err
}

func (m *cluster) MemberPromote(ctx context.Context, id uint64) (*MemberPromoteResponse, error) {
	request := &pb.MemberPromoteRequest{ID: id}
	reply, err := send[pb.MemberPromoteResponse](ctx, m.c, pb.Cluster_MemberPromote_FullMethodName, request, writes)
	return (*MemberPromoteResponse)(reply), err
}
