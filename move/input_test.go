package move_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

func TestWrongInputIsNamedBeforeAnythingIsAsked(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		ctx := t.Context()
		var none context.Context
		for _, tt := range []struct {
			ctx      context.Context
			from, to client.KeysAPI
			opts     move.Options
			field    string
		}{
			{ctx: none, from: from, to: to, field: "context"},
			{ctx: ctx, to: to, field: "source"},
			{ctx: ctx, from: from, field: "target"},
			{ctx: ctx, from: from, to: to, opts: move.Options{From: "/a/../b"}, field: "From"},
			{ctx: ctx, from: from, to: to, opts: move.Options{To: "."}, field: "To"},
			{ctx: ctx, from: from, to: to, opts: move.Options{Parallel: -1}, field: "Parallel"},
			{ctx: ctx, from: from, to: to, opts: move.Options{TTLTolerance: -time.Second}, field: "TTLTolerance"},
			{ctx: ctx, from: from, to: to, opts: move.Options{Hidden: []string{"/visible"}}, field: "Hidden"},
			{ctx: ctx, from: from, to: to, opts: move.Options{Hidden: []string{"/_x/../y"}}, field: "Hidden"},
			{ctx: ctx, from: from, to: to, opts: move.Options{From: "/a", Hidden: []string{"/b/_x"}}, field: "Hidden"},
		} {
			_, err := move.Start(tt.ctx, tt.from, tt.to, &tt.opts)
			var wrong *client.InvalidInputError
			if !errors.As(err, &wrong) || wrong.Field != tt.field {
				t.Errorf("%s: got %v", tt.field, err)
			}
		}
		if n := from.Requests(keystest.OpGet) + to.Requests(keystest.OpGet); n > 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestErrorsNameKeysAndReasons(t *testing.T) {
	file, dir := &client.Node{Value: "1"}, &client.Node{Dir: true}
	reason := errors.New("too large")
	for want, err := range map[string]error{
		`move: target: set "/a": too large`:                                                 &move.StoreError{Side: "target", Op: "set", Key: "/a", Err: reason},
		`move: the target "/" is not empty: it has "/a"`:                                    &move.NotEmptyError{Dir: "/", Key: "/a"},
		`move: the target "/" belongs to another move: "/m" is {}`:                          &move.NotEmptyError{Dir: "/", Key: "/m", Mark: "{}"},
		`somebody else has written to the target: "/a"`:                                     &move.ConflictError{Key: "/a"},
		`move: the target differs in 1 node: "/a" (a file for a directory, or the reverse)`: &move.DifferenceError{Total: 1, Differences: []move.Difference{{Key: "/a", Source: file, Target: dir}}},
		`move: the target differs in 4 nodes: "/a" (missing), "/b" (only there), "/c" (another TTL), …`: &move.DifferenceError{Total: 4, Differences: []move.Difference{
			{Key: "/a", Source: file}, {Key: "/b", Target: file}, {Key: "/c", Source: file, Target: file}, {Key: "/d"},
		}},
		`move: the target refused 1 node: "/a" (too large)`: &move.RefusedError{Total: 1, Refused: []move.Refusal{{Key: "/a", Err: reason}}},
		`move: the target refused 4 nodes: "/a" (too large), "/b" (too large), "/c" (too large), …`: &move.RefusedError{Total: 4, Refused: []move.Refusal{
			{Key: "/a", Err: reason}, {Key: "/b", Err: reason}, {Key: "/c", Err: reason}, {Key: "/d", Err: reason},
		}},
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
}

func TestACancelledContextEndsEveryCall(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := move.Start(ctx, from, to, nil); err != context.Canceled { //nolint:errorlint // bare
			t.Errorf("Start: %v", err)
		}
		m := caughtUp(t, from, to, nil)
		if _, err := m.Switch(ctx); err != context.Canceled { //nolint:errorlint // bare
			t.Errorf("Switch: %v", err)
		}
		to.CutOff("mover", keystest.HangsUnsent) // so that it does not catch up
		set(t, from, "/a", "1", "/a", "2")
		m2ctx, cancel2 := context.WithTimeout(t.Context(), time.Minute)
		defer cancel2()
		if _, err := m.Switch(m2ctx); err != context.DeadlineExceeded { //nolint:errorlint // bare
			t.Errorf("Switch that waits: %v", err)
		}
		own, end := context.WithCancel(t.Context())
		m2, err := move.Start(own, from, keystest.New(), nil)
		if err != nil {
			t.Fatal(err)
		}
		end()
		<-m2.Done()
		if err := m2.Err(); err != context.Canceled { //nolint:errorlint // bare
			t.Errorf("the move: %v", err)
		}
		m2.Close()
	})
}
