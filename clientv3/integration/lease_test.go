package integration

import (
	"errors"
	"slices"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

func TestLease(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		lease := must[*clientv3.LeaseGrantResponse](s)(cli.Grant(s.ctx, 600))
		want(s, "granted TTL", lease.TTL, 600)
		for _, key := range []string{"a", "b"} {
			must[*clientv3.PutResponse](s)(cli.Put(s.ctx, key, "", clientv3.WithLease(lease.ID)))
		}
		left := must[*clientv3.LeaseTimeToLiveResponse](s)(cli.TimeToLive(s.ctx, lease.ID, clientv3.WithAttachedKeys()))
		slices.SortFunc(left.Keys, slices.Compare[[]byte])
		want(s, "keys", left.Keys, [][]byte{[]byte("a"), []byte("b")})
		if left.GrantedTTL != 600 || left.TTL <= 0 || left.TTL > 600 {
			s.Errorf("time to live: %+v", left)
		}
		all := must[*clientv3.LeaseLeasesResponse](s)(cli.Leases(s.ctx))
		want(s, "leases", all.Leases, []clientv3.LeaseStatus{{ID: lease.ID}})
		want(s, "renewed", must[*clientv3.LeaseKeepAliveResponse](s)(cli.KeepAliveOnce(s.ctx, lease.ID)).TTL, 600)
		answers := must[<-chan *clientv3.LeaseKeepAliveResponse](s)(cli.KeepAlive(s.ctx, lease.ID))
		first, open := <-answers
		if !open || first.ID != lease.ID || first.TTL != 600 {
			s.Errorf("the first answer: %+v, %v", first, open)
		}

		must[*clientv3.LeaseRevokeResponse](s)(cli.Revoke(s.ctx, lease.ID))
		want(s, "keys after the end", must[*clientv3.GetResponse](s)(cli.Get(s.ctx, "", clientv3.WithPrefix())).Count, 0)
		left = must[*clientv3.LeaseTimeToLiveResponse](s)(cli.TimeToLive(s.ctx, lease.ID))
		want(s, "time to live of none", left.TTL, -1)
		if _, err := cli.Revoke(s.ctx, lease.ID); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			s.Errorf("revoke of none: %v", err)
		}
		if _, err := cli.KeepAliveOnce(s.ctx, lease.ID); !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			s.Errorf("renewal of none: %v", err)
		}
		if _, err := cli.Grant(s.ctx, clientv3.MaxLeaseTTL+1); !errors.Is(err, rpctypes.ErrLeaseTTLTooLarge) {
			s.Errorf("grant for too long: %v", err)
		}
		again := must[<-chan *clientv3.LeaseKeepAliveResponse](s)(cli.KeepAlive(s.ctx, lease.ID))
		if r, isOpen := <-again; isOpen {
			s.Errorf("a lease that is gone was renewed: %+v", r)
		}
	})
}

func TestLeaseThatNobodyRenewsEnds(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		lease := must[*clientv3.LeaseGrantResponse](s)(cli.Grant(s.ctx, 1)).ID
		events := cli.Watch(s.ctx, "a")
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "a", "", clientv3.WithLease(lease)))
		for i, wanted := range []string{"create a at 2", "delete a at 3"} {
			r := <-events
			if len(r.Events) != 1 || event(r.Events[0]) != wanted {
				s.Fatalf("event %d: %v, %v", i, r.Events, r.Err())
			}
		}
	})
}
