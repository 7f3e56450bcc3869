package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/concurrency"
	"github.com/coreos/etcd/clientv3/mirror"
)

func (s story) session(cli *clientv3.Client, opts ...concurrency.SessionOption) *concurrency.Session {
	s.Helper()
	return must[*concurrency.Session](s)(concurrency.NewSession(cli, opts...))
}

func TestMutex(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		a, b := s.session(cli), s.session(cli)
		first, second := concurrency.NewMutex(a, "lock"), concurrency.NewMutex(b, "lock")
		owns := func(m *concurrency.Mutex) bool {
			return must[*clientv3.TxnResponse](s)(cli.Txn(s.ctx).If(m.IsOwner()).Commit()).Succeeded
		}
		want(s, "owner before Lock", owns(first), false)
		check(s, first.TryLock(s.ctx))
		want(s, "owner after TryLock", owns(first), true)
		if err := second.TryLock(s.ctx); !errors.Is(err, concurrency.ErrLocked) {
			s.Errorf("TryLock of a lock that is held: %v", err)
		}
		waiting := make(chan error, 1)
		go func() { waiting <- second.Lock(s.ctx) }()
		harness.WaitFor(s, time.Minute, func() error {
			if n := must[*clientv3.GetResponse](s)(cli.Get(s.ctx, "lock/", clientv3.WithPrefix())).Count; n != 2 {
				return fmt.Errorf("%d keys, not 2", n)
			}
			return nil
		})
		fence := first.Header().Revision
		check(s, first.Unlock(s.ctx))
		check(s, <-waiting)
		if next := second.Header().Revision; next <= fence {
			s.Errorf("fence %d after %d", next, fence)
		}
		check(s, b.Close()) // with the lock held
		check(s, first.Lock(s.ctx))
		check(s, first.Unlock(s.ctx))
		check(s, a.Close())
		want(s, "keys left", must[*clientv3.GetResponse](s)(cli.Get(s.ctx, "lock/", clientv3.WithPrefix())).Count, 0)
	})
}

// TestFiftyWaiters are served in the order in which their keys were made.
func TestFiftyWaiters(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		const waiters = 50
		cli := s.client()
		holder := s.session(cli)
		held := concurrency.NewMutex(holder, "lock")
		check(s, held.Lock(s.ctx))
		var waiting sync.WaitGroup
		served := make(chan string, waiters)
		for range waiters {
			waiting.Go(func() {
				own, err := concurrency.NewSession(cli)
				if err != nil {
					s.Error(err)
					return
				}
				m := concurrency.NewMutex(own, "lock")
				if err = m.Lock(s.ctx); err != nil {
					s.Error(err)
					return
				}
				served <- m.Key()
				if err = errors.Join(m.Unlock(s.ctx), own.Close()); err != nil {
					s.Error(err)
				}
			})
		}
		var keys []string
		harness.WaitFor(s, time.Minute, func() error {
			keys = nil
			in := append(clientv3.WithFirstCreate(), clientv3.WithLimit(0))
			for _, kv := range must[*clientv3.GetResponse](s)(cli.Get(s.ctx, "lock/", in...)).Kvs {
				keys = append(keys, string(kv.Key))
			}
			if len(keys) != waiters+1 {
				return fmt.Errorf("%d keys", len(keys))
			}
			return nil
		})
		check(s, held.Unlock(s.ctx))
		waiting.Wait()
		close(served)
		var order []string
		for key := range served {
			order = append(order, key)
		}
		want(s, "order", order, keys[1:])
		check(s, holder.Close())
	})
}

