package clientv3

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// LeaseID is what a lease is known by. Keys that are put with it are deleted when
// the lease ends: see [WithLease].
type LeaseID int64

// NoLease is the ID of no lease.
const NoLease LeaseID = 0

// MaxLeaseTTL is the longest time that a lease may live without a renewal, in seconds.
const MaxLeaseTTL = 9000000000

// LeaseGrantResponse tells which lease there is now.
type LeaseGrantResponse struct {
	*pb.ResponseHeader
	ID LeaseID
	// TTL is in seconds, and may be more than was asked for.
	TTL int64
	// Error is always empty: errors come as such.
	Error string
}

// LeaseKeepAliveResponse tells how many seconds a lease lives from its renewal on.
type LeaseKeepAliveResponse struct {
	*pb.ResponseHeader
	ID  LeaseID
	TTL int64
}

// LeaseRevokeResponse tells that a lease has ended.
type LeaseRevokeResponse pb.LeaseRevokeResponse

// LeaseTimeToLiveResponse describes a lease. TTL and GrantedTTL are in seconds.
type LeaseTimeToLiveResponse struct {
	*pb.ResponseHeader
	ID LeaseID `json:"id"`
	// TTL is what is left, and below zero if there is no such lease.
	TTL int64 `json:"ttl"`
	// GrantedTTL is what a renewal sets TTL to.
	GrantedTTL int64 `json:"granted-ttl"`
	// Keys are those of the lease if [WithAttachedKeys] asked for them.
	Keys [][]byte `json:"keys"`
}

// LeaseStatus is one of the leases there are.
type LeaseStatus struct {
	ID LeaseID `json:"id"`
}

// LeaseLeasesResponse lists the leases there are.
type LeaseLeasesResponse struct {
	*pb.ResponseHeader
	Leases []LeaseStatus `json:"leases"`
}

// LeaseOp is what a [LeaseOption] changes.
type LeaseOp struct{ attachedKeys bool }

// LeaseOption changes what [Lease.TimeToLive] asks for.
type LeaseOption func(*LeaseOp)

// WithAttachedKeys makes [Lease.TimeToLive] list the keys of the lease.
func WithAttachedKeys() LeaseOption { return func(op *LeaseOp) { op.attachedKeys = true } }

// ErrKeepAliveHalted is the error of [Lease.KeepAlive] when the client or its Lease
// has been closed. Reason says by what, and errors.Is finds it.
type ErrKeepAliveHalted struct { //nolint:errname // the name of the historic API
	Reason error
}

// Error implements error.
func (e ErrKeepAliveHalted) Error() string {
	if e.Reason == nil {
		return "clientv3: no leases are kept alive any more"
	}
	return "clientv3: no leases are kept alive any more: " + e.Reason.Error()
}

// Unwrap returns Reason.
func (e ErrKeepAliveHalted) Unwrap() error { return e.Reason }

// Lease makes leases and keeps them alive. [Client] is one; [NewLease] makes others.
type Lease interface {
	// Grant makes a lease that ends when ttl seconds have passed without a renewal.
	// The client chooses the ID, so that Grant can be repeated at another member when
	// one fails, and still makes one lease. The server may raise ttl to what it
	// supports. Above [MaxLeaseTTL] the error is rpctypes.ErrLeaseTTLTooLarge.
	Grant(ctx context.Context, ttl int64) (*LeaseGrantResponse, error)

	// Revoke ends a lease and deletes its keys. If there is no such lease, the error is
	// rpctypes.ErrLeaseNotFound. Like other writes it is repeated only when it was
	// not sent.
	Revoke(ctx context.Context, id LeaseID) (*LeaseRevokeResponse, error)

	// TimeToLive tells how long a lease lives without a renewal. Without such a lease
	// there is no error, but a TTL below zero.
	TimeToLive(ctx context.Context, id LeaseID, opts ...LeaseOption) (*LeaseTimeToLiveResponse, error)

	// Leases lists all leases of the cluster.
	Leases(ctx context.Context) (*LeaseLeasesResponse, error)

	// KeepAlive renews a lease now, and again whenever a quarter to a third of its TTL
	// has passed, until ctx ends. Each answer is sent to the channel, which has room for 16: with no
	// reader the lease is renewed all the same, and the answers are dropped.
	//
	// The channel is closed when ctx ends, when the Lease is closed, when the server has
	// no such lease, and when the TTL has passed since the last renewal that was answered
	// was sent: the lease may have ended then. If none is answered at all, it is closed
	// after ten seconds or, if longer, a second more than Config.DialTimeout.
	//
	// All leases are renewed on one stream. It goes to another endpoint when
	// it fails, and also when nothing comes back for a sixth of the shortest TTL that is
	// waiting, so that a member that stands still costs no lease.
	//
	// The error is that of ctx if it has ended, or [ErrKeepAliveHalted].
	KeepAlive(ctx context.Context, id LeaseID) (<-chan *LeaseKeepAliveResponse, error)

	// KeepAliveOnce renews a lease once, at another endpoint if one fails or does not
	// answer. If there is no such lease, the error is rpctypes.ErrLeaseNotFound.
	KeepAliveOnce(ctx context.Context, id LeaseID) (*LeaseKeepAliveResponse, error)

	// Close ends what KeepAlive began, and waits for that. The leases live on until
	// their TTL has passed.
	Close() error
}

