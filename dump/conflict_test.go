package dump_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

// inTheWay gives a dump and a store that has other nodes at its keys.
func inTheWay(t *testing.T) (text []byte, to *keystest.Store) {
	t.Helper()
	from, to := keystest.New(), keystest.New()
	set(t, from, "/value", "new", "/dir/a", "1", "/dir/_h", "1", "/file", "1", "/same", "1", "/empty", "/", "/_hidden", "new", "/new", "1", "/ttl", "1")
	set(t, to, "/value", "old", "/dir", "a file", "/file/x/y", "in a directory", "/same", "1", "/empty", "/", "/_hidden", "old", "/own", "1")
	if _, err := to.Set(t.Context(), "/ttl", "1", &client.SetOptions{TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	text, _ = export(t, from, dump.ExportOptions{})
	return text, to
}

func TestConflictsAreListedAndLeft(t *testing.T) {
	for _, parallel := range []int{1, 0} {
		synctest.Test(t, func(t *testing.T) {
			text, to := inTheWay(t)
			before := state(to)
			sum, err := dump.Import(t.Context(), to, bytes.NewReader(text), dump.ImportOptions{Parallel: parallel})
			var conflicts *dump.ConflictError
			if !errors.As(err, &conflicts) {
				t.Fatal(err)
			}
			var keys []string
			for _, c := range conflicts.Conflicts {
				keys = append(keys, c.Key)
			}
			if got := strings.Join(keys, " "); got != "/_hidden /dir /file /ttl /value" || conflicts.Total != 5 {
				t.Errorf("conflicts: %d, %s", conflicts.Total, got)
			}
			const want = `dump: 5 nodes of the store are in the way: "/_hidden" (another value), "/dir" (a file for a directory), "/file" (a directory for a file), …`
			if err.Error() != want {
				t.Errorf("got %s", err)
			}
			wantSame(t, state(to), append(before, `"/new" dir=false "1"`))
			if sum.Created != 1 || sum.Unchanged != 2 || sum.Conflicts != 5 || sum.Kept != 2 || !sum.Verified {
				t.Errorf("got %+v", sum)
			}
		})
	}
}

func TestConflictsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, to := inTheWay(t)
		before := state(to)
		sum := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{OnConflict: dump.Keep})
		wantSame(t, state(to), append(before, `"/new" dir=false "1"`))
		if sum.Kept != 7 || sum.Conflicts != 0 || !sum.Verified {
			t.Errorf("got %+v", sum)
		}
	})
}

func TestConflictsAreOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text, to := inTheWay(t)
		sum := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{OnConflict: dump.Overwrite})
		if sum.Overwritten != 5 || sum.Created != 3 || sum.Unchanged != 2 || !sum.Verified {
			t.Errorf("got %+v", sum)
		}
		wantSame(t, state(to), append(decoded(t, text), `"/own" dir=false "1"`))
		before := writes(to)
		if mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{}); writes(to) != before {
			t.Error("a second import wrote")
		}
	})
}

func TestADryRunWritesNothingAndCountsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, way := range []dump.OnConflict{dump.Fail, dump.Keep, dump.Overwrite} {
			text, to := inTheWay(t)
			before, wrote := state(to), writes(to)
			dry, errDry := dump.Import(t.Context(), to, bytes.NewReader(text), dump.ImportOptions{OnConflict: way, DryRun: true})
			wantSame(t, state(to), before)
			if writes(to) != wrote {
				t.Error("it wrote")
			}
			wet, errWet := dump.Import(t.Context(), to, bytes.NewReader(text), dump.ImportOptions{OnConflict: way})
			wet.Verified = false
			if dry != wet || (errDry == nil) != (errWet == nil) {
				t.Errorf("%s: %+v, %v and %+v, %v", way, dry, errDry, wet, errWet)
			}
		}
	})
}

func TestOnlySoManyConflictsAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		for i := range 50 {
			set(t, from, fmt.Sprintf("/k%d", i), "new")
			set(t, to, fmt.Sprintf("/k%d", i), "old")
		}
		text, _ := export(t, from, dump.ExportOptions{})
		_, err := dump.Import(t.Context(), to, bytes.NewReader(text), dump.ImportOptions{})
		var conflicts *dump.ConflictError
		if !errors.As(err, &conflicts) || conflicts.Total != 50 || len(conflicts.Conflicts) != 20 {
			t.Errorf("got %v", err)
		}
	})
}

// meddle has somebody else write once, right before a key is written.
func meddle(t *testing.T, s *keystest.Store, key string, do func()) {
	t.Helper()
	done := false
	s.Before = func(r keystest.Request) {
		if !done && r.Op == keystest.OpSet && r.Key == key {
			done = true
			do()
		}
	}
}

func TestWhatAnotherWritesMeanwhileIsAConflict(t *testing.T) {
	for _, c := range []struct {
		name  string
		write []string // by somebody else
		opts  dump.ImportOptions
		want  string // of the key afterwards
		check func(sum dump.ImportSummary, err error) bool
	}{
		{"the same", []string{"/a/k", "1"}, dump.ImportOptions{}, "1", func(sum dump.ImportSummary, err error) bool {
			return err == nil && sum.Verified && sum.Unchanged == 1
		}},
		{"another value", []string{"/a/k", "2"}, dump.ImportOptions{}, "2", func(sum dump.ImportSummary, err error) bool {
			var conflicts *dump.ConflictError
			return errors.As(err, &conflicts) && conflicts.Total == 1 && !sum.Verified
		}},
		{"another value, kept", []string{"/a/k", "2"}, dump.ImportOptions{OnConflict: dump.Keep}, "2", func(sum dump.ImportSummary, err error) bool {
			return err == nil && sum.Kept == 1 && !sum.Verified
		}},
		{"another value, overwritten", []string{"/a/k", "2"}, dump.ImportOptions{OnConflict: dump.Overwrite}, "1", func(sum dump.ImportSummary, err error) bool {
			return err == nil && sum.Overwritten == 1
		}},
		{"a directory", []string{"/a/k", "/"}, dump.ImportOptions{}, "", func(_ dump.ImportSummary, err error) bool {
			var conflicts *dump.ConflictError
			return errors.As(err, &conflicts) && conflicts.Conflicts[0].Store.Dir
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, to := keystest.New(), keystest.New()
				set(t, from, "/a/k", "1")
				text, _ := export(t, from, dump.ExportOptions{})
				meddle(t, to, "/a/k", func() { set(t, to, c.write...) })
				c.opts.Parallel = 1
				sum, err := dump.Import(t.Context(), to, bytes.NewReader(text), c.opts)
				if !c.check(sum, err) {
					t.Errorf("got %+v, %v", sum, err)
				}
				r, err := to.Get(t.Context(), "/a/k", nil)
				if err != nil || r.Node.Value != c.want {
					t.Errorf("got %v, %v", r, err)
				}
			})
		})
	}
}

func TestAFileOnTheWayIsAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		set(t, from, "/k", "1")
		set(t, to, "/x", "a file")
		text, _ := export(t, from, dump.ExportOptions{})
		_, err := dump.Import(t.Context(), to, bytes.NewReader(text), dump.ImportOptions{Root: "/x/y"})
		var conflicts *dump.ConflictError
		if !errors.As(err, &conflicts) || conflicts.Conflicts[0].Key != "/x/y/k" {
			t.Errorf("got %v", err)
		}
	})
}
