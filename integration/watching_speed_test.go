package integration

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestEventsAtFullSpeed has writers that wait for nothing but the watch, and for
// that only when it is half of the server's history behind: how far it falls back
// is the machine's affair, that it comes back without a loss is the client's.
func TestEventsAtFullSpeed(t *testing.T) {
	const writers, span, ahead = 8, time.Second, 500
	for _, s := range harness.Servers(t) {
		for _, members := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d members", s, members), func(t *testing.T) {
				c := harness.Start(t, s, harness.Options{Members: members})
				kapi, ctx := newKeys(t, c)
				tr, done, begun := newTrail("Events", "", 0), make(chan struct{}), make(chan struct{})
				room := make(chan struct{}, ahead)
				go func() {
					defer close(done)
					for event, err := range client.Events(ctx, kapi, "/d", &client.EventsOptions{Recursive: true, Snapshot: true}) {
						switch {
						case err != nil:
							t.Errorf("after %d events: %v", len(tr.seen), err)
							return
						case event.Kind == client.EventResync:
							tr.resync(event.Index, event.Node)
							if event.Node == nil {
								close(begun)
							}
							continue
						}
						tr.event(event.Index, event.Node, event.PrevNode)
						select {
						case <-room:
						default: // a set that was sent again is two events
						}
						if event.Node.Key == "/d/end" {
							return
						}
					}
				}()
				<-begun
				writing, _ := newKeys(t, c)
				var all ledger
				write := func(key, value string) {
					select {
					case room <- struct{}{}:
					case <-done:
						return
					}
					resp, err := writing.Set(ctx, key, value, nil)
					if err != nil {
						t.Error(err)
						return
					}
					all.add(ackedWrite{resp.Node.ModifiedIndex, key, value, time.Now()})
				}
				start := time.Now()
				var wg sync.WaitGroup
				for i := range writers {
					wg.Go(func() {
						for n := 0; time.Since(start) < span && ctx.Err() == nil && !t.Failed(); n++ {
							write("/d/k"+strconv.Itoa(i), strconv.Itoa(n))
						}
					})
				}
				wg.Wait()
				write("/d/end", "")
				<-done
				took := time.Since(start)
				writes := all.all()
				for _, hole := range tr.holes(writes) {
					t.Error(hole)
				}
				t.Logf("%d events, %.0f a second; %d resyncs; the slowest took %v",
					len(tr.seen), float64(len(tr.seen))/took.Seconds(), len(tr.losses), tr.longest(writes, start, time.Now()).Round(time.Millisecond))
				if len(tr.losses) > 0 {
					t.Errorf("%d resyncs", len(tr.losses))
				}
			})
		}
	}
}
