package dump_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/dump"
	"github.com/coreos/etcd/client/internal/keystest"
)

// meddler has something done between the last write of an import and the reading
// of what has come of it.
type meddler struct {
	*keystest.Store
	do func()
}

func (m *meddler) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	if key == "/" && m.Requests(keystest.OpSet) > 0 && m.do != nil {
		do := m.do
		m.do = nil
		do()
	}
	return m.Store.Get(ctx, key, opts)
}

func TestVerifyFinds(t *testing.T) {
	for _, c := range []struct {
		name  string
		gone  string   // a key that somebody removes
		set   []string // what somebody writes
		wrong string   // keys; empty: nothing is wrong
		pipe  bool     // that is found without names
	}{
		{"another value", "", []string{"/a/k1", "other"}, "changed /a/k1", true},
		{"nothing", "", nil, "", false},
		{"keys of somebody else", "", []string{"/a/own", "1", "/own/k", "1"}, "", true},
		{"a key that is gone", "/a/k2", nil, "right /a/k2", true},
		{"a directory that is gone", "/d", nil, "right /d right /d/_h", true},
		{"another kind", "/a/k2", []string{"/a/k2/x", ""}, "changed /a/k2", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from := keystest.New()
				set(t, from, "/a/k1", "1", "/a/k2", "2", "/d/_h", "3", "/z", "4")
				text, _ := export(t, from, dump.ExportOptions{})

				do := func(to *keystest.Store) {
					if c.gone != "" {
						remove(t, to, c.gone)
					}
					set(t, to, c.set...)
				}
				to := meddled(t, do)
				sum, err := dump.Import(t.Context(), to, bytes.NewReader(text), dump.ImportOptions{})
				wantVerified(t, sum, err, c.wrong)

				to = meddled(t, do)
				sum, err = dump.Import(t.Context(), to, pipe{bytes.NewReader(text)}, dump.ImportOptions{})
				var failed *dump.VerifyError
				if errors.As(err, &failed) != c.pipe || sum.Verified == c.pipe || c.pipe && len(failed.Differences) > 0 {
					t.Errorf("from a pipe: %+v, %v", sum, err)
				}
			})
		})
	}
}

// meddled is a store of which the second reading finds what do has made of it.
func meddled(t *testing.T, do func(*keystest.Store)) *meddler {
	t.Helper()
	to := keystest.New()
	set(t, to, "/a/before", "1", "/before/x", "1")
	m := &meddler{Store: to}
	m.do = func() { m.do = func() { do(to) } }
	return m
}

func wantVerified(t *testing.T, sum dump.ImportSummary, err error, wrong string) {
	t.Helper()
	if wrong == "" {
		if err != nil || !sum.Verified {
			t.Errorf("got %+v, %v", sum, err)
		}
		return
	}
	var failed *dump.VerifyError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	var found []string
	for _, d := range failed.Differences {
		found = append(found, fmt.Sprintf("%s %s", d.Kind, d.Key))
	}
	if got := strings.Join(found, " "); got != wrong || sum.Verified || failed.Want == failed.Got {
		t.Errorf("got %s: %v", got, err)
	}
}

func remove(t *testing.T, s *keystest.Store, key string) {
	t.Helper()
	if _, err := s.Delete(t.Context(), key, &client.DeleteOptions{Recursive: true}); err != nil {
		t.Fatal(err)
	}
}
