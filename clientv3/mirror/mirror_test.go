package mirror_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/internal/fakeetcd"
	"github.com/coreos/etcd/clientv3/mirror"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func put(tb testing.TB, client *clientv3.Client, key, val string) {
	tb.Helper()
	if _, err := client.Put(tb.Context(), key, val); err != nil {
		tb.Fatal(err)
	}
}

// receiveBase gives all keys, and how many each page had.
func receiveBase(tb testing.TB, s mirror.Syncer) (map[string]string, []int, error) {
	tb.Helper()
	got, pages := make(map[string]string), []int(nil)
	base, failure := s.SyncBase(tb.Context())
	last := ""
	for page := range base {
		for _, kv := range page.Kvs {
			if string(kv.Key) <= last {
				tb.Errorf("%q after %q", kv.Key, last)
			}
			last = string(kv.Key)
			got[last] = string(kv.Value)
		}
		pages = append(pages, len(page.Kvs))
		if size := proto.Size((*pb.RangeResponse)(page)); size > 4<<20 {
			tb.Errorf("a page of %d bytes", size)
		}
	}
	return got, pages, <-failure
}

// follow applies updates until the marker is put.
func follow(tb testing.TB, updates clientv3.WatchChan, marker string, to map[string]string) {
	tb.Helper()
	for response := range updates {
		if err := response.Err(); err != nil {
			tb.Fatal(err)
		}
		for _, event := range response.Events {
			switch {
			case string(event.Kv.Key) == marker:
				return
			case event.Type == clientv3.EventTypeDelete:
				delete(to, string(event.Kv.Key))
			default:
				to[string(event.Kv.Key)] = string(event.Kv.Value)
			}
		}
	}
	tb.Fatal("the updates have ended")
}

// TestMirror has keys change during the base and after it.
func TestMirror(t *testing.T) {
	for _, updatesFirst := range []bool{false, true} {
		for _, prefix := range []string{"/k/", ""} {
			fakeetcd.Run(t, func(t *fakeetcd.T) {
				client := t.Client
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				want := make(map[string]string)
				for i := range 350 {
					key := fmt.Sprintf("/k/%03d", i)
					want[key] = strings.Repeat("x", 1+i*20)
					put(t, client, key, want[key])
				}
				if prefix != "" {
					put(t, client, "/j", "other")
					put(t, client, "/l", "other")
				}
				s := mirror.NewSyncer(client, prefix, 0)
				var updates clientv3.WatchChan
				if updatesFirst {
					updates = s.SyncUpdates(ctx)
				}
				base, failure := s.SyncBase(ctx)
				got := make(map[string]string)
				for page := range base {
					for _, kv := range page.Kvs {
						got[string(kv.Key)] = string(kv.Value)
					}
					put(t, client, "/k/300", "changed") // the base does not see it
					put(t, client, "/k/400", "new")
				}
				if err := <-failure; err != nil {
					t.Fatal(err)
				}
				if !maps.Equal(got, want) {
					t.Errorf("the base has %d keys that are not the %d which there were", len(got), len(want))
				}
				if !updatesFirst {
					updates = s.SyncUpdates(ctx)
				}
				if _, err := client.Delete(ctx, "/k/001"); err != nil {
					t.Fatal(err)
				}
				put(t, client, "/k/marker", "")
				follow(t, updates, "/k/marker", got)
				want["/k/300"], want["/k/400"] = "changed", "new"
				delete(want, "/k/001")
				if !maps.Equal(got, want) {
					t.Errorf("the mirror has %d keys that are not the %d which there are", len(got), len(want))
				}
			})
		}
	}
}

// TestPagesAreOfOneSize whether the keys are large or small.
func TestPagesAreOfOneSize(t *testing.T) {
	for size, wantPages := range map[int]int{10: 2, 3000: 3, 300_000: 0} {
		fakeetcd.Run(t, func(t *fakeetcd.T) {
			client := t.Client
			const count = 500
			n := count
			if size > 100_000 {
				n = 13 // about 4 MB
			}
			for i := range n {
				put(t, client, fmt.Sprintf("%04d", i), strings.Repeat("x", size))
			}
			got, pages, err := receiveBase(t, mirror.NewSyncer(client, "", 0))
			if err != nil || len(got) != n {
				t.Errorf("%d keys of %d, %v", len(got), n, err)
			}
			if wantPages > 0 && len(pages) != wantPages {
				t.Errorf("size %d: pages of %v keys", size, pages)
			}
		})
	}
}

func TestBaseAtARevision(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		put(t, client, "a", "old")
		put(t, client, "a", "new")
		got, _, err := receiveBase(t, mirror.NewSyncer(client, "", 2))
		if err != nil || got["a"] != "old" {
			t.Errorf("%v, %v", got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		response := <-mirror.NewSyncer(client, "", 2).SyncUpdates(ctx)
		if len(response.Events) != 1 || string(response.Events[0].Kv.Value) != "new" {
			t.Errorf("updates: %v", response.Events)
		}
		if _, err := client.Compact(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		if _, _, err := receiveBase(t, mirror.NewSyncer(client, "", 2)); !errors.Is(err, rpctypes.ErrCompacted) {
			t.Errorf("a compacted revision: %v", err)
		}
		if got, pages, err := receiveBase(t, mirror.NewSyncer(client, "none", 0)); len(got) != 0 || len(pages) != 0 || err != nil {
			t.Errorf("a base without keys: %v, %v, %v", got, pages, err)
		}
	})
}

// TestBaseThatIsNotReceived ends with its context.
func TestBaseThatIsNotReceived(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		client := t.Client
		put(t, client, "a", "")
		ctx, cancel := context.WithCancel(t.Context())
		base, failure := mirror.NewSyncer(client, "", 0).SyncBase(ctx)
		synctest.Wait()
		cancel()
		if err := <-failure; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if page, open := <-base; open {
			t.Errorf("a page after the end: %v", page)
		}
	})
}

// TestRevisionThatIsRefused is told by both, and asked for again.
func TestRevisionThatIsRefused(t *testing.T) {
	fakeetcd.Run(t, func(t *fakeetcd.T) {
		server, client := t.Server, t.Client
		put(t, client, "a", "1")
		var refuse atomic.Bool
		refuse.Store(true)
		server.SetFault(func(_ context.Context, _ any, do func() (any, error)) (any, error) {
			if refuse.Load() {
				return nil, rpctypes.ErrGRPCPermissionDenied
			}
			return do()
		})
		s := mirror.NewSyncer(client, "", 0)
		if _, _, err := receiveBase(t, s); !errors.Is(err, rpctypes.ErrPermissionDenied) {
			t.Errorf("base: %v", err)
		}
		updates := s.SyncUpdates(t.Context())
		if response := <-updates; !response.Canceled || !errors.Is(response.Err(), rpctypes.ErrPermissionDenied) {
			t.Errorf("updates: %v", response.Err())
		}
		if response, open := <-updates; open {
			t.Errorf("after the end: %v", response)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if response, open := <-s.SyncUpdates(ended); open {
			t.Errorf("with a context that has ended: %v", response)
		}
		refuse.Store(false)
		if got, _, err := receiveBase(t, s); got["a"] != "1" || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	})
}
