package dump_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

// follower is an Export that follows.
type follower struct {
	mu   sync.Mutex
	out  bytes.Buffer
	stop context.CancelFunc
	done chan struct{}
	sum  dump.Summary
	err  error
}

func (f *follower) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.out.Write(p)
}

func (f *follower) text() []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return bytes.Clone(f.out.Bytes())
}

func startFollowing(t *testing.T, s *keystest.Store, opts dump.ExportOptions) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(keystest.As(t.Context(), "follower"))
	t.Cleanup(cancel)
	f := &follower{stop: cancel, done: make(chan struct{})}
	opts.Follow = true
	go func() {
		defer close(f.done)
		f.sum, f.err = dump.Export(ctx, s, f, opts)
	}()
	synctest.Wait()
	return f
}

// end ends the following when it has come to its end.
func (f *follower) end(t *testing.T) {
	t.Helper()
	<-time.After(10 * time.Second) // hidden nodes are told of late
	synctest.Wait()
	f.stop()
	<-f.done
	if f.err != context.Canceled { //nolint:errorlint // bare, as the KeysAPI's
		t.Errorf("following ended with %v", f.err)
	}
}

// stir changes a store at random.
func stir(t *testing.T, s *keystest.Store, r *rand.Rand, times int) {
	t.Helper()
	for range times {
		if r.IntN(3) > 0 {
			grow(t, s, r, "/", 3)
			continue
		}
		nodes := s.Dump()
		if len(nodes) == 0 {
			continue
		}
		key := nodes[r.IntN(len(nodes))].Key
		if _, err := s.Delete(t.Context(), key, &client.DeleteOptions{Recursive: true, Dir: true}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollowingMissesNothing(t *testing.T) {
	random(t, 20, func(t *testing.T, r *rand.Rand) {
		t.Helper()
		from, to := keystest.New(), keystest.New()
		grow(t, from, r, "/", 30)
		f := startFollowing(t, from, dump.ExportOptions{})
		for range 20 {
			stir(t, from, r, 3)
			<-time.After(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		f.end(t)
		sum := mustImport(t, to, pipe{bytes.NewReader(f.text())}, dump.ImportOptions{})
		if f.sum.Changes == 0 || sum.Changes != f.sum.Changes || sum.Resyncs != 0 {
			t.Errorf("export: %+v, import: %+v", f.sum, sum)
		}
		wantSameButMoments(t, to, from)
		mustImport(t, to, bytes.NewReader(f.text()), dump.ImportOptions{OnConflict: dump.Overwrite})
		wantSameButMoments(t, to, from)
	})
}

func TestFollowingGetsOverLostHistory(t *testing.T) {
	random(t, 20, func(t *testing.T, r *rand.Rand) {
		t.Helper()
		from, to := keystest.New(), keystest.New()
		from.History = 100
		grow(t, from, r, "/", 30)
		set(t, from, "/kind", "file", "/other/kind", "directory", "/_gone", "hidden")
		f := startFollowing(t, from, dump.ExportOptions{})
		stir(t, from, r, 5)
		set(t, from, "/gone", "soon")
		<-time.After(5 * time.Second)
		from.CutOff("follower", keystest.NotSent)
		if _, err := from.Delete(t.Context(), "/other/kind", nil); err != nil && !client.IsKeyNotFound(err) {
			t.Fatal(err)
		}
		for _, key := range []string{"/kind", "/other", "/_gone", "/gone"} {
			if _, err := from.Delete(t.Context(), key, &client.DeleteOptions{Recursive: true}); err != nil && !client.IsKeyNotFound(err) {
				t.Fatal(err)
			}
		}
		set(t, from, "/kind/of", "directory", "/other", "file")
		stir(t, from, r, 5)
		for range 100 {
			set(t, from, "/busy", "x")
		}
		set(t, from, "/late/_hidden", "x")
		from.Reconnect("follower")
		<-time.After(10 * time.Second)
		stir(t, from, r, 5)
		f.end(t)
		if f.sum.Resyncs != 1 {
			t.Errorf("export: %+v", f.sum)
		}
		sum := mustImport(t, to, pipe{bytes.NewReader(f.text())}, dump.ImportOptions{})
		if sum.Resyncs != 1 || sum.Removed == 0 {
			t.Errorf("import: %+v", sum)
		}
		// Hidden nodes that were written and forgotten while the follower was cut off
		// can't be known.
		for d, err := range dump.Diff(t.Context(), dump.Store(to, "/"), dump.Store(from, "/"), dump.DiffOptions{TTL: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if d.Kind != dump.Changed || !d.Left.Dir || !d.Right.Dir { // a directory keeps its TTL
				t.Errorf("difference: %s %q", d.Kind, d.Key)
			}
		}
		for _, key := range []string{"/late/_hidden", "/_gone"} {
			was, errFrom := from.Get(t.Context(), key, nil)
			is, errTo := to.Get(t.Context(), key, nil)
			if (errFrom == nil) != (errTo == nil) || errFrom == nil && was.Node.Value != is.Node.Value {
				t.Errorf("%s: %v, %v; %v, %v", key, was, errFrom, is, errTo)
			}
		}
	})
}

func TestFollowingWithoutHiddenNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := keystest.New()
		set(t, from, "/a/b", "1", "/_h", "1")
		f := startFollowing(t, from, dump.ExportOptions{Root: "/a", SkipHistory: true})
		set(t, from, "/a/_h", "2", "/a/b", "2", "/c", "2")
		if _, err := from.Delete(t.Context(), "/a", &client.DeleteOptions{Recursive: true}); err != nil {
			t.Fatal(err)
		}
		f.end(t)
		_, changes, _ := strings.Cut(string(f.text()), `"trailer"`)
		if got := strings.Count(changes, "\n"); got != 3 || strings.Contains(changes, "_h") {
			t.Errorf("got changes %s", changes)
		}
		if f.sum.HistoryTo != 0 || f.sum.Changes != 2 {
			t.Errorf("got %+v", f.sum)
		}
	})
}

func TestFollowingARootWhoseParentGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		from.History = 10
		set(t, from, "/a/b/c", "1", "/a/b/_h", "1")
		f := startFollowing(t, from, dump.ExportOptions{Root: "/a/b"})
		if _, err := from.Delete(t.Context(), "/a", &client.DeleteOptions{Recursive: true}); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Second)
		mustImport(t, to, pipe{bytes.NewReader(f.text())}, dump.ImportOptions{Root: "/"})
		wantSame(t, state(to), []string{`"/_h" dir=false "1"`}) // nobody can list it

		set(t, from, "/a/b/c", "2")
		<-time.After(3 * time.Second)
		from.CutOff("follower", keystest.NotSent)
		if _, err := from.Delete(t.Context(), "/a", &client.DeleteOptions{Recursive: true}); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			set(t, from, "/busy", "x")
		}
		from.Reconnect("follower")
		f.end(t)
		mustImport(t, to, pipe{bytes.NewReader(f.text())}, dump.ImportOptions{})
		wantSame(t, state(to), []string{`"/_h" dir=false "1"`, `"/a" dir=true ""`})
	})
}

func TestAFurtherSnapshotIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		from.History = 10
		var down atomic.Bool
		from.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpGet && down.Load() {
				return keystest.Fault{Kind: keystest.NotSent}
			}
			return keystest.Fault{}
		}
		set(t, from, "/a", "1")
		f := startFollowing(t, from, dump.ExportOptions{SkipHistory: true})
		down.Store(true)
		from.CutOff("follower", keystest.NotSent)
		for range 20 {
			set(t, from, "/busy", "x")
		}
		from.Reconnect("follower")
		<-time.After(time.Minute)
		set(t, from, "/a", "2")
		down.Store(false)
		f.end(t)
		mustImport(t, to, bytes.NewReader(f.text()), dump.ImportOptions{})
		wantSame(t, state(to), state(from))
		if f.sum.Resyncs != 1 {
			t.Errorf("got %+v", f.sum)
		}
	})
}

// other is a store of which the watches are of another cluster.
type other struct{ *keystest.Store }

func (o other) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	return otherWatcher{o.Store.Watcher(key, opts)}
}

type otherWatcher struct{ client.Watcher }

func (w otherWatcher) Next(ctx context.Context) (*client.Response, error) {
	r, err := w.Watcher.Next(ctx)
	if err == nil {
		r.ClusterID = "another"
	}
	return r, err
}

func TestFollowingEndsWhenTheClusterIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		time.AfterFunc(time.Second, func() { set(t, s, "/a", "1") })
		_, err := dump.Export(t.Context(), other{s}, io.Discard, dump.ExportOptions{Follow: true})
		if !errors.Is(err, client.ErrClusterIDChanged) {
			t.Errorf("got %v", err)
		}
	})
}

func TestFollowingEndsWhenNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		set(t, s, "/a", "1")
		text, _ := export(t, s, dump.ExportOptions{})
		time.AfterFunc(time.Second, func() { set(t, s, "/a", "2") })
		w := &brokenWriter{room: len(text) + 50}
		if _, err := dump.Export(t.Context(), s, w, dump.ExportOptions{Follow: true}); !errors.Is(err, errFull) {
			t.Errorf("got %v", err)
		}
	})
}

func TestChangesAreReplayedOverWhatCameAfterThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		set(t, from, "/same", "1")
		f := startFollowing(t, from, dump.ExportOptions{})
		set(t, from, "/x/y/z", "1", "/d", "/", "/f", "1")
		for _, key := range []string{"/x", "/d", "/f"} {
			remove(t, from, key)
		}
		set(t, from, "/x", "a file", "/d", "a file", "/f/k", "in a directory")
		f.end(t)
		for range 3 {
			mustImport(t, to, bytes.NewReader(f.text()), dump.ImportOptions{OnConflict: dump.Overwrite})
			wantSame(t, state(to), state(from))
		}
	})
}

func TestTheFirstSnapshotIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := keystest.New()
		from.CutOff("follower", keystest.NotSent)
		f := startFollowing(t, from, dump.ExportOptions{})
		<-f.done
		if !errors.Is(f.err, client.ErrClusterUnavailable) {
			t.Errorf("got %v", f.err)
		}
	})
}
