package dump_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

// expiring makes a store of which some expires in 10 s, and some in an hour.
func expiring(t *testing.T) *keystest.Store {
	t.Helper()
	s := keystest.New()
	for _, n := range []struct {
		key string
		dir bool
		ttl time.Duration
	}{
		{"/soon", true, 10 * time.Second},
		{"/soon/k", false, 0},
		{"/soon/_h", false, 0},
		{"/later", true, time.Hour},
		{"/later/k", false, 0},
		{"/later/soon", false, 10 * time.Second},
		{"/soonfile", false, 10 * time.Second},
		{"/laterfile", false, time.Hour},
		{"/never", false, 0},
	} {
		if _, err := s.Set(t.Context(), n.key, "", &client.SetOptions{Dir: n.dir, TTL: n.ttl}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestWhatIsLeftOfATTLIsImported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := expiring(t), keystest.New()
		text, _ := export(t, from, dump.ExportOptions{})
		<-time.After(20 * time.Second)
		sum := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{})
		wantSame(t, state(to), state(from))
		if sum.Expired != 5 || sum.Created != 4 || !sum.Verified {
			t.Errorf("got %+v", sum)
		}
		before := writes(to)
		<-time.After(20 * time.Second)
		if mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{}); writes(to) != before {
			t.Error("a second import wrote")
		}
		<-time.After(time.Hour)
		wantSame(t, state(to), []string{`"/never" dir=false ""`})
	})
}

func TestTTLsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := expiring(t), keystest.New()
		text, _ := export(t, from, dump.ExportOptions{})
		want := keystest.New()
		set(t, want, "/soon/k", "", "/soon/_h", "", "/later/k", "", "/later/soon", "", "/soonfile", "", "/laterfile", "", "/never", "")
		<-time.After(20 * time.Second)
		for range 2 {
			if sum := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{DropTTL: true}); !sum.Verified || sum.Expired != 0 {
				t.Errorf("got %+v", sum)
			}
			wantSame(t, state(to), state(want))
		}
	})
}

func TestADirectorysTTLIsLeftAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := expiring(t), keystest.New()
		text, _ := export(t, from, dump.ExportOptions{})
		set(t, to, "/later", "/")
		if _, err := to.Set(t.Context(), "/never", "", &client.SetOptions{Dir: true, TTL: time.Hour}); err != nil {
			t.Fatal(err)
		}
		sum := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{OnConflict: dump.Keep})
		if sum.Kept != 1 || !sum.Verified {
			t.Errorf("got %+v", sum)
		}
		r, err := to.Get(t.Context(), "/later", nil)
		if err != nil || r.Node.TTL != 0 || len(r.Node.Nodes) != 2 {
			t.Errorf("got %v, %v", r, err)
		}
	})
}

func TestATimeThatIsOverBeforeTheWriteIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := expiring(t), keystest.New()
		text, _ := export(t, from, dump.ExportOptions{})
		began := time.Now()
		to.Fault = func(r keystest.Request) keystest.Fault {
			if r.Op == keystest.OpSet && r.TTL > 0 && time.Since(began) < 15*time.Second {
				return keystest.Fault{Kind: keystest.NotSent}
			}
			return keystest.Fault{}
		}
		mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{})
		if r, err := to.Get(t.Context(), "/soonfile", nil); err == nil {
			t.Errorf("got %v", r.Node)
		}
		if _, err := to.Get(t.Context(), "/laterfile", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestAChangeWhoseTimeIsOverIsADelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		set(t, from, "/k", "1", "/d/x", "1")
		f := startFollowing(t, from, dump.ExportOptions{})
		if _, err := from.Set(t.Context(), "/k", "2", &client.SetOptions{TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		f.end(t)
		<-time.After(time.Minute)
		mustImport(t, to, bytes.NewReader(f.text()), dump.ImportOptions{})
		wantSame(t, state(to), state(from))
	})
}

func TestAnotherExpirationIsOverwrittenAndNoConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		for s, ttl := range map[*keystest.Store]time.Duration{from: 2 * time.Hour, to: time.Hour} {
			if _, err := s.Set(t.Context(), "/k", "1", &client.SetOptions{TTL: ttl}); err != nil {
				t.Fatal(err)
			}
		}
		text, _ := export(t, from, dump.ExportOptions{})
		for i, opts := range []dump.ImportOptions{{}, {OnConflict: dump.Overwrite}, {OnConflict: dump.Overwrite}} {
			sum := mustImport(t, to, bytes.NewReader(text), opts)
			if overwrites := i == 1; (sum.Overwritten == 1) != overwrites || (sum.Unchanged == 1) == overwrites {
				t.Errorf("import %d: %+v", i, sum)
			}
		}
		wantSame(t, state(to), state(from))
	})
}
