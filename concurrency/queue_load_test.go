package concurrency_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client/internal/keystest"
)

// TestManyConsumers has 16 programs empty a queue of 2,000 items at the same time.
// Each item takes four requests, and little more than one claim.
func TestManyConsumers(t *testing.T) {
	const programs, items = 16, 2000
	for _, c := range []struct {
		name string
		work time.Duration
	}{
		{"no work", 0},
		{"as much work as waiting", 10 * time.Millisecond},
		{"work", 100 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newQueueStore()
				producer := newConsumer(t, store, "producer")
				for i := range items {
					producer.put(fmt.Sprint(i))
				}
				var claims, done atomic.Int32
				store.setBefore(func(r keystest.Request) {
					if queueSteps[claimStep].is(r) {
						claims.Add(1)
					}
					latency := 2*time.Millisecond + rand.N(2*time.Millisecond)
					if r.Op == keystest.OpWatch { // they come in a stream
						latency = rand.N(200 * time.Microsecond)
					}
					<-time.After(latency)
				})
				before, began := queueRequests(store), time.Now()
				var workers sync.WaitGroup
				var all []*consumer
				for p := range programs {
					worker := newConsumer(t, store, fmt.Sprintf("worker-%d", p))
					workers.Go(func() {
						for {
							item, err := worker.queue.Dequeue(worker.ctx)
							if err != nil {
								return // it is closed
							}
							<-time.After(rand.N(2*c.work + 1))
							worker.ack(item)
							done.Add(1)
						}
					})
					all = append(all, worker)
				}
				for done.Load() < items {
					<-time.After(time.Millisecond)
				}
				for _, worker := range all {
					worker.queue.Close()
				}
				workers.Wait()
				<-time.After(time.Second) // for claims that are deleted behind the callers' backs
				wantNoKeys(t, store)
				perItem := func(n int) float64 { return float64(n) / items }
				t.Logf("%d items in %v: %.2f claims and %.2f requests for each", items, time.Since(began),
					perItem(int(claims.Load())), perItem(queueRequests(store)-before))
				if perItem(int(claims.Load())) > 2 || perItem(queueRequests(store)-before) > 5.5 {
					t.Error("consumers are in each other's way")
				}
			})
		})
	}
}
