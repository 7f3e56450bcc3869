package dump_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestWhatIsExportedIsImportedByteForByte(t *testing.T) {
	random(t, 40, func(t *testing.T, r *rand.Rand) {
		t.Helper()
		from, to := keystest.New(), keystest.New()
		grow(t, from, r, "/", 60)
		text, sum := export(t, from, dump.ExportOptions{Hidden: hiddenIn(from), SkipHistory: true})
		wantSame(t, decoded(t, text), state(from))

		got := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{})
		wantSame(t, state(to), state(from))
		if !got.Verified || got.Created != sum.Keys+sum.Directories || got.Keys != sum.Keys || got.Directories != sum.Directories {
			t.Errorf("import: %+v of %+v", got, sum)
		}

		before := writes(to)
		again := mustImport(t, to, pipe{bytes.NewReader(text)}, dump.ImportOptions{})
		if n := writes(to) - before; n > 0 || again.Unchanged != sum.Keys+sum.Directories || !again.Verified {
			t.Errorf("a second import wrote %d times: %+v", n, again)
		}
		for _, d := range differences(t, dump.Store(to, ""), dump.File(bytes.NewReader(text)), dump.DiffOptions{TTL: true}) {
			t.Errorf("difference: %s", d)
		}
		for _, d := range differences(t, dump.Store(to, "", hiddenIn(to)...), dump.Store(from, "/"), dump.DiffOptions{}) {
			t.Errorf("difference of stores: %s", d)
		}
	})
}

// decoded gives the nodes of a dump as state gives those of a store.
func decoded(t *testing.T, text []byte) []string {
	t.Helper()
	into := keystest.New()
	lines := dump.NewReader(bytes.NewReader(text))
	for {
		rec, err := lines.Next()
		if err != nil {
			t.Fatal(err)
		}
		if rec.Trailer != nil {
			return state(into)
		}
		if n := rec.Node; n != nil {
			opts := client.SetOptions{Dir: n.Dir}
			if n.Expiration != nil {
				opts.TTL = untilNow(*n.Expiration)
			}
			if _, err := into.Set(t.Context(), n.Key, n.Value, &opts); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestHiddenNodesOfTheHistoryAreFound(t *testing.T) {
	random(t, 10, func(t *testing.T, r *rand.Rand) {
		t.Helper()
		from := keystest.New()
		grow(t, from, r, "/", 80)
		text, sum := export(t, from, dump.ExportOptions{})
		wantSame(t, decoded(t, text), state(from))
		if sum.HistoryTo < sum.HistoryFrom || sum.HistoryTo != from.Index() {
			t.Errorf("searched from %d to %d of %d", sum.HistoryFrom, sum.HistoryTo, from.Index())
		}
	})
}

func TestWhatTheHistoryHasForgottenMustBeNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from := keystest.New()
		from.History = 5
		set(t, from, "/a/_x/_y/z", "deep", "/_old", "lost", "/k", "1", "/k", "2", "/k", "3", "/_new/k", "found", "/k", "4")
		_, sum := export(t, from, dump.ExportOptions{Hidden: []string{"a/_x/_y/z", "/_missing"}})
		if got := strings.Join(sum.HiddenFound, " "); got != "/_new /a/_x /a/_x/_y" {
			t.Errorf("found %s", got)
		}
		if sum.HistoryFrom != from.Index()-4 || sum.HistoryTo != from.Index() {
			t.Errorf("searched from %d to %d of %d", sum.HistoryFrom, sum.HistoryTo, from.Index())
		}
		if sum.Keys != 3 || sum.Directories != 4 {
			t.Errorf("got %+v", sum.Counts)
		}
	})
}

func TestARootIsMovedToAnother(t *testing.T) {
	for _, c := range []struct{ name, from, to, want string }{
		{"below another", "/a", "/x/y", `"/x" "/x/y" "/x/y/_h" "/x/y/b" "/x/y/b/c" "/x/y/e"`},
		{"to all", "/a/", "/", `"/_h" "/b" "/b/c" "/e"`},
		{"all below one", "/", "/x", `"/x" "/x/a" "/x/a/_h" "/x/a/b" "/x/a/b/c" "/x/a/e" "/x/ab"`},
		{"a file", "/a/e", "/f", `"/f"`},
		{"a hidden file", "/a/_h", "/_f", `"/_f"`},
		{"where it was", "/a/b", "", `"/a" "/a/b" "/a/b/c"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, to := keystest.New(), keystest.New()
				set(t, from, "/a/b/c", "1", "/a/_h", "2", "/a/e", "/", "/ab", "3")
				if c.name == "a file" {
					from, c.from = keystest.New(), "/a/e"
					set(t, from, "/a/e", "1")
				}
				text, _ := export(t, from, dump.ExportOptions{Root: c.from})
				for range 2 {
					if sum := mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{Root: c.to}); !sum.Verified {
						t.Errorf("not verified: %+v", sum)
					}
				}
				var keys []string
				for _, line := range state(to) {
					keys = append(keys, strings.Fields(line)[0])
				}
				if got := strings.Join(keys, " "); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
				root := c.to
				if root == "" {
					root = c.from
				}
				if found := differences(t, dump.Store(to, root), dump.Store(from, c.from), dump.DiffOptions{}); len(found) > 0 {
					t.Errorf("differences: %q", found)
				}
			})
		})
	}
}

func TestInOrderNamesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := keystest.New(), keystest.New()
		for range 3 {
			if _, err := from.CreateInOrder(t.Context(), "/queue", "job", nil); err != nil {
				t.Fatal(err)
			}
		}
		text, _ := export(t, from, dump.ExportOptions{})
		mustImport(t, to, bytes.NewReader(text), dump.ImportOptions{})
		wantSame(t, state(to), state(from))
	})
}
