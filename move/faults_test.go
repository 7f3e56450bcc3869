package move_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

// fill puts a random tree into a store, always the same.
func fill(t *testing.T, from *keystest.Store) {
	t.Helper()
	from.DirUpdates = true
	stir(t, from, rand.New(rand.NewPCG(1, 2)), 40)
}

// faultAt makes the n-th write of a store, beginning with 0, come to something.
func faultAt(s *keystest.Store, n int64, fault keystest.Fault, also func()) {
	var count atomic.Int64
	s.Fault = func(r keystest.Request) keystest.Fault {
		if r.Op != keystest.OpSet && r.Op != keystest.OpDelete || count.Add(1) != n+1 {
			return keystest.Fault{}
		}
		if also != nil {
			also()
		}
		return fault
	}
}

// What an interrupted move has left, at whatever write, a second one finishes, and
// writes no node twice.
func TestInterruptedAtAnyWriteItIsFinishedByASecond(t *testing.T) {
	for _, kind := range []keystest.FaultKind{keystest.HangsUnsent, keystest.Hangs} {
		for n, more := int64(0), true; more; n++ {
			t.Run(fmt.Sprintf("kind=%d write=%d", kind, n), func(t *testing.T) {
				story(t, func(t *testing.T, from, to *keystest.Store) {
					t.Helper()
					fill(t, from)
					more = false
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					faultAt(to, n, keystest.Fault{Kind: kind}, func() { more = true; time.AfterFunc(time.Second, cancel) })
					m, err := move.Start(ctx, from, to, nil)
					if err == nil {
						_, err = m.Switch(ctx)
						m.Close()
					}
					if more != (err == context.Canceled) { //nolint:errorlint // bare
						t.Fatalf("write %d: %v", n, err)
					}
					if !more {
						return
					}
					to.Fault = nil
					if n > 0 && !isMarked(t, to) { // it was the last write, and all was done
						wantSame(t, to, from)
						return
					}
					set(t, from, "/between", "runs")
					remove(t, from, "/a")
					mustSwitch(t, start(t, from, to, nil))
					wantSame(t, to, from)
				})
			})
		}
	}
}

func isMarked(t *testing.T, to *keystest.Store) bool {
	t.Helper()
	_, err := to.Get(t.Context(), "/"+move.MarkName, nil)
	return err == nil
}

// Whichever answer of the target is lost: each node is written, and the target has
// at most one write more.
func TestGetsOverAnyLostAnswer(t *testing.T) {
	for _, kind := range []keystest.FaultKind{keystest.AnswerLost, keystest.NeverArrives, keystest.NotSent} {
		for n, more := int64(0), true; more; n++ {
			t.Run(fmt.Sprintf("kind=%d write=%d", kind, n), func(t *testing.T) {
				story(t, func(t *testing.T, from, to *keystest.Store) {
					t.Helper()
					fill(t, from)
					more = false
					faultAt(to, n, keystest.Fault{Kind: kind}, func() { more = true })
					var told atomic.Int64
					m := caughtUp(t, from, to, &move.Options{Retry: func(error) { told.Add(1) }})
					set(t, from, "/live", "1")
					remove(t, from, "/live")
					mustSwitch(t, m)
					wantSame(t, to, from)
					if more != (told.Load() == 1) {
						t.Errorf("%d failures were told", told.Load())
					}
				})
			})
		}
	}
}

// A source that is away, and comes back when its history is lost, is compared anew.
func TestLostHistoryIsAResync(t *testing.T) {
	random(t, 20, func(t *testing.T, r *rand.Rand, from, to *keystest.Store) {
		t.Helper()
		from.History = 100
		from.DirUpdates, to.DirUpdates = true, true
		stir(t, from, r, 30)
		set(t, from, "/kind", "file", "/other/kind", "directory", "/gone", "soon")
		m := caughtUp(t, from, to, nil)
		from.CutOff("mover", keystest.NotSent)
		for _, key := range []string{"/kind", "/other", "/gone"} {
			remove(t, from, key)
		}
		set(t, from, "/kind/of", "directory", "/other", "file")
		stir(t, from, r, 10)
		for range 100 {
			set(t, from, "/busy", "x")
		}
		set(t, from, "/late/_hidden", "x")
		<-time.After(10 * time.Second)
		from.Reconnect("mover")
		<-time.After(10 * time.Second)
		stir(t, from, r, 5)
		report := mustSwitch(t, m)
		if report.Resyncs == 0 { // a second one where a hidden node came before what it is in
			t.Errorf("got %+v", report)
		}
		// Hidden nodes that were written and forgotten meanwhile can't be known.
		visible := func(lines []string) (kept []string) {
			for _, line := range lines {
				if !isHiddenLine(line) {
					kept = append(kept, line)
				}
			}
			return kept
		}
		got, want := visible(state(to)), visible(state(from))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
		_, errFrom := from.Get(t.Context(), "/late/_hidden", nil)
		_, errTo := to.Get(t.Context(), "/late/_hidden", nil)
		if (errFrom == nil) != (errTo == nil) {
			t.Errorf("the hidden node: %v, %v", errFrom, errTo)
		}
	})
}

