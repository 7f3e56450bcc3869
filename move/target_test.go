package move_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

func isHiddenLine(line string) bool { return strings.Contains(line, "/_") }

// A target that has something is left alone, whatever it is.
func TestATargetThatIsNotEmptyIsLeftAlone(t *testing.T) {
	for name, tt := range map[string]struct{ key, value, to string }{
		"a file":                  {"/dir/there", "1", "/dir"},
		"an empty directory":      {"/dir/there", "/", "/dir"},
		"a file in its place":     {"/dir", "1", "/dir"},
		"the mark of another":     {"/" + move.MarkName, `{"from":"/other","run":"X"}`, "/"},
		"a mark that is none":     {"/" + move.MarkName, `something`, "/"},
		"another cluster's mark":  {"/" + move.MarkName, `{"sourceClusterID":"1","from":"/","run":"X"}`, "/"},
		"a file in the whole one": {"/there", "1", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, from, to *keystest.Store) {
				t.Helper()
				set(t, from, "/a", "1")
				set(t, to, tt.key, tt.value)
				before := to.Index()
				_, err := move.Start(t.Context(), from, to, &move.Options{To: tt.to})
				var full *move.NotEmptyError
				if !errors.As(err, &full) || full.Key != tt.key || !strings.Contains(err.Error(), tt.key) {
					t.Errorf("got %v", err)
				}
				if to.Index() != before {
					t.Error("something was written")
				}
				if tt.key != tt.to { // a file stays one
					mustSwitch(t, start(t, from, to, &move.Options{To: tt.to, Overwrite: true}))
				}
			})
		})
	}
}

// Overwrite makes of the target what the source is.
func TestOverwriteReplacesWhatIsThere(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/same", "1", "/other", "1", "/file", "1", "/dir/x", "1", "/empty", "/")
		set(t, to, "/same", "1", "/other", "2", "/file/x", "1", "/dir", "1", "/extra/x", "1")
		m := caughtUp(t, from, to, &move.Options{Overwrite: true})
		set(t, to, "/same", "of somebody else")
		set(t, from, "/same", "2")
		mustSwitch(t, m)
		wantSame(t, to, from)
	})
}

// A directory moves to another place, below another prefix.
func TestADirectoryMovesElsewhere(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/app/a", "1", "/app/d/_h/x", "2", "/else", "3")
		set(t, to, "/there", "4")
		m := caughtUp(t, from, to, &move.Options{From: "app/", To: "/new//place"})
		set(t, from, "/app/a", "5", "/app/e/f", "6", "/else", "7", "/app/_top", "8")
		report := mustSwitch(t, m)
		want := keystest.New()
		set(t, want, "/there", "4", "/new/place/a", "5", "/new/place/d/_h/x", "2", "/new/place/e/f", "6", "/new/place/_top", "8")
		wantSame(t, to, want)
		if !slices.Equal(report.Hidden, []string{"/app/_top", "/app/d/_h"}) {
			t.Errorf("got %+v", report)
		}
	})
}

// The directory may be missing, come, go, and come again.
func TestTheDirectoryComesAndGoes(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		m := caughtUp(t, from, to, &move.Options{From: "/a/b"})
		set(t, from, "/a/b/c", "1")
		<-time.After(time.Second)
		remove(t, from, "/a")
		<-time.After(time.Second)
		if got := state(to); len(got) != 3 { // /a, /a/b, and the mark
			t.Errorf("got %q", got)
		}
		set(t, from, "/a/b/d", "2")
		mustSwitch(t, m)
		wantSame(t, to, from)
	})
}

func TestASourceThatIsAFileIsRefused(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/file", "1")
		var wrong *client.InvalidInputError
		if _, err := move.Start(t.Context(), from, to, &move.Options{From: "/file"}); !errors.As(err, &wrong) || len(state(to)) > 0 {
			t.Errorf("got %v", err)
		}
		m := caughtUp(t, from, to, &move.Options{From: "/dir"})
		set(t, from, "/dir", "a file now")
		<-m.Done()
		if err := m.Err(); !errors.As(err, &wrong) {
			t.Errorf("got %v", err)
		}
	})
}

func TestOneSideWithinTheOtherIsRefused(t *testing.T) {
	for _, tt := range [][2]string{{"/", "/new"}, {"/a", "/a"}, {"/a/b", "/a"}} {
		story(t, func(t *testing.T, from, _ *keystest.Store) {
			t.Helper()
			var wrong *client.InvalidInputError
			_, err := move.Start(t.Context(), from, from, &move.Options{From: tt[0], To: tt[1]})
			if !errors.As(err, &wrong) || wrong.Field != "To" {
				t.Errorf("%v: got %v", tt, err)
			}
			for _, line := range state(from) {
				if strings.Contains(line, move.MarkName) {
					t.Errorf("%v: the mark is left: %s", tt, line)
				}
			}
		})
	}
	story(t, func(t *testing.T, from, _ *keystest.Store) {
		t.Helper()
		set(t, from, "/a/x", "1")
		mustSwitch(t, start(t, from, from, &move.Options{From: "/a", To: "/b"}))
		if r, err := from.Get(t.Context(), "/b/x", nil); err != nil || r.Node.Value != "1" {
			t.Errorf("side by side in one store: %v, %v", r, err)
		}
	})
}

