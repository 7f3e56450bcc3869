package integration

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// Watches of what is quiet, in a store that is not: 5,000 events elsewhere, and
// then the connections break.
func TestQuietWatchesInABusyStore(t *testing.T) {
	const writers, each = 50, 100
	t.Parallel()
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := harness.Start(t, s, harness.Options{Proxied: true})
			kapi, ctx := newKeys(t, c)
			for _, key := range []string{"/quiet/k0", "/quiet/k1"} {
				check(t, set(ctx, kapi, key, "before"))
			}
			resp, err := kapi.Get(ctx, "/quiet/k1", nil)
			after := mustResponse(t, resp, err).Index
			key, dir := "/quiet/k0", "/quiet"
			followers := []*follower{
				{trail: newTrail("Watcher of a key, from now", key, 0), follow: byWatcher(key, nil)},
				{trail: newTrail("Watcher of a key, from an index", key, after), follow: byWatcher(key, &client.WatcherOptions{AfterIndex: after})},
				{trail: newTrail("Watcher of a key, recursive", key, after), follow: byWatcher(key, &client.WatcherOptions{AfterIndex: after, Recursive: true})},
				{trail: newTrail("Events of a key, from now", key, 0), follow: byEvents(key, &client.EventsOptions{})},
				{trail: newTrail("Events of a key, from an index", key, after), follow: byEvents(key, &client.EventsOptions{AfterIndex: after})},
				{trail: newTrail("Watcher of a directory", "", after), follow: byWatcher(dir, &client.WatcherOptions{AfterIndex: after, Recursive: true})},
				{trail: newTrail("Events of a directory, from now", "", 0), follow: byEvents(dir, &client.EventsOptions{Recursive: true})},
				{trail: newTrail("Events of a directory, with a snapshot", "", 0), follow: byEvents(dir, &client.EventsOptions{Recursive: true, Snapshot: true})},
			}
			const keys = 5 // The first so many watch no directory.
			stop := startFollowing(t, c, followers)

			busy := client.NewKeysAPI(must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()})))
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					for n := range each {
						if err := set(ctx, busy, fmt.Sprintf("/busy/%d", i), fmt.Sprint(n)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			c.Member(0).Proxy().Reset()
			pause(500 * time.Millisecond) // They are made again, and find out.

			var all ledger
			for range 3 {
				for _, key := range []string{"/quiet/k1", "/quiet/k0"} {
					resp, err := kapi.Set(ctx, key, "after", nil)
					mustResponse(t, resp, err)
					all.add(ackedWrite{resp.Node.ModifiedIndex, key, "after", time.Now()})
				}
			}
			p := &proof{T: t, c: c, writer: &numberedWriter{}, followers: followers}
			p.waitUntil(func() bool { return p.allReached(all.last) }, "not all is seen")
			stop()
			for i, f := range followers {
				for _, hole := range f.holes(all.all()) {
					t.Errorf("%s: %s", f.name, hole)
				}
				t.Logf("%s: %d events, %d losses, %d errors that were tried again", f.name, len(f.seen), len(f.losses), f.fails)
				if n := len(f.losses); i < keys && n > 0 || n > 1 {
					t.Errorf("%s: %d losses", f.name, n)
				}
			}
		})
	}
}
