package move_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
	"github.com/coreos/etcd/client/move"
)

// Somebody writes a key right before the copy does: it is not overwritten, unless
// that was asked for.
func TestAWriteInTheMiddleOfTheCopyIsMet(t *testing.T) {
	for name, overwrite := range map[string]bool{"left alone": false, "overwritten": true} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, from, to *keystest.Store) {
				t.Helper()
				set(t, from, "/a", "1")
				var met atomic.Bool
				to.Before = func(r keystest.Request) {
					if r.Op == keystest.OpSet && r.Key == "/a" && met.CompareAndSwap(false, true) {
						set(t, to, "/a", "meddled")
					}
				}
				m := start(t, from, to, &move.Options{Overwrite: overwrite})
				if overwrite {
					mustSwitch(t, m)
					wantSame(t, to, from)
					return
				}
				<-m.Done()
				var conflict *move.ConflictError
				if err := m.Err(); !errors.As(err, &conflict) || conflict.Key != "/a" {
					t.Errorf("got %v", err)
				}
				if r, err := to.Get(t.Context(), "/a", nil); err != nil || r.Node.Value != "meddled" {
					t.Errorf("got %v, %v", r, err)
				}
			})
		})
	}
}

// Where the target has a directory for a file, or the reverse, all is compared anew.
func TestAnotherKindOfNodeInTheWayIsAResync(t *testing.T) {
	for name, tt := range map[string]struct{ there, key, value string }{
		"a directory for a file":      {"/x/y", "/x", "1"},
		"a file on the way to one":    {"/x", "/x/y", "1"},
		"a file for a directory":      {"/x", "/x/y", "/"},
		"a file in a directory's way": {"/x", "/x", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(t *testing.T, from, to *keystest.Store) {
				t.Helper()
				m := caughtUp(t, from, to, nil)
				synctest.Wait()
				set(t, to, tt.there, "meddled")
				set(t, from, tt.key, tt.value)
				synctest.Wait()
				mustSwitch(t, m)
				wantSame(t, to, from)
			})
		})
	}
}

// A directory takes the place of a file in one write, which v2 allows.
func TestADirectoryInThePlaceOfAFile(t *testing.T) {
	story(t, func(t *testing.T, from, to *keystest.Store) {
		t.Helper()
		set(t, from, "/x", "1")
		m := caughtUp(t, from, to, nil)
		if _, err := from.Set(t.Context(), "/x", "", &client.SetOptions{Dir: true}); err != nil {
			t.Fatal(err)
		}
		set(t, from, "/x/y", "2")
		report := mustSwitch(t, m)
		wantSame(t, to, from)
		if report.Resyncs != 0 || report.Applied != 2 {
			t.Errorf("got %+v", report)
		}
	})
}
