package integration

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// writerKeys is over how many keys a numberedWriter spreads its writes.
const writerKeys = 8

// hiddenEvery is which of the writes of a numberedWriter go to a hidden key.
const hiddenEvery = 16

// A numberedWriter writes numbers below a directory, as fast as it can, through a
// client of its own.
type numberedWriter struct {
	ledger
	dir   string
	pace  func() bool // false: wait with the next write; nil: never wait
	api   atomic.Pointer[client.KeysAPI]
	tries atomic.Int64
	end   chan struct{}
	ended sync.WaitGroup
}

// newWriter makes a writer that writes at these members.
func newWriter(t *testing.T, dir string, members []*harness.Member) *numberedWriter {
	t.Helper()
	w := &numberedWriter{dir: dir, end: make(chan struct{})}
	w.use(t, members)
	return w
}

// use makes the writer write at these members.
func (w *numberedWriter) use(t *testing.T, members []*harness.Member) {
	t.Helper()
	kapi := keysOf(t, members)
	w.api.Store(&kapi)
}

func (w *numberedWriter) key(i int) string { return w.dir + "/k" + strconv.Itoa(i) }

// keyFor gives the key for a number.
func (w *numberedWriter) keyFor(n int) string {
	if n%hiddenEvery == 0 {
		return w.dir + "/_hidden/deep"
	}
	return w.key(n % writerKeys)
}

// start begins the work of so many goroutines, in the background.
func (w *numberedWriter) start(ctx context.Context, goroutines int) {
	var numbers atomic.Int64
	for range goroutines {
		w.ended.Go(func() {
			for ctx.Err() == nil && w.goesOn() {
				if w.pace != nil && !w.pace() {
					pause(time.Millisecond)
					continue
				}
				n := int(numbers.Add(1))
				for w.write(ctx, w.keyFor(n), strconv.Itoa(n)) != nil && ctx.Err() == nil {
					pause(10 * time.Millisecond)
				}
			}
		})
	}
}

func (w *numberedWriter) goesOn() bool {
	select {
	case <-w.end:
		return false
	default:
		return true
	}
}

// write makes one try. One of unknown outcome is made again with the same
// number: an event more, which the trails tell from one that was passed twice.
func (w *numberedWriter) write(ctx context.Context, key, value string) error {
	ctx, cancel := context.WithTimeout(ctx, 1500*time.Millisecond)
	defer cancel()
	w.tries.Add(1)
	resp, err := (*w.api.Load()).Set(ctx, key, value, nil)
	if err == nil {
		w.add(ackedWrite{resp.Node.ModifiedIndex, key, value, time.Now()})
	}
	return err
}

// stop ends the work, and writes each visible key once more.
func (w *numberedWriter) stop(t *testing.T) {
	t.Helper()
	close(w.end)
	w.ended.Wait()
	for i := range writerKeys {
		eventually(t, func(ctx context.Context) error { return w.write(ctx, w.key(i), "last") })
	}
}

// A follower follows a directory of a numberedWriter with a client of its own,
// until its context ends.
type follower struct {
	*trail
	follow func(ctx context.Context, kapi client.KeysAPI, tr *trail) error
	err    error // why it ended
}

// watchers are the ways to follow a directory, from after an index.
func watchers(dir string, after uint64) []*follower {
	first := dir + "/k0"
	return []*follower{
		{trail: newTrail("Events, recursive, with a snapshot", "", 0), follow: byEvents(dir, &client.EventsOptions{Recursive: true, Snapshot: true})},
		{trail: newTrail("Events, recursive, from an index", "", after), follow: byEvents(dir, &client.EventsOptions{Recursive: true, AfterIndex: after})},
		{trail: newTrail("Events of one key, from an index", first, after), follow: byEvents(first, &client.EventsOptions{AfterIndex: after})},
		{trail: newTrail("Watcher, recursive, from an index", "", after), follow: byWatcher(dir, &client.WatcherOptions{Recursive: true, AfterIndex: after})},
		{trail: newTrail("Watcher, recursive, from now", "", 0), follow: byWatcher(dir, &client.WatcherOptions{Recursive: true})},
	}
}

func byEvents(key string, opts *client.EventsOptions) func(context.Context, client.KeysAPI, *trail) error {
	return func(ctx context.Context, kapi client.KeysAPI, tr *trail) error {
		o := *opts
		o.Retry = func(error) { tr.failed() }
		for event, err := range client.Events(ctx, kapi, key, &o) {
			switch {
			case err != nil:
				return err
			case event.Kind == client.EventResync:
				tr.resync(event.Index, event.Node)
			default:
				tr.event(event.Index, event.Node, event.PrevNode)
			}
		}
		return nil
	}
}

func byWatcher(key string, opts *client.WatcherOptions) func(context.Context, client.KeysAPI, *trail) error {
	return func(ctx context.Context, kapi client.KeysAPI, tr *trail) error {
		w := kapi.Watcher(key, opts)
		for {
			resp, err := w.Next(ctx)
			var etcdErr client.Error
			switch {
			case err == nil:
				tr.event(resp.Node.ModifiedIndex, resp.Node, resp.PrevNode)
			case client.IsEventIndexCleared(err) && errors.As(err, &etcdErr):
				tr.cleared(etcdErr.Index)
			case errors.Is(err, client.ErrClusterUnavailable):
				tr.failed() // All endpoints failed, the member at fault and then those in an election.
			default:
				return err
			}
		}
	}
}

// startFollowing starts the followers, each with a client of its own, and waits
// until servers have taken their watches. They end with the test at the latest.
func startFollowing(t *testing.T, c *harness.Cluster, followers []*follower) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, f := range followers {
		kapi := freshKeys(t, c)
		wg.Go(func() { f.err = f.follow(ctx, kapi, f.trail) })
	}
	harness.WaitFor(t, callTimeout, func() error {
		if n := openWatches(c.Members()); n < len(followers) {
			return fmt.Errorf("%d watches", n)
		}
		return nil
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		for _, f := range followers {
			if !isBare(f.err, context.Canceled) {
				t.Errorf("%s: ended with %T (%v)", f.name, f.err, f.err)
			}
		}
	})
	t.Cleanup(stop)
	return stop
}

func openWatches(members []*harness.Member) int {
	n := 0
	for _, m := range members {
		n += m.Proxy().Open(harness.Match{Query: "wait=true"})
	}
	return n
}
