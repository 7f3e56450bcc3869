package dump_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestPurgeRemovesAllBelowTheRoot(t *testing.T) {
	random(t, 10, func(t *testing.T, r *rand.Rand) {
		t.Helper()
		s := keystest.New()
		grow(t, s, r, "/", 50)
		n := int64(len(state(s)))
		all := state(s)
		for _, dry := range []bool{true, false} {
			sum, err := dump.Purge(t.Context(), s, dump.PurgeOptions{DryRun: dry})
			if err != nil || sum.Keys+sum.Directories != n {
				t.Errorf("%d nodes: %+v, %v", n, sum, err)
			}
			if dry {
				wantSame(t, state(s), all)
			}
		}
		wantSame(t, state(s), nil)
	})
}

func TestPurgeLeavesTheRootAndWhatIsBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		s.History = 3
		set(t, s, "/a/b/k", "1", "/a/_named", "1", "/a/_forgotten", "1", "/a/c/_forgotten", "1", "/ab", "1", "/_h", "1", "/ab", "2", "/ab", "3")
		sum, err := dump.Purge(t.Context(), s, dump.PurgeOptions{Root: "a", Hidden: []string{"/a/_named"}})
		if err != nil || sum.Keys != 2 || sum.Directories != 2 || !slices.Equal(sum.HiddenFound, []string{"/a/_named"}) {
			t.Errorf("got %+v, %v", sum, err)
		}
		want := []string{`"/_h" dir=false "1"`, `"/a" dir=true ""`, `"/a/_forgotten" dir=false "1"`, `"/ab" dir=false "3"`}
		wantSame(t, state(s), want)
		for _, root := range []string{"/ab", "/missing"} {
			if sum, err = dump.Purge(t.Context(), s, dump.PurgeOptions{Root: root}); err != nil || sum.Keys+sum.Directories != 0 {
				t.Errorf("%s: %+v, %v", root, sum, err)
			}
		}
		wantSame(t, state(s), want)
	})
}

func TestPurgeInterruptedIsFinishedByASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for n := range int64(4) {
			for _, kind := range []keystest.FaultKind{keystest.Hangs, keystest.HangsUnsent, keystest.AnswerLost, keystest.NeverArrives} {
				s := keystest.New()
				set(t, s, "/a/b", "1", "/b/c", "1", "/c/d", "1", "/_h/d", "1")
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				faultAt(s, n, keystest.Fault{Kind: kind}, nil)
				first, err := dump.Purge(ctx, s, dump.PurgeOptions{})
				hangs := kind == keystest.Hangs || kind == keystest.HangsUnsent
				if hangs && err != context.DeadlineExceeded || !hangs && (err != nil || first.Keys != 4) { //nolint:errorlint // bare, as the KeysAPI's
					t.Errorf("delete %d: %+v, %v", n, first, err)
				}
				cancel()
				s.Fault = nil
				if _, err = dump.Purge(t.Context(), s, dump.PurgeOptions{}); err != nil {
					t.Error(err)
				}
				wantSame(t, state(s), nil)
			}
		}
	})
}

func TestBadInputIsRefusedBeforeAnythingIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		exported := func(kapi client.KeysAPI, opts dump.ExportOptions) error {
			_, err := dump.Export(t.Context(), kapi, io.Discard, opts)
			return err
		}
		imported := func(kapi client.KeysAPI, opts dump.ImportOptions) error {
			_, err := dump.Import(t.Context(), kapi, strings.NewReader(header+trailer), opts)
			return err
		}
		_, purged := dump.Purge(t.Context(), nil, dump.PurgeOptions{})
		var none context.Context // somebody's mistake
		_, exportedNil := dump.Export(none, s, io.Discard, dump.ExportOptions{})
		_, exportedTo := dump.Export(t.Context(), s, nil, dump.ExportOptions{})
		_, importedNil := dump.Import(none, s, strings.NewReader(""), dump.ImportOptions{})
		_, importedFrom := dump.Import(t.Context(), s, nil, dump.ImportOptions{})
		_, purgedNil := dump.Purge(none, s, dump.PurgeOptions{})
		var compared error
		for _, compared = range dump.Diff(none, dump.Store(s, "/"), dump.Store(s, "/"), dump.DiffOptions{}) {
		}
		_, purgedRoot := dump.Purge(t.Context(), s, dump.PurgeOptions{Root: "/./a"})
		for _, c := range []struct {
			field string
			err   error
		}{
			{"KeysAPI", exported(nil, dump.ExportOptions{})},
			{"Root", exported(s, dump.ExportOptions{Root: "a/../b"})},
			{"Hidden", exported(s, dump.ExportOptions{Hidden: []string{"/a"}})},
			{"Hidden", exported(s, dump.ExportOptions{Hidden: []string{"/_a/.."}})},
			{"Hidden", exported(s, dump.ExportOptions{Root: "/_a", Hidden: []string{"/_a/b"}})},
			{"Hidden", exported(s, dump.ExportOptions{Root: "/a", Hidden: []string{"/_b"}})},
			{"KeysAPI", imported(nil, dump.ImportOptions{})},
			{"OnConflict", imported(s, dump.ImportOptions{OnConflict: "merge"})},
			{"Parallel", imported(s, dump.ImportOptions{Parallel: -1})},
			{"Patience", imported(s, dump.ImportOptions{Patience: -1})},
			{"Root", imported(s, dump.ImportOptions{Root: ".."})},
			{"context", exportedNil},
			{"Writer", exportedTo},
			{"context", importedNil},
			{"Reader", importedFrom},
			{"context", purgedNil},
			{"context", compared},
			{"KeysAPI", purged},
			{"Root", purgedRoot},
		} {
			if !isInvalid(c.field)(c.err) {
				t.Errorf("%s: got %v", c.field, c.err)
			}
		}
		if n := s.Requests(keystest.OpGet) + writes(s); n > 0 {
			t.Errorf("%d requests were sent", n)
		}
	})
}

func TestAMissingRootIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := dump.Export(t.Context(), keystest.New(), io.Discard, dump.ExportOptions{Root: "/missing"})
		var failed *dump.StoreError
		if !client.IsKeyNotFound(err) || !errors.As(err, &failed) || failed.Key != "/missing" || failed.Op != "get" {
			t.Errorf("got %v", err)
		}
	})
}

func TestProgressIsToldOfEachPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		set(t, from, "/a", "1", "/b", "1", "/_c", "1")
		var told []string
		tell := func(p dump.Progress) {
			if name := string(p.Phase); !slices.Contains(told, name) {
				told = append(told, name)
			}
			if p.Total > 0 && p.Done > p.Total {
				t.Errorf("got %+v", p)
			}
		}
		wantPhases := func(want string) {
			t.Helper()
			if got := strings.Join(told, " "); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			told = nil
		}
		text, _ := export(t, from, dump.ExportOptions{Progress: tell})
		wantPhases("search read write")
		mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{Progress: tell})
		wantPhases("check read apply verify follow")
		if _, err := dump.Purge(t.Context(), to, dump.PurgeOptions{Progress: tell}); err != nil {
			t.Error(err)
		}
		wantPhases("search read remove")
	})
}
