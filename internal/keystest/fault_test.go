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

func TestFaultsOfAWrite(t *testing.T) {
	const d = 3 * time.Second
	for name, tt := range map[string]struct {
		fault         keystest.Fault
		unknown, hung bool
		now, later    bool // whether the write is there
	}{
		"none":         {now: true, later: true},
		"answer lost":  {fault: keystest.Fault{Kind: keystest.AnswerLost}, unknown: true, now: true, later: true},
		"never there":  {fault: keystest.Fault{Kind: keystest.NeverArrives}, unknown: true},
		"late":         {fault: keystest.Fault{Kind: keystest.ArrivesLate, Delay: d}, unknown: true, later: true},
		"hangs":        {fault: keystest.Fault{Kind: keystest.Hangs}, hung: true, now: true, later: true},
		"hangs, late":  {fault: keystest.Fault{Kind: keystest.Hangs, Delay: d}, hung: true, later: true},
		"hangs unsent": {fault: keystest.Fault{Kind: keystest.HangsUnsent}, hung: true},
		"not sent":     {fault: keystest.Fault{Kind: keystest.NotSent}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := keystest.New()
				s.Fault = func(r keystest.Request) keystest.Fault {
					if r.Op == keystest.OpSet && r.Key == "/k" && r.Value == "v" && r.Caller == "joe" {
						return tt.fault
					}
					return keystest.Fault{}
				}
				ctx, cancel := context.WithTimeout(keystest.As(t.Context(), "joe"), time.Second)
				defer cancel()
				_, err := s.Set(ctx, "k", "v", nil)
				if errors.Is(err, client.ErrOutcomeUnknown) != tt.unknown || errors.Is(err, context.DeadlineExceeded) != tt.hung ||
					(err == nil) != (tt.fault.Kind == keystest.None) {
					t.Errorf("error: %v", err)
				}
				wantThere(t, s, tt.now)
				s.Wait()
				wantThere(t, s, tt.later)
				if s.Requests(keystest.OpSet) != 1 {
					t.Error("the request was not counted once")
				}
			})
		})
	}
}

func wantThere(t *testing.T, s *keystest.Store, there bool) {
	t.Helper()
	if got := len(s.Dump()) == 1; got != there {
		t.Errorf("written: %v, want %v", got, there)
	}
}

func TestCutOffCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		ctx, cancel := context.WithTimeout(keystest.As(t.Context(), "joe"), 10*time.Second)
		defer cancel()
		time.AfterFunc(time.Second, func() { s.CutOff("joe", keystest.HangsUnsent) })
		time.AfterFunc(2*time.Second, func() { _, _ = s.Set(t.Context(), "/k", "v", nil) })
		time.AfterFunc(5*time.Second, func() { s.Reconnect("joe") })
		began := time.Now()
		ev, err := s.Watcher("/k", nil).Next(ctx)
		if err != nil || ev.Node.Value != "v" || time.Since(began) != 5*time.Second {
			t.Fatalf("got %v, %v after %v; want what was missed, after 5s", ev, err, time.Since(began))
		}

		s.CutOff("joe", keystest.NotSent)
		var ce *client.ClusterError
		if _, err := s.Delete(ctx, "/k", nil); !errors.As(err, &ce) || ce.OutcomeUnknown {
			t.Errorf("a delete that is not sent: %v", err)
		}
		if _, err := s.Watcher("/k", nil).Next(ctx); !errors.As(err, &ce) {
			t.Errorf("a watch that is not sent: %v", err)
		}
		wantThere(t, s, true)
	})
}

func TestLostHistory(t *testing.T) {
	s := keystest.New()
	s.History = 2
	put(t, s, "/gone", "v", nil)
	if _, err := s.Delete(t.Context(), "/gone", nil); err != nil {
		t.Fatal(err)
	}
	put(t, s, "/same", "v", nil)
	put(t, s, "/other", "v", nil)
	put(t, s, "/other", "v", nil)

	_, err := s.Watcher("/gone", &client.WatcherOptions{AfterIndex: 4}).Next(t.Context())
	want := client.Error{
		Code: client.ErrorCodeEventIndexCleared, Message: "The event in requested index is outdated and cleared",
		Cause: "the requested history has been cleared [7/5]", Index: 8, StatusCode: 400,
	}
	if err != want { //nolint:errorlint // returned bare
		t.Errorf("got %v, want %v", err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := s.Watcher("/same", &client.WatcherOptions{AfterIndex: 5})
	if _, err = w.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	w = s.Watcher("/other", &client.WatcherOptions{AfterIndex: 6})
	if ev, err := w.Next(t.Context()); err != nil || ev.Node.ModifiedIndex != 7 || ev.Index != 8 {
		t.Errorf("got %v, %v", ev, err)
	}
}