// The target is away for long: the move waits, and finishes.
func TestWaitsForATargetThatIsAway(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/a", "1")
		m := caughtUp(t, from, to, nil)
		to.CutOff("mover", keystest.NotSent)
		set(t, from, "/a", "2", "/b", "3")
		<-time.After(10 * time.Minute)
		if p := m.Progress(); p.Phase != move.PhaseFollow || m.Err() != nil {
			t.Errorf("got %+v, %v", p, m.Err())
		}
		to.Reconnect("mover")
		if err := m.CaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		mustSwitch(t, m)
		wantSame(t, to, from)
	})
}

// Start does not wait for a cluster that is not there.
func TestStartDoesNotWait(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		for _, s := range []*keystest.Store{from, to} {
			s.CutOff("mover", keystest.NotSent)
			began := time.Now()
			_, err := move.Start(keystest.As(t.Context(), "mover"), from, to, nil)
			var failed *move.StoreError
			if !errors.As(err, &failed) || !errors.Is(err, client.ErrClusterUnavailable) || time.Since(began) > 0 {
				t.Errorf("got %v", err)
			}
			s.Reconnect("mover")
		}
	})
}

// What will not go away ends the move, and says where.
func TestARefusedWatchEndsTheMove(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		m := start(t, forbidding{from}, to, nil)
		<-m.Done()
		var failed *move.StoreError
		if err := m.Err(); !errors.As(err, &failed) || failed.Side != "source" || !client.IsUnauthorized(err) {
			t.Errorf("got %v", err)
		}
		if _, err := m.Switch(t.Context()); !client.IsUnauthorized(err) {
			t.Errorf("Switch: %v", err)
		}
		if err := m.CaughtUp(t.Context()); !client.IsUnauthorized(err) {
			t.Errorf("CaughtUp: %v", err)
		}
	})
}

// forbidding lets nobody watch.
type forbidding struct{ *keystest.Store }

func (f forbidding) Watcher(string, *client.WatcherOptions) client.Watcher { return forbidden{} }

type forbidden struct{}

func (forbidden) Next(context.Context) (*client.Response, error) {
	return nil, client.Error{Code: client.ErrorCodeUnauthorized, Message: "Insufficient credentials"}
}

func TestCloseEndsAll(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/a", "1")
		m := caughtUp(t, from, to, nil)
		m.Close()
		m.Close()
		synctest.Wait()
		if err := m.Err(); err != move.ErrClosed { //nolint:errorlint // bare
			t.Errorf("got %v", err)
		}
		if _, err := m.Switch(t.Context()); err != move.ErrClosed { //nolint:errorlint // bare
			t.Errorf("Switch: %v", err)
		}
		set(t, from, "/a", "2")
		<-time.After(time.Minute)
		if r, err := to.Get(t.Context(), "/a", nil); err != nil || r.Node.Value != "1" {
			t.Errorf("written after Close: %v, %v", r, err)
		}
	})
}

// Whatever answers are lost, on whichever side and at whatever time: in the end both
// sides are equal, and nobody is accused.
func TestRandomFaultsAreGotOver(t *testing.T) {
	random(t, 30, func(t *testing.T, r *rand.Rand, from, to *keystest.Store) {
		t.Helper()
		from.DirUpdates, to.DirUpdates = true, true
		var calm atomic.Bool
		kinds := []keystest.FaultKind{keystest.AnswerLost, keystest.NeverArrives, keystest.NotSent}
		faults := rand.New(rand.NewPCG(r.Uint64(), 0))
		var mu sync.Mutex // guards faults
		fault := func(req keystest.Request) keystest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if calm.Load() || req.Caller != "mover" || faults.IntN(5) > 0 {
				return keystest.Fault{}
			}
			return keystest.Fault{Kind: kinds[faults.IntN(len(kinds))]}
		}
		stir(t, from, r, 30)
		calm.Store(true) // Start does not wait
		from.Fault, to.Fault = fault, fault
		m := start(t, from, to, nil)
		calm.Store(false)
		for range 20 {
			stir(t, from, r, 4)
			<-time.After(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		mustSwitch(t, m)
		<-time.After(time.Minute) // what expires does so at nearly the same time
		wantSame(t, to, from)
	})
}
