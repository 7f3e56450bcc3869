package move_test

import (
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

// A key that lives by being refreshed, of which no server tells, lives in the target
// as well, as often as it is looked at; and it goes when it goes.
func TestRefreshesAreFollowed(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		setTTL(t, from, "/session", "me", 10*time.Second)
		setTTL(t, from, "/_session", "hidden", 10*time.Second)
		m := caughtUp(t, from, to, nil)
		for range 60 {
			<-time.After(3 * time.Second)
			for _, key := range []string{"/session", "/_session"} {
				if _, err := from.Set(t.Context(), key, "", &client.SetOptions{Refresh: true, PrevExist: client.PrevExist, TTL: 10 * time.Second}); err != nil {
					t.Fatal(err)
				}
				if _, err := to.Get(t.Context(), key, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		<-time.After(11 * time.Second)
		report := mustSwitch(t, m)
		if len(state(to)) > 0 || report.Refreshed < 20 {
			t.Errorf("left: %q; %+v", state(to), report)
		}
	})
}

// The time left is that of the source when Switch returns; also where the target can't
// renew the TTL of a directory, as etcd 3.5 can't.
func TestSwitchRenewsTTLs(t *testing.T) {
	for _, renews := range []bool{true, false} {
		story(t, func(t *testing.T, from, to *keystest.Store) {
			t.Helper()
			setTTL(t, from, "/a", "1", time.Hour)
			if _, err := from.Set(t.Context(), "/dir", "", &client.SetOptions{Dir: true, TTL: time.Hour}); err != nil {
				t.Fatal(err)
			}
			set(t, from, "/dir/x", "1", "/dir/d/y", "2")
			from.DirUpdates, to.DirUpdates = true, renews
			m := caughtUp(t, from, to, nil)
			refresh(t, from, 2*time.Hour)
			mustSwitch(t, m)
			wantLeft(t, to, 2*time.Hour)
			wantSame(t, to, from)
		})
	}
}

func refresh(t *testing.T, from *keystest.Store, ttl time.Duration) {
	t.Helper()
	for _, key := range []string{"/a", "/dir"} {
		opts := client.SetOptions{Refresh: true, PrevExist: client.PrevExist, TTL: ttl, Dir: key == "/dir"}
		if _, err := from.Set(t.Context(), key, "", &opts); err != nil {
			t.Fatal(err)
		}
	}
}

func wantLeft(t *testing.T, to *keystest.Store, ttl time.Duration) {
	t.Helper()
	for _, key := range []string{"/a", "/dir"} {
		r, err := to.Get(t.Context(), key, nil)
		if err != nil || (r.Node.TTLDuration()-ttl).Abs() > 5*time.Second {
			t.Errorf("%s: %v, %v", key, r, err)
		}
	}
}

// A directory that is refreshed all the time keeps what is in it.
func TestRefreshesOfADirectoryAreFollowed(t *testing.T) {
	for _, renews := range []bool{true, false} {
		story(t, func(t *testing.T, from, to *keystest.Store) {
			t.Helper()
			from.DirUpdates, to.DirUpdates = true, renews
			setTTL(t, from, "/a", "1", 10*time.Second)
			if _, err := from.Set(t.Context(), "/dir", "", &client.SetOptions{Dir: true, TTL: 10 * time.Second}); err != nil {
				t.Fatal(err)
			}
			set(t, from, "/dir/x", "1", "/dir/d/y", "2")
			m := caughtUp(t, from, to, nil)
			for range 20 {
				<-time.After(4 * time.Second)
				refresh(t, from, 10*time.Second)
				for _, key := range []string{"/a", "/dir/x", "/dir/d/y"} {
					if _, err := to.Get(t.Context(), key, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			mustSwitch(t, m)
			wantSame(t, to, from)
			wantLeft(t, to, 10*time.Second)
		})
	}
}

// The clocks of the servers make no difference: what counts is the time left.
func TestClocksMakeNoDifference(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		setTTL(t, from, "/before", "1", time.Minute)
		m := caughtUp(t, from, to, nil)
		setTTL(t, from, "/after", "1", time.Minute)
		if _, err := from.Update(t.Context(), "/before", "2"); err != nil { // and lives for ever
			t.Fatal(err)
		}
		<-time.After(30 * time.Second)
		mustSwitch(t, m)
		r, err := to.Get(t.Context(), "/after", nil)
		if err != nil || r.Node.TTL < 25 || r.Node.TTL > 35 {
			t.Errorf("got %v, %v", r, err)
		}
		if r, err = to.Get(t.Context(), "/before", nil); err != nil || r.Node.Expiration != nil {
			t.Errorf("got %v, %v", r, err)
		}
	})
}

// Progress tells of each phase, in order.
func TestProgressIsTold(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/a/b", "1", "/c", "2")
		var phases []move.Phase
		var last move.Progress
		m := caughtUp(t, from, to, &move.Options{Progress: func(p move.Progress) {
			if len(phases) == 0 || phases[len(phases)-1] != p.Phase {
				phases = append(phases, p.Phase)
			}
			last = p
		}})
		<-time.After(time.Second)
		set(t, from, "/d", "3")
		<-time.After(time.Second)
		mustSwitch(t, m)
		want := move.Progress{Phase: move.PhaseDone, Total: 3, Copied: 3, Applied: 1, Index: from.Index()}
		if last != want || len(phases) < 2 || phases[len(phases)-1] != move.PhaseDone {
			t.Errorf("got %+v, %v", last, phases)
		}
	})
}
