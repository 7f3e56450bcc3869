package clientv3

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// firstPatience is how long a renewal may take before another endpoint is asked,
// when the TTL is not known. It doubles from one to the next.
const firstPatience = time.Second

// KeepAliveOnce implements [Lease].
func (l *lessor) KeepAliveOnce(ctx context.Context, id LeaseID) (*LeaseKeepAliveResponse, error) {
	var pause reopenPause
	var avoid shunned
	for patience := firstPatience; ; patience *= 2 {
		reply, conn, err := l.renewOnce(ctx, id, patience, avoid)
		switch {
		case err == nil && reply.TTL <= 0:
			return nil, rpctypes.ErrLeaseNotFound
		case err == nil:
			return &LeaseKeepAliveResponse{ResponseHeader: reply.Header, ID: LeaseID(reply.ID), TTL: reply.TTL}, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case l.ctx.Err() != nil:
			return nil, ErrKeepAliveHalted{Reason: l.ctx.Err()}
		case conn != nil && l.client.token.canRenew(err):
			if _, err = l.client.token.renew(ctx, conn.token); err != nil {
				return nil, err
			}
		case !isPassing(err):
			return nil, err
		}
		if conn != nil {
			avoid.add(conn.peer, len(l.client.Endpoints()))
		}
		pause.wait(ctx)
	}
}

// renewOnce also gives the stream it used, which has ended, if there was one.
func (l *lessor) renewOnce(ctx context.Context, id LeaseID, patience time.Duration, avoid shunned) (*pb.LeaseKeepAliveResponse, *renewalStream, error) {
	attempt, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)() //nolint:contextcheck // ends with the Lease as well as with ctx
	conn, err := openRenewalStream(attempt, l.client, avoid)
	if err != nil {
		return nil, nil, err
	}
	defer conn.cancel()
	if err = conn.Send(&pb.LeaseKeepAliveRequest{ID: int64(id)}); err != nil {
		return nil, conn, ContextError(ctx, err)
	}
	reply, err := conn.Recv()
	return reply, conn, ContextError(ctx, err)
}

// renewalStream is one gRPC stream of renewals.
type renewalStream = stream[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]

// openRenewalStream opens one that a member without leader, which can't renew,
// refuses at once.
func openRenewalStream(ctx context.Context, c *Client, avoid shunned) (*renewalStream, error) {
	return openStreamElsewhere[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse](
		WithRequireLeader(ctx), c, &pb.Lease_ServiceDesc, pb.Lease_LeaseKeepAlive_FullMethodName, avoid)
}