// A program that writes to the target before the switch is found out, by the change
// that meets its write.
func TestAWriteToTheTargetIsFoundByAChange(t *testing.T) {
	for name, meddle := range map[string]func(t *testing.T, to *keystest.Store){
		"another value": func(t *testing.T, to *keystest.Store) { t.Helper(); set(t, to, "/a", "meddled") },
		"removed":       func(t *testing.T, to *keystest.Store) { t.Helper(); remove(t, to, "/a") },
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, from, to *keystest.Store) {
				t.Helper()
				set(t, from, "/a", "1")
				m := caughtUp(t, from, to, nil)
				meddle(t, to)
				set(t, from, "/a", "2")
				<-m.Done()
				var met *move.ConflictError
				if err := m.Err(); !errors.As(err, &met) || met.Key != "/a" {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// … or by Switch, which names the keys and undoes nothing.
func TestAWriteToTheTargetIsFoundBySwitch(t *testing.T) {
	for name, tt := range map[string]struct{ key, value, what string }{
		"another value": {"/a", "meddled", "another value"},
		"one more":      {"/d/more", "1", "only there"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, from, to *keystest.Store) {
				t.Helper()
				set(t, from, "/a", "1", "/d/x", "1")
				m := caughtUp(t, from, to, nil)
				set(t, to, tt.key, tt.value)
				report, err := m.Switch(t.Context())
				var differs *move.DifferenceError
				if !errors.As(err, &differs) || differs.Total != 1 || differs.Differences[0].Key != tt.key ||
					!strings.Contains(err.Error(), tt.what) || report.Index == 0 {
					t.Fatalf("got %v, %+v", err, report)
				}
				if r, err := to.Get(t.Context(), tt.key, nil); err != nil || r.Node.Value != tt.value {
					t.Errorf("it was undone: %v, %v", r, err)
				}
				if p := m.Progress(); m.Err() != nil || p.Phase != move.PhaseFollow {
					t.Errorf("the move does not go on: %+v, %v", p, m.Err())
				}
				if tt.value == "1" {
					remove(t, to, tt.key)
				} else {
					set(t, to, tt.key, "1")
				}
				mustSwitch(t, m)
				wantSame(t, to, from)
			})
		})
	}
}

// Of two runs, the later one has the target.
func TestASecondRunTakesTheTargetOver(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/a", "1")
		first, second := caughtUp(t, from, to, nil), caughtUp(t, from, to, nil)
		var met *move.ConflictError
		if _, err := first.Switch(t.Context()); !errors.As(err, &met) || met.Key != "/"+move.MarkName {
			t.Errorf("got %v", err)
		}
		first.Close()
		mustSwitch(t, second)
		wantSame(t, to, from)
	})
}

// refusing is a store that takes no long values.
type refusing struct{ *keystest.Store }

var errTooLarge = &client.ReplyError{StatusCode: http.StatusBadRequest, Message: "etcdserver: request is too large"}

func (r refusing) Set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	if len(value) > 100 && !strings.Contains(key, move.MarkName) {
		return nil, errTooLarge
	}
	return r.Store.Set(ctx, key, value, opts)
}

// What the target does not take is told, all of it, and is no reason to stop before
// the switch.
func TestWhatTheTargetRefusesIsTold(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		long := strings.Repeat("x", 101)
		set(t, from, "/long", long, "/shrinks", long, "/grows", "1", "/goes/x", long, "/ok", "1", "/_h/long", long)
		m := caughtUp(t, from, refusing{to}, nil)
		set(t, from, "/shrinks", "2", "/grows", long, "/ok", "2")
		remove(t, from, "/goes")
		_, err := m.Switch(t.Context())
		var refused *move.RefusedError
		if !errors.As(err, &refused) || refused.Total != 3 || !errors.Is(err, errTooLarge) || refused.Refused[0].Key != "/_h/long" {
			t.Fatalf("got %v", err)
		}
		m.Close()
		report := mustSwitch(t, start(t, from, refusing{to}, &move.Options{AllowRefused: true}))
		if report.TotalRefused != 3 || report.Keys != 2 {
			t.Errorf("got %+v", report)
		}
		for _, key := range []string{"/long", "/grows", "/_h/long"} {
			remove(t, from, key)
		}
		wantSame(t, to, from)
	})
}

// Who writes to the source after the switch has begun is told of.
func TestLateWritesAreCopiedAndTold(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/a", "1")
		var switching, late atomic.Bool
		to.Before = func(r keystest.Request) { // when the source has been read
			if r.Op == keystest.OpGet && switching.Load() && late.CompareAndSwap(false, true) {
				set(t, from, "/late", "1")
			}
		}
		m := caughtUp(t, from, to, nil)
		<-time.After(time.Minute)
		switching.Store(true)
		report := mustSwitch(t, m)
		wantSame(t, to, from)
		if report.TotalLate != 1 || report.IndexAfter <= report.Index || !slices.Equal(report.Late, []string{"/late"}) {
			t.Errorf("got %+v", report)
		}
	})
}