// NewLease makes a Lease with a stream of its own. It ends with c at the latest.
func NewLease(c *Client) Lease {
	l := &lessor{client: c, began: time.Now(), kept: make(map[LeaseID]*keptLease)}
	l.agenda.tick = l.tick
	l.ctx, l.cancel = context.WithCancel(c.ctx)
	return l
}

type lessor struct {
	client  *Client
	began   time.Time
	ctx     context.Context // until Close
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu     sync.Mutex // guards the fields below, and those of the stream and leases
	kept   map[LeaseID]*keptLease
	agenda leaseAgenda
	stream *leaseStream // nil without leases
}

// Grant implements [Lease].
func (l *lessor) Grant(ctx context.Context, ttl int64) (*LeaseGrantResponse, error) {
	id := LeaseID(rand.Int64N(math.MaxInt64) + 1)
	request := &pb.LeaseGrantRequest{TTL: ttl, ID: int64(id)}
	reply := new(pb.LeaseGrantResponse)
	err := l.client.call(ctx, pb.Lease_LeaseGrant_FullMethodName, request, reply, reads)
	if errors.Is(err, rpctypes.ErrLeaseExist) {
		// An attempt before made it, and the answer was lost. Nobody else has this ID.
		renewed, errRenew := l.KeepAliveOnce(ctx, id)
		if errRenew != nil {
			return nil, errRenew
		}
		return &LeaseGrantResponse{ResponseHeader: renewed.ResponseHeader, ID: id, TTL: renewed.TTL}, nil
	}
	if err != nil {
		return nil, err
	}
	return &LeaseGrantResponse{ResponseHeader: reply.Header, ID: LeaseID(reply.ID), TTL: reply.TTL, Error: reply.Error}, nil
}

// Revoke implements [Lease].
func (l *lessor) Revoke(ctx context.Context, id LeaseID) (*LeaseRevokeResponse, error) {
	reply := new(pb.LeaseRevokeResponse)
	request := &pb.LeaseRevokeRequest{ID: int64(id)}
	if err := l.client.call(ctx, pb.Lease_LeaseRevoke_FullMethodName, request, reply, writes); err != nil {
		return nil, err
	}
	return (*LeaseRevokeResponse)(reply), nil
}

// TimeToLive implements [Lease].
func (l *lessor) TimeToLive(ctx context.Context, id LeaseID, opts ...LeaseOption) (*LeaseTimeToLiveResponse, error) {
	var op LeaseOp
	for _, opt := range opts {
		opt(&op)
	}
	request := &pb.LeaseTimeToLiveRequest{ID: int64(id), Keys: op.attachedKeys}
	reply := new(pb.LeaseTimeToLiveResponse)
	if err := l.client.call(ctx, pb.Lease_LeaseTimeToLive_FullMethodName, request, reply, reads); err != nil {
		return nil, err
	}
	return &LeaseTimeToLiveResponse{
		ResponseHeader: reply.Header,
		ID:             LeaseID(reply.ID),
		TTL:            reply.TTL,
		GrantedTTL:     reply.GrantedTTL,
		Keys:           reply.Keys,
	}, nil
}

// Leases implements [Lease].
func (l *lessor) Leases(ctx context.Context) (*LeaseLeasesResponse, error) {
	reply := new(pb.LeaseLeasesResponse)
	if err := l.client.call(ctx, pb.Lease_LeaseLeases_FullMethodName, new(pb.LeaseLeasesRequest), reply, reads); err != nil {
		return nil, err
	}
	leases := make([]LeaseStatus, len(reply.Leases))
	for i, lease := range reply.Leases {
		leases[i].ID = LeaseID(lease.ID)
	}
	return &LeaseLeasesResponse{ResponseHeader: reply.Header, Leases: leases}, nil
}

// Close implements [Lease].
func (l *lessor) Close() error {
	l.mu.Lock() // so that no stream begins after Wait
	l.cancel()
	l.mu.Unlock()
	l.working.Wait()
	return nil
}
