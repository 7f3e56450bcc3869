package integration

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// A server drops a stream that is 100 events behind what its connection takes,
// and says nothing: the reply stays open for ever.
func TestEventsInALoopThatFallsBehind(t *testing.T) {
	const writers, each = 8, 40 // 320: more than a stream holds, and within the history.
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Proxied: true})
			kapi, ctx := newKeys(t, c)
			large := strings.Repeat("x", 100<<10)
			begun, goOn := make(chan struct{}), make(chan struct{})
			tr, done := newTrail("Events", "", 0), make(chan struct{})
			over, cancel := context.WithTimeout(ctx, time.Minute)
			defer cancel()
			go func() {
				defer close(done)
				for event, err := range client.Events(over, kapi, "/d", &client.EventsOptions{Recursive: true, Snapshot: true, Buffer: 1}) {
					switch {
					case err != nil:
						t.Errorf("after %d events: %v", len(tr.seen), err)
						return
					case event.Kind == client.EventResync:
						tr.resync(event.Index, event.Node)
						continue
					}
					if len(tr.seen) == 0 {
						close(begun)
						<-goOn
					}
					event.Node.Value = event.Node.Value[:10]
					tr.event(event.Index, event.Node, event.PrevNode)
					if event.Node.Key == "/d/end" {
						return
					}
				}
			}()
			waitForWatch(t, c.Member(0))
			var all ledger
			write := func(key, value string) {
				resp, err := kapi.Set(ctx, key, fmt.Sprintf("%-10s", value)+large, nil)
				if err != nil {
					t.Error(err)
					return
				}
				all.add(ackedWrite{resp.Node.ModifiedIndex, key, fmt.Sprintf("%-10s", value), time.Now()})
			}
			write("/d/begin", "")
			<-begun
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					for n := range each {
						if t.Failed() {
							return
						}
						write("/d/k"+strconv.Itoa(i), strconv.Itoa(n))
					}
				})
			}
			wg.Wait()
			close(goOn)
			write("/d/end", "")
			<-done
			for _, hole := range tr.holes(all.all()) {
				t.Error(hole)
			}
			if n := len(tr.losses); n > 0 {
				t.Errorf("%d resyncs, though the server remembers", n)
			}
		})
	}
}
