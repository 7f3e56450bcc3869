package integration

import (
	"context"
	"errors"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

// onlyAt makes a client of these members alone.
func onlyAt(members ...*harness.Member) func(*clientv3.Config) {
	return func(c *clientv3.Config) {
		c.Endpoints = nil
		for _, m := range members {
			c.Endpoints = append(c.Endpoints, m.ClientURL())
		}
	}
}

// A leaderWatch reads a key from a member that has a leader. It begins anew, where
// it was, when there was none anywhere, as there is during an election.
type leaderWatch struct {
	cli     *clientv3.Client
	watch   clientv3.WatchChan
	next    int64 // revision
	version int64 // of the key, seen last
}

func (w *leaderWatch) begin(s story) {
	w.watch = w.cli.Watch(clientv3.WithRequireLeader(s.ctx), "k", clientv3.WithRev(w.next))
}

// readUpTo reads the events of all versions up to last.
func (w *leaderWatch) readUpTo(s story, last int64) {
	s.Helper()
	for w.version < last {
		r, open := <-w.watch
		switch {
		case errors.Is(r.Err(), rpctypes.ErrNoLeader):
			w.begin(s)
		case !open || r.Err() != nil:
			s.Fatalf("a watch ended: %v", r.Err())
		}
		for _, e := range r.Events {
			w.version++
			w.next = e.Kv.ModRevision + 1
			want(s, "version of the event", e.Kv.Version, w.version)
		}
	}
}

// The watches of several clients are at different members, so some are at the
// one that is cut off, whichever it is. It stays cut off until all of them have
// seen what was written elsewhere.
func TestWatchesLeaveAMemberWithoutLeader(t *testing.T) {
	onEach(t, harness.Options{Members: 3, RawProxies: true}, func(s story) {
		watches := make([]*leaderWatch, 6)
		for i := range watches {
			watches[i] = &leaderWatch{cli: s.client(), next: 1}
			watches[i].begin(s)
		}
		for i, m := range s.c.Members() {
			others := s.client(onlyAt(s.c.Member((i+1)%3), s.c.Member((i+2)%3)))
			check(s, s.c.Partition(m))
			// One of these is the one that counts, whatever became of those before it.
			check(s, harness.Until(s.ctx, func(ctx context.Context) error {
				ctx, cancel := context.WithTimeout(ctx, callTimeout)
				defer cancel()
				return failure(others.Put(ctx, "k", m.Name()))
			}))
			last := must[*clientv3.GetResponse](s)(others.Get(s.ctx, "k")).Kvs[0].Version
			for _, w := range watches {
				w.readUpTo(s, last)
			}
			s.c.Heal()
		}
	})
}

// A member that is cut off says so at once where a leader is required, and
// serves what it has where that will do.
func TestCallsAtAMemberWithoutLeader(t *testing.T) {
	onEach(t, harness.Options{Members: 3, RawProxies: true}, func(s story) {
		cli := s.client(onlyAt(s.c.Member(0)))
		check(s, harness.Until(s.ctx, func(ctx context.Context) error { return failure(cli.Put(ctx, "k", "1")) }))
		check(s, s.c.Partition(s.c.Member(0)))
		check(s, harness.Until(s.ctx, func(ctx context.Context) error {
			r := <-cli.Watch(clientv3.WithRequireLeader(ctx), "k")
			if !errors.Is(r.Err(), rpctypes.ErrNoLeader) {
				return errors.New("the member has a leader")
			}
			return nil
		}))
		_, err := cli.Put(clientv3.WithRequireLeader(s.ctx), "k", "2")
		if !errors.Is(err, rpctypes.ErrNoLeader) {
			s.Errorf("put: %v", err)
		}
		have := must[*clientv3.GetResponse](s)(cli.Get(s.ctx, "k", clientv3.WithSerializable()))
		want(s, "serializable get", toldGet(have), "k=1")
		ctx, cancel := context.WithTimeout(s.ctx, callTimeout/5)
		defer cancel()
		if _, err = cli.Get(ctx, "k"); err == nil || !allowed(err) {
			s.Errorf("linearizable get: %v", err)
		}
		s.c.Heal()
		check(s, harness.Until(s.ctx, func(ctx context.Context) error { return failure(cli.Put(ctx, "k", "3")) }))
	})
}
