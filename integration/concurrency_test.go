package integration

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

func TestManyGoroutinesOnOneClient(t *testing.T) {
	const span = 3 * time.Second
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		cl := must[client.Client](t)(client.New(client.Config{
			Endpoints: c.Endpoints(), SelectionMode: client.EndpointSelectionPrioritizeLeader,
		}))
		kapi := client.NewKeysAPI(cl)
		end := autoSync(t, cl, 100*time.Millisecond)
		defer end()
		var calls atomic.Int64
		over := within(t, span)
		var wg sync.WaitGroup
		again := func(goroutines int, do func(ctx context.Context) error) {
			for range goroutines {
				wg.Go(func() {
					for over.Err() == nil {
						ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
						err := do(ctx) //nolint:contextcheck // Each call has a deadline of its own.
						cancel()
						calls.Add(1)
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		again(2, func(context.Context) error {
			urls := c.Endpoints()
			rand.Shuffle(len(urls), func(i, j int) { urls[i], urls[j] = urls[j], urls[i] })
			return cl.SetEndpoints(urls[:1+rand.IntN(len(urls))])
		})
		again(2, cl.Sync)
		again(2, func(context.Context) error {
			if len(cl.Endpoints()) == 0 {
				return client.ErrNoEndpoints
			}
			return nil
		})
		again(8, func(ctx context.Context) error {
			_, err := kapi.Set(ctx, uniqueKey("many"), "v", nil)
			return err
		})
		again(4, func(ctx context.Context) error {
			_, err := kapi.Get(ctx, "/", nil)
			return err
		})
		again(2, func(ctx context.Context) error {
			_, err := cl.GetVersion(ctx)
			return err
		})
		wg.Wait()
		t.Logf("%d calls in %v", calls.Load(), span)
	})
}
