package keystest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestKeysExpireByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		began := time.Now()
		put(t, s, "/d", "", &client.SetOptions{Dir: true, TTL: 9500 * time.Millisecond})
		put(t, s, "/d/x", "v", nil)
		put(t, s, "/k", "v", &client.SetOptions{TTL: 5 * time.Second})
		put(t, s, "/k", "", &client.SetOptions{TTL: 20 * time.Second, Refresh: true, PrevExist: client.PrevExist})

		w := s.Watcher("/", &client.WatcherOptions{Recursive: true})
		for _, want := range []struct {
			key string
			at  time.Duration
			dir bool
		}{{"/d", 10 * time.Second, true}, {"/k", 20 * time.Second, false}} {
			ev, err := w.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if ev.Action != "expire" || ev.Node.Key != want.key || ev.Node.Dir != want.dir || ev.PrevNode.TTL != 0 || ev.PrevNode.Expiration == nil {
				t.Errorf("got %s of %v, before %v; want expire of %s", ev.Action, ev.Node, ev.PrevNode, want.key)
			}
			if took := time.Since(began); took != want.at {
				t.Errorf("%s expired after %v, want %v", want.key, took, want.at)
			}
		}
		if left := s.Dump(); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
		if got, want := s.Index(), uint64(9); got != want {
			t.Errorf("index %d, want %d", got, want)
		}
	})
}

func TestTTLCountsDownAndARefreshIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		w := s.Watcher("/k", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 3500*time.Millisecond)
		defer cancel()
		time.AfterFunc(time.Second, func() {
			_, _ = s.Set(t.Context(), "/k", "v", &client.SetOptions{TTL: 10 * time.Second})
		})
		time.AfterFunc(2*time.Second, func() { _, _ = client.Refresh(t.Context(), s, "/k", 10*time.Second) })
		if ev, err := w.Next(ctx); err != nil || ev.Node.TTL != 10 {
			t.Fatalf("got %v, %v", ev, err)
		}
		if ev, err := w.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, %v; want no event of a refresh", ev, err)
		}
		resp, err := s.Get(t.Context(), "/k", nil)
		if err != nil || resp.Node.TTL != 9 || resp.Node.Value != "v" || resp.Index != 5 {
			t.Errorf("got %v, %v; want TTL 9 at index 5", resp, err)
		}
	})
}

func put(t *testing.T, s *keystest.Store, key, value string, opts *client.SetOptions) *client.Response {
	t.Helper()
	resp, err := s.Set(t.Context(), key, value, opts)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}
