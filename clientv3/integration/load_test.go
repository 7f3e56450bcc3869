package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3"
)

const (
	// callTimeout bounds one call under load.
	callTimeout = 5 * time.Second
	// pace is the pause between two calls of one caller, so that the servers are
	// busy with faults rather than with calls.
	pace = 10 * time.Millisecond
)

// allowed reports whether a call under faults may end with err: the caller's
// time has run out, or no member could serve it.
func allowed(err error) bool {
	return err == context.DeadlineExceeded || //nolint:errorlint // The contract: context errors are returned as they are.
		codeOf(err) == codes.Unavailable
}

// codeOf returns the code of a gRPC status and of etcd's errors.
func codeOf(err error) codes.Code {
	var coded interface{ Code() codes.Code }
	if errors.As(err, &coded) {
		return coded.Code()
	}
	return status.Code(err)
}

// repeat calls do, with a deadline each time, until stop is closed. It reports
// errors that are not allowed.
func repeat(s story, stop <-chan struct{}, do func(ctx context.Context) error) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(pace):
		}
		ctx, cancel := context.WithTimeout(s.ctx, callTimeout)
		err := do(ctx)
		cancel()
		if err != nil && !allowed(err) {
			s.Errorf("a call ended with %T: %v", err, err)
			return
		}
	}
}

// A writer writes values that nobody else writes, and remembers which of them
// were acknowledged.
type writer struct {
	name    string
	cli     *clientv3.Client
	n       int
	acked   map[string]struct{}
	unknown int
}

func (w *writer) write(ctx context.Context) error {
	w.n++
	value := fmt.Sprintf("%s.%d", w.name, w.n)
	var err error
	if w.n%2 == 0 {
		_, err = w.cli.Put(ctx, "load/"+w.name, value)
	} else { // Two keys at once.
		_, err = w.cli.Txn(ctx).Then(clientv3.OpPut("load/"+w.name, value), clientv3.OpPut("load/"+w.name+"/twin", value)).Commit()
	}
	if err == nil {
		w.acked[value] = struct{}{}
	} else {
		w.unknown++
	}
	return err
}

// A follower watches all that writers write.
type follower struct {
	name   string
	events []string
	ended  error
}

// follow reads the watch up to the event of the last key.
func (f *follower) follow(watch clientv3.WatchChan) {
	for r := range watch {
		if r.Err() != nil {
			f.ended = r.Err()
			return
		}
		for _, e := range r.Events {
			if string(e.Kv.Key) == endKey {
				return
			}
			f.events = append(f.events, event(e))
		}
	}
	f.ended = errors.New("the channel was closed")
}

// endKey is written when all is over.
const endKey = "load/~end"

// history is all that happened below load/, read when it is over.
func history(s story, cli *clientv3.Client) []*clientv3.Event {
	s.Helper()
	var all []*clientv3.Event
	for r := range cli.Watch(s.ctx, "load/", clientv3.WithPrefix(), clientv3.WithRev(1)) {
		check(s, r.Err())
		all = append(all, r.Events...)
		if len(all) > 0 && string(all[len(all)-1].Kv.Key) == endKey {
			return all[:len(all)-1]
		}
	}
	s.Fatal("the history has no end")
	return nil
}

// A load is callers of all kinds.
type load struct {
	story
	stop      chan struct{}
	working   sync.WaitGroup
	following sync.WaitGroup
	writers   []*writer
	followers []*follower
	leases    []clientv3.LeaseID
	ended     atomic.Int32 // keepalive channels
	registers *registers
}

// leaseTTL is longer, in seconds, than a fault lasts.
const leaseTTL = 10

