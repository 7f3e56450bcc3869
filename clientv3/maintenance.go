package clientv3

import (
	"context"
	"errors"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// AlarmResponse is what [Maintenance.AlarmList] and [Maintenance.AlarmDisarm] return.
type AlarmResponse pb.AlarmResponse

// AlarmMember is an alarm and the member that raised it.
type AlarmMember pb.AlarmMember

// DefragmentResponse is what [Maintenance.Defragment] returns.
type DefragmentResponse pb.DefragmentResponse

// StatusResponse is what [Maintenance.Status] returns.
type StatusResponse pb.StatusResponse

// HashKVResponse is what [Maintenance.HashKV] returns.
type HashKVResponse pb.HashKVResponse

// MoveLeaderResponse is what [Maintenance.MoveLeader] returns.
type MoveLeaderResponse pb.MoveLeaderResponse

// DowngradeResponse is what [Maintenance.Downgrade] returns.
type DowngradeResponse pb.DowngradeResponse

// DowngradeAction is what [Maintenance.Downgrade] does.
type DowngradeAction pb.DowngradeRequest_DowngradeAction

// What [Maintenance.Downgrade] can do.
const (
	DowngradeValidate = DowngradeAction(pb.DowngradeRequest_VALIDATE)
	DowngradeEnable   = DowngradeAction(pb.DowngradeRequest_ENABLE)
	DowngradeCancel   = DowngradeAction(pb.DowngradeRequest_CANCEL)
)

// Maintenance looks after single members. Calls with an endpoint go there alone,
// over a connection of their own, and are repeated once at most; it need not be one
// of the client's endpoints.
type Maintenance interface {
	// AlarmList returns the alarms of all members.
	AlarmList(ctx context.Context) (*AlarmResponse, error)

	// AlarmDisarm ends the alarm m. Without a member and an alarm in m, it ends all.
	AlarmDisarm(ctx context.Context, m *AlarmMember) (*AlarmResponse, error)

	// Defragment gives the free space of the member's database back to the system.
	// The member serves nothing meanwhile: do one after the other.
	Defragment(ctx context.Context, endpoint string) (*DefragmentResponse, error)

	// Status returns the member's version, its leader, and what it has stored.
	Status(ctx context.Context, endpoint string) (*StatusResponse, error)

	// HashKV returns a hash of the member's keys as of rev, or of now if rev is
	// 0. Members hash alike from the same compaction on.
	HashKV(ctx context.Context, endpoint string, rev int64) (*HashKVResponse, error)

	// Snapshot returns the database of any member as it is read. The caller must
	// Close it. Read fails with io.ErrUnexpectedEOF if the server ends it too early,
	// and with the error of ctx when that ends; it is not begun anew.
	Snapshot(ctx context.Context) (io.ReadCloser, error)

	// SnapshotWithVersion is Snapshot that also tells what etcd made it.
	SnapshotWithVersion(ctx context.Context) (*SnapshotResponse, error)

	// MoveLeader makes the member transfereeID the leader. It asks one endpoint
	// after the other until it finds the present leader, and fails with
	// rpctypes.ErrNotLeader if that is none of them.
	MoveLeader(ctx context.Context, transfereeID uint64) (*MoveLeaderResponse, error)

	// Downgrade prepares the cluster for an older version. It needs etcd 3.5.
	Downgrade(ctx context.Context, action DowngradeAction, version string) (*DowngradeResponse, error)
}

type maintenance struct{ c *Client }

// NewMaintenance returns the Maintenance calls of c alone, also where
// c.Maintenance was replaced.
func NewMaintenance(c *Client) Maintenance { return &maintenance{c} }

func (m *maintenance) AlarmList(ctx context.Context) (*AlarmResponse, error) {
	request := &pb.AlarmRequest{Action: pb.AlarmRequest_GET}
	reply, err := send[pb.AlarmResponse](ctx, &m.c.caller, pb.Maintenance_Alarm_FullMethodName, request, reads)
	return (*AlarmResponse)(reply), err
}

func (m *maintenance) AlarmDisarm(ctx context.Context, am *AlarmMember) (*AlarmResponse, error) {
	if am != nil && (am.MemberID != 0 || am.Alarm != pb.AlarmType_NONE) {
		return m.disarm(ctx, am.MemberID, am.Alarm)
	}
	list, err := m.AlarmList(ctx)
	if err != nil {
		return nil, err
	}
	all := new(AlarmResponse)
	for _, alarm := range list.Alarms {
		reply, err := m.disarm(ctx, alarm.GetMemberID(), alarm.GetAlarm())
		if err != nil {
			return nil, err
		}
		all.Header = reply.Header
		all.Alarms = append(all.Alarms, reply.Alarms...)
	}
	return all, nil
}

func (m *maintenance) disarm(ctx context.Context, member uint64, alarm pb.AlarmType) (*AlarmResponse, error) {
	request := &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: member, Alarm: alarm}
	reply, err := send[pb.AlarmResponse](ctx, &m.c.caller, pb.Maintenance_Alarm_FullMethodName, request, writes)
	return (*AlarmResponse)(reply), err
}

