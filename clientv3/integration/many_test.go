package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

// many is how many watches, and leases, one client has.
const many = 10_000

// onNewest tells a story on a cluster of the newest server alone: it is about
// the client.
func onNewest(t *testing.T, o harness.Options, tell func(s story)) {
	t.Helper()
	servers := harness.ServersV3(t)
	onServers(t, servers[len(servers)-1:], o, tell)
}

// inParallel calls do for each of 0 to n-1, some at a time.
func inParallel(n int, do func(i int)) {
	var working sync.WaitGroup
	var next atomic.Int64
	for range 16 {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	working.Wait()
}

func TestManyWatchesOnOneClient(t *testing.T) {
	onNewest(t, harness.Options{RawProxies: true}, func(s story) {
		cli := s.client()
		watches := make([]clientv3.WatchChan, many)
		inParallel(many, func(i int) {
			watches[i] = cli.Watch(s.ctx, fmt.Sprintf("k/%d", i%100))
		})
		must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "warm", ""))
		round := func(value string) {
			for i := range 100 {
				must[*clientv3.PutResponse](s)(cli.Put(s.ctx, fmt.Sprintf("k/%d", i), value))
			}
			for i, watch := range watches {
				select {
				case r := <-watch:
					if len(r.Events) != 1 || string(r.Events[0].Kv.Key) != fmt.Sprintf("k/%d", i%100) || string(r.Events[0].Kv.Value) != value {
						s.Fatalf("watch %d: %v, %v", i, r.Events, r.Err())
					}
				case <-s.ctx.Done():
					s.Fatalf("watch %d has no event", i)
				}
			}
		}
		round("first")
		s.c.Member(0).Proxy().Reset() // All of them go on.
		check(s, harness.Until(s.ctx, func(ctx context.Context) error { return failure(cli.Get(ctx, "warm")) }))
		round("second")
	})
}

func TestManyLeasesOnOneStream(t *testing.T) {
	onNewest(t, harness.Options{}, func(s story) {
		const ttl = 20 // in seconds
		cli := s.client()
		leases := make([]<-chan *clientv3.LeaseKeepAliveResponse, many)
		inParallel(many, func(i int) {
			lease, err := cli.Grant(s.ctx, ttl)
			if err == nil {
				leases[i], err = cli.KeepAlive(s.ctx, lease.ID)
			}
			if err != nil {
				s.Error(err)
			}
		})
		over := time.Now().Add(ttl * time.Second * 3 / 2) // Without renewals none would be left.
		for i := 0; time.Now().Before(over); i = (i + 1) % many {
			select {
			case r, open := <-leases[i]:
				if !open || r.TTL != ttl {
					s.Fatalf("lease %d: %+v, %v", i, r, open)
				}
			case <-s.ctx.Done():
				s.Fatalf("lease %d is not renewed", i)
			}
		}
		want(s, "leases in the end", len(must[*clientv3.LeaseLeasesResponse](s)(cli.Leases(s.ctx)).Leases), many)
	})
}

// Each Lease has a stream of its own, so that two of them are at each member.
func TestLeasesOutliveAStoppedMember(t *testing.T) {
	onEach(t, harness.Options{Members: 3}, func(s story) {
		const ttl = 12
		cli := s.client()
		type renewal struct {
			id      clientv3.LeaseID
			answers <-chan *clientv3.LeaseKeepAliveResponse
		}
		var renewals []renewal
		for range 6 {
			own := clientv3.NewLease(cli)
			s.Cleanup(func() { check(s, own.Close()) })
			id := must[*clientv3.LeaseGrantResponse](s)(own.Grant(s.ctx, ttl)).ID
			renewals = append(renewals, renewal{id, must[<-chan *clientv3.LeaseKeepAliveResponse](s)(own.KeepAlive(s.ctx, id))})
		}
		for _, r := range renewals {
			<-r.answers // It has a stream.
		}
		check(s, s.c.Member(1).Stop())
		stopped := time.Now()
		for time.Since(stopped) < (ttl+3)*time.Second {
			for _, r := range renewals {
				if _, open := <-r.answers; !open {
					s.Fatalf("lease %x was given up", r.id)
				}
			}
		}
		// Before it goes on: if it was the leader, it may have these leases revoked, as it
		// heard of no renewal, before it hears of the new one.
		for _, r := range renewals {
			left := must[*clientv3.LeaseTimeToLiveResponse](s)(cli.TimeToLive(s.ctx, r.id))
			want(s, "TTL of a lease", left.GrantedTTL, ttl)
		}
		check(s, s.c.Member(1).Cont())
	})
}

// A reader that does not read holds up nobody, and misses nothing.
func TestSlowReader(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		const puts, size = 300, 100_000 // 30 MB, more than is held for a reader
		cli := s.client()
		slow, quick := cli.Watch(s.ctx, "k"), cli.Watch(s.ctx, "k")
		value := strings.Repeat("v", size)
		next := int64(2)
		for range puts {
			must[*clientv3.PutResponse](s)(cli.Put(s.ctx, "k", value))
			r := <-quick
			if len(r.Events) != 1 || r.Events[0].Kv.ModRevision != next {
				s.Fatalf("the quick reader: %d events, %v; want the one of revision %d", len(r.Events), r.Err(), next)
			}
			next++
		}
		for rev := int64(2); rev < next; {
			r := <-slow
			check(s, r.Err())
			for _, e := range r.Events {
				want(s, "revision for the slow reader", e.Kv.ModRevision, rev)
				rev++
			}
			if len(r.Events) == 0 {
				s.Fatalf("the slow reader's watch ended before %d", rev)
			}
		}
	})
}
