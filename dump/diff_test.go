package dump_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestDiffGivesEveryDifferenceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := keystest.New(), keystest.New()
		set(t, left, "/a", "1", "/d/x", "1", "/d/y", "1", "/d-e", "1", "/gone/x/y", "1", "/kind", "1", "/same", "1", "/_h/k", "1", "/_l", "1")
		set(t, right, "/a", "2", "/d/x", "1", "/d/z", "1", "/d-e", "1", "/kind/k", "1", "/same", "1", "/_h/k", "2", "/_r/k", "1")
		want := []string{
			"changed /_h/k", "left /_l", "right /_r", "right /_r/k", "changed /a", "left /d/y", "right /d/z",
			"left /gone", "left /gone/x", "left /gone/x/y", "changed /kind", "right /kind/k",
		}
		hidden := []string{"/_h", "/_l", "/_r/k"}
		inFile := func(s *keystest.Store) dump.Source {
			text, _ := export(t, s, dump.ExportOptions{})
			return dump.File(bytes.NewReader(text))
		}
		for name, got := range map[string][]string{
			"stores":                       differences(t, dump.Store(left, "", hidden...), dump.Store(right, "/", hidden...), dump.DiffOptions{}),
			"stores, of which one is told": differences(t, dump.Store(left, "/", "/_h/k", "/_l", "/_r"), dump.Store(right, "", "/_r"), dump.DiffOptions{}),
			"files":                        differences(t, inFile(left), inFile(right), dump.DiffOptions{}),
			"a store and a file":           differences(t, dump.Store(left, "/", "/_l"), inFile(right), dump.DiffOptions{}),
			"a file and a store":           differences(t, inFile(left), dump.Store(right, "/", "/_r"), dump.DiffOptions{}),
		} {
			if !slices.Equal(got, want) {
				t.Errorf("%s: got %q", name, got)
			}
		}
		for range dump.Diff(t.Context(), inFile(left), inFile(right), dump.DiffOptions{}) {
			break // a loop may be left
		}
	})
}

func TestDiffComparesWhatIsBelowTheRoots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := keystest.New()
		set(t, s, "/a/k", "1", "/a/_h", "1", "/b/k", "1", "/b/_h", "2", "/k", "2", "/f", "1", "/g", "2")
		for _, c := range []struct {
			left, right string
			want        string
		}{
			{"/a", "/b", "changed /_h"},
			{"/a", "/", "left /_h right /a right /a/k right /b right /b/k right /f right /g changed /k"},
			{"/f", "/g", "changed /"},
			{"/a", "/f", "changed / left /_h left /k"},
			{"/a", "/missing", "left / left /_h left /k"},
			{"/missing", "/missing", ""},
		} {
			left := dump.Store(s, c.left, strings.Split(hiddenBelow(c.left), " ")...)
			if c.left == "/f" || c.left == "/missing" {
				left = dump.Store(s, c.left)
			}
			if got := strings.Join(differences(t, left, dump.Store(s, c.right), dump.DiffOptions{}), " "); got != c.want {
				t.Errorf("%s and %s: got %s", c.left, c.right, got)
			}
		}
	})
}

func hiddenBelow(root string) string { return root + "/_h" }

func TestDiffOfTTLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left, right := keystest.New(), keystest.New()
		for _, n := range []struct {
			key string
			s   *keystest.Store
			ttl time.Duration
		}{
			{"/near", left, time.Hour},
			{"/near", right, time.Hour + 4*time.Second},
			{"/far", left, time.Hour},
			{"/far", right, time.Hour + 6*time.Second},
			{"/one", left, time.Hour},
			{"/one", right, 0},
		} {
			if _, err := n.s.Set(t.Context(), n.key, "", &client.SetOptions{TTL: n.ttl}); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			opts dump.DiffOptions
			want string
		}{
			{dump.DiffOptions{}, ""},
			{dump.DiffOptions{TTL: true}, "changed /far changed /one"},
			{dump.DiffOptions{TTL: true, TTLTolerance: time.Second}, "changed /far changed /near changed /one"},
		} {
			if got := strings.Join(differences(t, dump.Store(left, "/"), dump.Store(right, "/"), c.opts), " "); got != c.want {
				t.Errorf("%+v: got %s", c.opts, got)
			}
		}
	})
}

func TestDiffEndsWithAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := keystest.New()
		down.Fault = func(keystest.Request) keystest.Fault { return keystest.Fault{Kind: keystest.NotSent} }
		good := func() dump.Source { return dump.File(strings.NewReader(header + trailer)) }
		half := func() dump.Source { return dump.File(strings.NewReader(header + node("/a"))) }
		for name, c := range map[string]struct {
			left, right dump.Source
			is          func(error) bool
		}{
			"a store that is down":  {good(), dump.Store(down, "/"), func(err error) bool { return errors.Is(err, client.ErrClusterUnavailable) }},
			"half a dump, left":     {half(), good(), func(err error) bool { return errors.Is(err, dump.ErrTruncated) }},
			"half a dump, right":    {good(), half(), func(err error) bool { return errors.Is(err, dump.ErrTruncated) }},
			"no dump":               {dump.File(strings.NewReader("")), good(), func(err error) bool { return errors.Is(err, dump.ErrTruncated) }},
			"no reader":             {dump.File(nil), good(), isInvalid("Reader")},
			"no source":             {good(), dump.Source{}, isInvalid("Source")},
			"no store":              {dump.Store(nil, "/"), good(), isInvalid("KeysAPI")},
			"a root that is no key": {dump.Store(keystest.New(), "/.."), good(), isInvalid("Root")},
		} {
			var last error
			for _, err := range dump.Diff(t.Context(), c.left, c.right, dump.DiffOptions{}) {
				last = err
			}
			if !c.is(last) {
				t.Errorf("%s: got %v", name, last)
			}
		}
	})
}

// isInvalid asks for the error of a field.
func isInvalid(field string) func(error) bool {
	return func(err error) bool {
		var invalid *client.InvalidInputError
		return errors.As(err, &invalid) && invalid.Field == field
	}
}
