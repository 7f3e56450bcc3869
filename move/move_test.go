package move_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

func TestMovesWhatIsThereAndWhatComes(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/a/b", "1", "/empty", "/", "/_hidden/x", "2", "/c", "")
		setTTL(t, from, "/lives", "3", time.Hour)
		m := caughtUp(t, from, to, nil)
		set(t, from, "/a/b", "4", "/d/e/f", "5", "/_hidden/y", "6", "/late/_h", "7")
		remove(t, from, "/c")
		<-time.After(time.Minute)
		report := mustSwitch(t, m)
		wantSame(t, to, from)
		if report.Keys != 6 || report.Directories != 6 || report.Applied == 0 || report.Resyncs != 0 || report.IndexAfter != from.Index() || report.TotalLate != 0 {
			t.Errorf("got %+v", report)
		}
		if err := m.Err(); err != move.ErrClosed { //nolint:errorlint // bare
			t.Errorf("ended with %v", err)
		}
	})
}

func TestRandomWritesAreFollowed(t *testing.T) {
	random(t, 50, func(t *testing.T, r *rand.Rand, from, to *keystest.Store) {
		t.Helper()
		from.DirUpdates, to.DirUpdates = true, true
		stir(t, from, r, 40)
		m := start(t, from, to, &move.Options{Parallel: 1 + r.IntN(8)})
		for range 20 {
			stir(t, from, r, 4)
			<-time.After(time.Duration(r.IntN(3000)) * time.Millisecond)
		}
		mustSwitch(t, m)
		<-time.After(time.Minute) // what expires does so at nearly the same time
		wantSame(t, to, from)
	})
}

var _ client.KeysAPI = (*keystest.Store)(nil)
