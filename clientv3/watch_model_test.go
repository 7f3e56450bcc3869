package clientv3_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/coreos/etcd/clientv3"
)

// TestWatchesOfAStoreThatKeepsFailing compares what each of many watches tells with the
// history of a store whose servers break streams, reorder, delay and fragment.
func TestWatchesOfAStoreThatKeepsFailing(t *testing.T) {
	for range 12 {
		runWatchModel(t, rand.Uint64(), watchModel{writes: 150, watches: 12})
	}
}

// TestSlowWatchesOfAStoreThatKeepsFailing is the same with so much to read that the
// watches are suspended time and again.
func TestSlowWatchesOfAStoreThatKeepsFailing(t *testing.T) {
	for range 2 {
		runWatchModel(t, rand.Uint64(), watchModel{writes: 60, watches: 4, size: 700_000})
	}
}

// TestWatchesOfAStoreThatForgets has compactions too, which end watches that are behind.
func TestWatchesOfAStoreThatForgets(t *testing.T) {
	for range 10 {
		runWatchModel(t, rand.Uint64(), watchModel{writes: 150, watches: 12, compact: true})
	}
}

type watchModel struct {
	writes, watches int
	size            int  // of a value
	compact         bool // now and then
}

func runWatchModel(t *testing.T, seed uint64, model watchModel) {
	t.Helper()
	t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
		withMembers(t, func(c *streamMembers, cli *clientv3.Client) {
			t := c.t
			store := newModelStore(rand.New(rand.NewPCG(seed, 0)))
			var serving, reading sync.WaitGroup
			stop := make(chan struct{})
			serving.Go(func() { store.accept(c, &serving, stop) })
			for range model.watches {
				reader := newModelReader(t, store, model)
				reading.Go(func() { reader.run(cli) })
			}
			for range model.writes {
				store.pause(200 * time.Millisecond)
				keys := make([]string, 1+store.below(4))
				for i := range keys {
					keys[i] = fmt.Sprintf("k%d%d", store.below(4), i)
				}
				store.txn(keys, make([]byte, model.size))
				if model.compact && store.chance(20) {
					revision, _, _ := store.state()
					store.compact(revision - int64(store.below(5)))
				}
				if store.chance(10) {
					if err := cli.RequestProgress(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
			store.endFaults()
			<-time.After(time.Hour) // of virtual time, to catch up
			if err := cli.Watcher.Close(); err != nil {
				t.Error(err)
			}
			reading.Wait()
			close(stop)
			serving.Wait()
			synctest.Wait()
		}, "m0:1", "m1:1", "m2:1")
	})
}

// modelReader reads one watch, and knows what it must be told.
type modelReader struct {
	t       *testing.T
	store   *modelStore
	key     string
	options []clientv3.OpOption
	create  *pb.WatchCreateRequest // what it watches, in the words of the server
	after   time.Duration          // when it begins
	slow    time.Duration          // what a response may take it
	leaves  time.Duration          // when it ends by itself; zero for not at all
}

func newModelReader(t *testing.T, store *modelStore, model watchModel) *modelReader {
	t.Helper()
	r := &modelReader{
		t:       t,
		store:   store,
		key:     fmt.Sprintf("k%d", store.below(4)),
		options: []clientv3.OpOption{clientv3.WithCreatedNotify()},
		create:  new(pb.WatchCreateRequest),
		after:   time.Duration(store.below(int(10 * time.Second))),
	}
	switch store.below(3) {
	case 0:
		r.key += "0"
	case 1:
		r.options = append(r.options, clientv3.WithPrefix())
		r.create.RangeEnd = []byte(clientv3.GetPrefixRangeEnd(r.key))
	default:
		r.options = append(r.options, clientv3.WithFromKey())
		r.create.RangeEnd = []byte{0}
	}
	r.create.Key = []byte(r.key)
	switch store.below(6) {
	case 0:
		r.options = append(r.options, clientv3.WithFilterPut())
		r.create.Filters = append(r.create.Filters, pb.WatchCreateRequest_NOPUT)
	case 1:
		r.options = append(r.options, clientv3.WithFilterDelete())
		r.create.Filters = append(r.create.Filters, pb.WatchCreateRequest_NODELETE)
	case 2:
		r.options = append(r.options, clientv3.WithProgressNotify())
	}
	if store.below(2) == 0 {
		r.create.StartRevision = int64(1 + store.below(40))
		r.options = append(r.options, clientv3.WithRev(r.create.StartRevision))
	}
	if store.below(2) == 0 || model.size > 0 {
		r.slow = time.Second
	}
	if store.below(4) == 0 {
		r.leaves = time.Duration(1 + store.below(int(10*time.Second)))
	}
	return r
}

// run reads until the watch ends.
func (r *modelReader) run(cli *clientv3.Client) {
	t := r.t
	<-time.After(r.after)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if r.leaves > 0 {
		defer time.AfterFunc(r.leaves, cancel).Stop()
	}
	next := r.create.StartRevision // from here on the reader knows nothing
	read := 0
	for resp := range cli.Watch(ctx, r.key, r.options...) {
		if r.slow > 0 {
			r.store.pause(r.slow)
		}
		switch {
		case resp.Created:
			if next == 0 {
				next = resp.Header.Revision + 1
				r.create.StartRevision = next
			}
		case resp.Canceled:
			r.checkEnd(t, &resp, next)
			return
		case resp.IsProgressNotify():
			r.checkProgress(t, resp.Header.Revision, next)
		default:
			read += len(resp.Events)
			next = r.checkEvents(t, resp.Events, next)
		}
	}
	if missed := r.store.since(r.create, next); len(missed) > 0 && r.leaves == 0 {
		t.Errorf("%v from %d: %d events read, but not these: %v", r.create, r.create.StartRevision, read, missed)
	}
}

// checkEvents wants the next events of the history, and all of the last revision.
func (r *modelReader) checkEvents(t *testing.T, events []*clientv3.Event, next int64) int64 {
	t.Helper()
	want := r.store.since(r.create, next)
	for i, event := range events {
		if i >= len(want) || event.Kv.ModRevision != want[i].Kv.ModRevision ||
			string(event.Kv.Key) != string(want[i].Kv.Key) || event.Type != want[i].Type {
			t.Errorf("%v: got %v from %d on, want %v", r.create, events, next, want[:min(len(want), i+1)])
			break
		}
	}
	last := events[len(events)-1].Kv.ModRevision
	if len(events) < len(want) && want[len(events)].Kv.ModRevision == last {
		t.Errorf("%v: revision %d comes in parts: %v", r.create, last, events)
	}
	return last + 1
}

func (r *modelReader) checkProgress(t *testing.T, revision, next int64) {
	t.Helper()
	for _, event := range r.store.since(r.create, next) {
		if event.Kv.ModRevision <= revision {
			t.Errorf("%v: the progress to %d comes before %v", r.create, revision, event)
		}
	}
}

func (r *modelReader) checkEnd(t *testing.T, resp *clientv3.WatchResponse, next int64) {
	t.Helper()
	if !errors.Is(resp.Err(), rpctypes.ErrCompacted) || resp.CompactRevision <= next {
		t.Errorf("%v: at %d it ended with %v (%d)", r.create, next, resp.Err(), resp.CompactRevision)
	}
}
