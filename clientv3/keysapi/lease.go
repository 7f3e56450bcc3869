package keysapi

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// leaseReaders is how many leases are asked for at a time.
const leaseReaders = 16

// A grant is a lease for a node that is to be written; the zero value is none.
type grant struct {
	id  clientv3.LeaseID
	ttl int64 // in seconds, as the server has it
}

// grantTTL makes a lease for a TTL, which is rounded up; zero or less: none.
func (k *keysAPI) grantTTL(ctx context.Context, ttl time.Duration) (grant, error) {
	if ttl <= 0 {
		return grant{}, nil
	}
	ctx = clientv3.WithRequireLeader(ctx)
	var resp *clientv3.LeaseGrantResponse
	_, err := k.again(ctx, reads, func(ctx context.Context) (err error) { // as no node is written by it
		resp, err = k.c.Grant(ctx, wholeSeconds(ttl))
		return err
	})
	if err != nil {
		return grant{}, err
	}
	if resp.TTL > wholeSeconds(ttl) {
		k.least.Store(resp.TTL)
	}
	return grant{id: resp.ID, ttl: resp.TTL}, nil
}

// withTTL does a write with a lease for a TTL, and with a new one if that has ended
// before the write came.
func (k *keysAPI) withTTL(ctx context.Context, ttl time.Duration, write func(grant) (*client.Response, error)) (*client.Response, error) {
	for {
		g, err := k.grantTTL(ctx, ttl)
		if err != nil {
			return nil, err
		}
		resp, err := write(g)
		if !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return resp, err
		}
	}
}

// option attaches the key of a put to the lease.
func (g grant) option() clientv3.OpOption { return clientv3.WithLease(g.id) }

// mark tells the TTL in a node that was just written.
func (g grant) mark(n *client.Node) {
	if g.id != 0 {
		setTTL(n, g.ttl)
	}
}

// dropUnused drops the lease of a transaction that was refused, unless an attempt
// before has, or will have, attached a node to it, which would go with the lease.
func (k *keysAPI) dropUnused(ctx context.Context, g grant, t *transaction) {
	if !t.repeated {
		k.drop(ctx, g)
	}
}

// drop ends the lease of a write that was refused. Nothing hangs on it; when it
// can't be ended, it ends by itself.
func (k *keysAPI) drop(ctx context.Context, g grant) {
	if g.id != 0 {
		_, _ = k.c.Revoke(ctx, g.id) //nolint:errcheck // see above
	}
}

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func setTTL(n *client.Node, ttl int64) {
	at := time.Now().Add(time.Duration(ttl) * time.Second).Round(0).UTC()
	n.TTL, n.Expiration = ttl, &at
}

// leases says which nodes have a lease; nil: none.
type leases map[clientv3.LeaseID][]*client.Node

func (l *leases) note(n *client.Node, kv *mvccpb.KeyValue) {
	if kv == nil || kv.Lease == 0 {
		return
	}
	if *l == nil {
		*l = leases{}
	}
	id := clientv3.LeaseID(kv.Lease)
	(*l)[id] = append((*l)[id], n)
}

// tellTTLs asks for the leases and writes the TTLs into their nodes. A node whose
// lease is gone gets none: it is about to be deleted, or has been.
func (k *keysAPI) tellTTLs(ctx context.Context, l leases) error {
	if len(l) == 0 {
		return nil
	}
	ids := make([]clientv3.LeaseID, 0, len(l))
	for id := range l {
		ids = append(ids, id)
	}
	errs := make([]error, len(ids))
	var taken atomic.Int64
	var readers sync.WaitGroup
	for range min(leaseReaders, len(ids)) {
		readers.Go(func() {
			for i := int(taken.Add(1)) - 1; i < len(ids); i = int(taken.Add(1)) - 1 {
				errs[i] = k.tellTTL(ctx, ids[i], l[ids[i]])
			}
		})
	}
	readers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (k *keysAPI) tellTTL(ctx context.Context, id clientv3.LeaseID, nodes []*client.Node) error {
	left, err := k.timeLeft(ctx, id)
	if err != nil || left <= 0 {
		return err
	}
	for _, n := range nodes {
		setTTL(n, left)
	}
	return nil
}

// timeLeft gives the seconds that a lease has left, rounded up as in v2; zero if
// there is no such lease.
func (k *keysAPI) timeLeft(ctx context.Context, id clientv3.LeaseID) (int64, error) {
	resp, err := k.askFor(ctx, id)
	if err != nil {
		return 0, err
	}
	// The server rounds down, so that a new lease has a second less.
	return min(max(resp.TTL+1, 0), max(resp.GrantedTTL, 0)), nil
}

func (k *keysAPI) askFor(ctx context.Context, id clientv3.LeaseID) (resp *clientv3.LeaseTimeToLiveResponse, err error) {
	ctx = clientv3.WithRequireLeader(ctx)
	_, err = k.again(ctx, reads, func(ctx context.Context) (err error) {
		resp, err = k.c.TimeToLive(ctx, id)
		return err
	})
	return resp, err
}

// tellPrevTTL tells the TTL of a node that was written over or deleted, as far as
// that can be known: the write is done.
func (k *keysAPI) tellPrevTTL(ctx context.Context, n *client.Node, was *mvccpb.KeyValue) {
	var found leases
	found.note(n, was)
	_ = k.tellTTLs(ctx, found) //nolint:errcheck // see above
}