func TestElection(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		a, b := s.session(cli), s.session(cli)
		first, second := concurrency.NewElection(a, "vote"), concurrency.NewElection(b, "vote")
		if _, err := first.Leader(s.ctx); !errors.Is(err, concurrency.ErrElectionNoLeader) {
			s.Errorf("leader of nobody: %v", err)
		}
		seen := second.Observe(s.ctx)
		see := func(val string) {
			s.Helper()
			if r, open := <-seen; !open || string(r.Kvs[0].Value) != val {
				s.Fatalf("seen %v, %t, not %q", r, open, val)
			}
		}
		check(s, first.Campaign(s.ctx, "a"))
		see("a")
		check(s, first.Proclaim(s.ctx, "a2"))
		see("a2")
		waiting := make(chan error, 1)
		go func() { waiting <- second.Campaign(s.ctx, "b") }()
		a.Orphan()
		again := s.session(cli, concurrency.WithLease(a.Lease()))
		resumed := concurrency.ResumeElection(again, "vote", first.Key(), first.Rev())
		check(s, resumed.Proclaim(s.ctx, "a3"))
		see("a3")
		check(s, resumed.Resign(s.ctx))
		check(s, <-waiting)
		see("b")
		check(s, again.Close())
		check(s, b.Close())
	})
}

// TestSessionThatIsCutOff has ended when another has what it held.
func TestSessionThatIsCutOff(t *testing.T) {
	onEach(t, harness.Options{Members: 3, RawProxies: true}, func(s story) {
		of := func(i int) *clientv3.Client {
			return s.client(func(cfg *clientv3.Config) { cfg.Endpoints = []string{s.c.Member(i).ClientURL()} })
		}
		cut, other := s.session(of(0), concurrency.WithTTL(leaseTTL)), s.session(of(1))
		m, next := concurrency.NewMutex(cut, "lock"), concurrency.NewMutex(other, "lock")
		check(s, m.Lock(s.ctx))
		s.c.Member(0).Proxy().Blackhole()
		check(s, next.Lock(s.ctx))
		if cut.Ctx().Err() == nil {
			s.Error("another has the lock, and the session has not ended")
		}
		s.c.Member(0).Proxy().Reset()
		if err := m.Lock(s.ctx); !errors.Is(err, concurrency.ErrSessionExpired) {
			s.Errorf("Lock after the end: %v", err)
		}
		check(s, cut.Close())
		check(s, next.Unlock(s.ctx))
		check(s, other.Close())
	})
}

func TestSTM(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		for _, isolation := range []concurrency.Isolation{
			concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads,
		} {
			b := newBank(s, fmt.Sprintf("bank%d", isolation), isolation)
			var working sync.WaitGroup
			for range 4 {
				working.Go(func() {
					for range 20 {
						if err := b.transfer(s.ctx, cli); err != nil {
							s.Error(err)
						}
					}
				})
			}
			working.Wait()
			b.check(cli)
		}
	})
}

func TestMirror(t *testing.T) {
	onEach(t, harness.Options{}, func(s story) {
		cli := s.client()
		for i := range 30 {
			var puts []clientv3.Op
			for j := range 100 {
				puts = append(puts, clientv3.OpPut(fmt.Sprintf("k/%02d%02d", i, j), strings.Repeat("x", i)))
			}
			must[*clientv3.TxnResponse](s)(cli.Txn(s.ctx).Then(puts...).Commit())
		}
		ctx, cancel := context.WithCancel(s.ctx)
		defer cancel()
		syncer := mirror.NewSyncer(cli, "k/", 0)
		base, failure := syncer.SyncBase(ctx)
		var keys []string
		for page := range base {
			for _, kv := range page.Kvs {
				keys = append(keys, string(kv.Key))
			}
			must[*clientv3.DeleteResponse](s)(cli.Delete(ctx, "k/29", clientv3.WithPrefix()))
		}
		check(s, <-failure)
		want(s, "keys of the base", len(slices.Compact(keys)), 3000)
		deleted := 0
		for r := range syncer.SyncUpdates(ctx) {
			check(s, r.Err())
			if deleted += len(r.Events); deleted == 100 {
				break
			}
		}
		want(s, "deleted", deleted, 100)
	})
}