// startLoad starts writers, followers, renewals and callers of registers.
func startLoad(s story) *load {
	s.Helper()
	l := &load{story: s, stop: make(chan struct{}), registers: newRegisters()}
	for i := range 3 {
		f := &follower{name: fmt.Sprintf("follower %d", i)}
		l.followers = append(l.followers, f)
		watch := s.client().Watch(s.ctx, "load/", clientv3.WithPrefix(), clientv3.WithRev(1))
		l.following.Go(func() { f.follow(watch) })

		w := &writer{name: fmt.Sprintf("w%d", i), cli: s.client(), acked: map[string]struct{}{}}
		l.writers = append(l.writers, w)
		l.working.Go(func() { repeat(s, l.stop, w.write) })
	}
	renewer := s.client()
	for range 5 {
		lease := must[*clientv3.LeaseGrantResponse](s)(renewer.Grant(s.ctx, leaseTTL)).ID
		l.leases = append(l.leases, lease)
		must[*clientv3.PutResponse](s)(renewer.Put(s.ctx, fmt.Sprintf("lease/%x", lease), "", clientv3.WithLease(lease)))
		renewals := must[<-chan *clientv3.LeaseKeepAliveResponse](s)(renewer.KeepAlive(s.ctx, lease))
		go func() {
			for range renewals {
			}
			l.ended.Add(1)
		}()
	}
	l.registers.start(l)
	return l
}

// conclude stops the load and compares what its callers saw with the history.
func (l *load) conclude() {
	l.Helper()
	close(l.stop)
	l.working.Wait()
	want(l.story, "keepalive channels that were closed", l.ended.Load(), 0)
	cli := l.client()
	check(l, harness.Until(l.ctx, func(ctx context.Context) error { return failure(cli.Put(ctx, endKey, "")) }))
	l.following.Wait()
	all := history(l.story, cli)
	l.checkWrites(all)
	l.checkWatches(all)
	for _, lease := range l.leases {
		left := must[*clientv3.LeaseTimeToLiveResponse](l)(cli.TimeToLive(l.ctx, lease))
		want(l.story, "TTL of a lease that was kept alive", left.GrantedTTL, leaseTTL)
	}
	want(l.story, "keys of the leases", must[*clientv3.GetResponse](l)(cli.Get(l.ctx, "lease/", clientv3.WithPrefix())).Count, int64(len(l.leases)))
	l.registers.check(l.story)
}

// checkWrites compares the history with what was acknowledged: each of those
// values is there once for each key of its write, at one revision, and no other
// value more often.
func (l *load) checkWrites(all []*clientv3.Event) {
	l.Helper()
	type write struct{ key, value string }
	revisions := map[write][]int64{}
	for _, e := range all {
		w := write{string(e.Kv.Key), string(e.Kv.Value)}
		revisions[w] = append(revisions[w], e.Kv.ModRevision)
	}
	for w, at := range revisions {
		if len(at) > 1 {
			l.Errorf("%v was written %d times, at %d", w, len(at), at)
		}
	}
	for _, w := range l.writers {
		l.Logf("%s: %d writes, %d of them failed or unknown", w.name, w.n, w.unknown)
		if len(w.acked) == 0 {
			l.Errorf("%s: no write was acknowledged", w.name)
		}
		for n := 1; n <= w.n; n++ {
			value := fmt.Sprintf("%s.%d", w.name, n)
			at, twin := revisions[write{"load/" + w.name, value}], revisions[write{"load/" + w.name + "/twin", value}]
			if _, acked := w.acked[value]; acked && len(at) == 0 {
				l.Errorf("%s was acknowledged and is not there", value)
			}
			if n%2 == 1 && !slices.Equal(at, twin) {
				l.Errorf("%s: a transaction's writes are at %d and %d", value, at, twin)
			}
		}
	}
}

func (l *load) checkWatches(all []*clientv3.Event) {
	l.Helper()
	wanted := make([]string, 0, len(all))
	for _, e := range all {
		wanted = append(wanted, event(e))
	}
	for _, f := range l.followers {
		check(l, f.ended)
		want(l.story, f.name, f.events, wanted)
	}
}