func (m *maintenance) Defragment(ctx context.Context, endpoint string) (*DefragmentResponse, error) {
	reply, err := sendTo[pb.DefragmentResponse](ctx, m.c, endpoint, pb.Maintenance_Defragment_FullMethodName, &pb.DefragmentRequest{}, writes)
	return (*DefragmentResponse)(reply), err
}

func (m *maintenance) Status(ctx context.Context, endpoint string) (*StatusResponse, error) {
	reply, err := sendTo[pb.StatusResponse](ctx, m.c, endpoint, pb.Maintenance_Status_FullMethodName, &pb.StatusRequest{}, reads)
	return (*StatusResponse)(reply), err
}

func (m *maintenance) HashKV(ctx context.Context, endpoint string, rev int64) (*HashKVResponse, error) {
	reply, err := sendTo[pb.HashKVResponse](ctx, m.c, endpoint, pb.Maintenance_HashKV_FullMethodName, &pb.HashKVRequest{Revision: rev}, reads)
	return (*HashKVResponse)(reply), err
}

func (m *maintenance) MoveLeader(ctx context.Context, transfereeID uint64) (*MoveLeaderResponse, error) {
	request := &pb.MoveLeaderRequest{TargetID: transfereeID}
	failure := rpctypes.ErrNotLeader
	for _, endpoint := range m.c.Endpoints() {
		reply, err := sendTo[pb.MoveLeaderResponse](ctx, m.c, endpoint, pb.Maintenance_MoveLeader_FullMethodName, request, writes)
		if err == nil || ctx.Err() != nil {
			return (*MoveLeaderResponse)(reply), err
		}
		if !errors.Is(err, rpctypes.ErrNotLeader) {
			failure = err // of the leader, or of one that cannot be reached
		}
	}
	return nil, failure
}

func (m *maintenance) Downgrade(ctx context.Context, action DowngradeAction, version string) (*DowngradeResponse, error) {
	request := &pb.DowngradeRequest{Action: pb.DowngradeRequest_DowngradeAction(action), Version: version}
	reply, err := send[pb.DowngradeResponse](ctx, &m.c.caller, pb.Maintenance_Downgrade_FullMethodName, request, writes)
	return (*DowngradeResponse)(reply), err
}

// sendTo is send to one endpoint. That it cannot be reached is what many a caller
// wants to know, so the request is sent at most twice, which is enough for a new
// token.
func sendTo[R any](ctx context.Context, c *Client, endpoint, method string, request any, e effect) (*R, error) {
	list := newEndpointList(c.config.TLS != nil)
	if err := list.set([]string{endpoint}); err != nil {
		return nil, err
	}
	one := c.caller
	one.endpoints = list
	one.retries.limit = 1
	var err error
	if one.conn, err = c.dial(list); err != nil {
		return nil, err
	}
	defer one.conn.Close() //nolint:errcheck // it is open, and a second Close is all that it could complain of
	return send[R](ctx, &one, method, request, e)
}
