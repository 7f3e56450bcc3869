package mirror_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/mirror"
)

// journal writes changes down, one call of OnChange a line.
type journal struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (j *journal) write(changes []mirror.Change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var line []string
	for _, c := range changes {
		text := string(c.Kind) + " " + c.Key
		for _, n := range []*client.Node{c.Old, c.New} {
			switch {
			case n == nil:
			case n.Dir:
				text += " dir"
			default:
				text += " " + n.Value
			}
		}
		line = append(line, text)
	}
	j.lines = append(j.lines, strings.Join(line, "; "))
}

func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// writer makes writes that can't fail.
type writer struct {
	t     *testing.T
	store *store
}

func (w writer) set(key, value string, opts *client.SetOptions) {
	w.t.Helper()
	must(w.t)(w.store.Set(w.t.Context(), key, value, opts))
}

func (w writer) remove(dir string) {
	w.t.Helper()
	must(w.t)(w.store.Delete(w.t.Context(), dir, &client.DeleteOptions{Recursive: true}))
}

func (w writer) expire() {
	<-time.After(time.Second)
	w.store.expire()
}

// TestChanges tells stories of a directory: what is done to a store, and what the
// mirror of /a/m reports.
func TestChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(w writer)
		want []string
	}{
		{
			name: "parents come with a key",
			do: func(w writer) {
				w.set("/a/m/x/y/z", "1", nil)
				w.set("/a/m/x/y/z", "2", nil)
			},
			want: []string{"added /a/m dir; added /a/m/x dir; added /a/m/x/y dir; added /a/m/x/y/z 1", "changed /a/m/x/y/z 1 2"},
		},
		{
			name: "a directory goes with all below it, children first",
			do: func(w writer) {
				w.set("/a/m/d/a", "1", nil)
				w.set("/a/m/d/b", "2", nil)
				w.set("/a/m/d-e", "3", nil)
				w.remove("/a/m/d")
			},
			want: []string{
				"added /a/m dir; added /a/m/d dir; added /a/m/d/a 1", "added /a/m/d/b 2", "added /a/m/d-e 3",
				"removed /a/m/d/b 2; removed /a/m/d/a 1; removed /a/m/d dir",
			},
		},
		{
			name: "a directory expires; its TTL is no new ModifiedIndex",
			do: func(w writer) {
				w.set("/a/m/d/a", "1", nil)
				w.set("/a/m/d", "", &client.SetOptions{Dir: true, PrevExist: client.PrevExist, TTL: time.Second})
				w.expire()
			},
			want: []string{
				"added /a/m dir; added /a/m/d dir; added /a/m/d/a 1", "changed /a/m/d dir dir",
				"removed /a/m/d/a 1; removed /a/m/d dir",
			},
		},
		{
			name: "a directory above goes, and comes back",
			do: func(w writer) {
				w.set("/a/m/x", "1", nil)
				w.remove("/a")
				w.set("/a/m/x", "2", nil)
			},
			want: []string{"added /a/m dir; added /a/m/x 1", "removed /a/m/x 1; removed /a/m dir", "added /a/m dir; added /a/m/x 2"},
		},
		{
			name: "a file, then a directory",
			do: func(w writer) {
				w.set("/a/m", "1", nil)
				w.set("/a/m", "", &client.SetOptions{Dir: true})
				w.set("/a/m/x", "2", nil)
			},
			want: []string{"added /a/m 1", "changed /a/m 1 dir", "added /a/m/x 2"},
		},
		{
			name: "hidden nodes, and what is beside",
			do: func(w writer) {
				w.set("/a/m/_x", "1", nil)
				w.set("/a/m/_y/z", "1", nil)
				w.set("/a/m2", "1", nil)
				w.set("/a/x", "1", nil)
				w.remove("/a/m/_y")
			},
		},
		{
			name: "refreshed",
			do: func(w writer) {
				w.set("/a/m/x", "1", &client.SetOptions{TTL: time.Second})
				w.set("/a/m/x", "", &client.SetOptions{Refresh: true, PrevExist: client.PrevExist, TTL: time.Hour})
				w.expire()
			},
			want: []string{"added /a/m dir; added /a/m/x 1"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, j := newStore(1000), &journal{}
				m := newMirror(t, s, "/a/m", &mirror.Options{OnChange: j.write})
				c.do(writer{t, s})
				synctest.Wait()
				if got := j.take(); !slices.Equal(got, c.want) {
					t.Errorf("the changes are\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
				}
				if c.name != "hidden nodes, and what is beside" { // the parent of a hidden node is untold
					compare(t, s, "/a/m", m.View())
				}
			})
		})
	}
}

// TestStrangeEvents takes events that no v2 server sends, and keeps files and
// directories apart all the same.
func TestStrangeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, j := newFeed(0), &journal{}
		m := newMirror(t, f, "/m", &mirror.Options{OnChange: j.write})
		for i, n := range []client.Node{
			{Key: "/m/d/x", Value: "1"}, {Key: "/m/d", Value: "over a directory"}, {Key: "/m/d/y", Value: "2"}, {Key: "/m/d", Dir: true},
		} {
			n.CreatedIndex, n.ModifiedIndex = uint64(i)+11, uint64(i)+11
			f.events <- &client.Response{Action: "set", Node: &n}
		}
		f.events <- &client.Response{Action: "unheard of", Node: &client.Node{Key: "/m/d", ModifiedIndex: 15}}
		if err := m.WaitIndex(t.Context(), 15); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		want := []string{
			"added /m dir", "added /m/d dir; added /m/d/x 1", "removed /m/d/x 1; changed /m/d dir over a directory",
			"changed /m/d over a directory dir; added /m/d/y 2", "removed /m/d/y 2; changed /m/d dir dir",
		}
		if got := j.take(); !slices.Equal(got, want) {
			t.Errorf("the changes are\n%q\nnot\n%q", got, want)
		}
	})
}

// TestPrefixOfName deletes /ab, of which the mirror of /abc is told.
func TestPrefixOfName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(1000)
		must(t)(s.Set(t.Context(), "/abc/x", "1", nil))
		must(t)(s.Set(t.Context(), "/ab/x", "1", nil))
		m := newMirror(t, s, "/abc", nil)
		index := must(t)(s.Delete(t.Context(), "/ab", &client.DeleteOptions{Recursive: true}))
		if err := m.WaitIndex(t.Context(), index); err != nil {
			t.Fatal(err)
		}
		compare(t, s, "/abc", m.View())
	})
}

// TestUntoldParent is the one way in which a mirror is not a Get: nobody is told
// of a directory that comes to be with a hidden key.
func TestUntoldParent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(3)
		m := newMirror(t, s, "/m", nil)
		hidden := must(t)(s.Set(t.Context(), "/m/a/_x", "1", nil))
		synctest.Wait()
		if n := m.Get("/m/a"); n != nil {
			t.Errorf("%v is there", n)
		}
		index := must(t)(s.Set(t.Context(), "/m/a/b", "1", nil))
		synctest.Wait()
		if n := m.Get("/m/a"); n == nil || n.CreatedIndex != index {
			t.Errorf("%v is there, not one created at %d", n, index)
		}
		lose(t, s, m, func() {})
		if n := m.Get("/m/a"); n == nil || n.CreatedIndex != hidden {
			t.Errorf("after a snapshot %v is there, not one created at %d", n, hidden)
		}
		compare(t, s, "/m", m.View())
	})
}

// lose makes a mirror of /m lose what writes does, and some writes of /m/lost.
func lose(t *testing.T, s *store, m *mirror.Mirror, writes func()) {
	t.Helper()
	s.setDown(true)
	writes()
	var index uint64
	for i := range s.limit + 1 {
		index = must(t)(s.Set(t.Context(), "/m/lost", fmt.Sprint(i), nil))
	}
	s.setDown(false)
	if err := m.WaitIndex(t.Context(), index); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// TestLoss loses events, and sees what has changed meanwhile and nothing else.
func TestLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, j := newStore(6), &journal{}
		for _, key := range []string{"/m/a/a", "/m/a/b", "/m/b", "/m/c", "/m/d"} {
			must(t)(s.Set(t.Context(), key, "1", nil))
		}
		m := newMirror(t, s, "/m", &mirror.Options{OnChange: j.write})
		synctest.Wait()
		j.take()
		old := m.View()
		b := m.Get("/m/b")

		lose(t, s, m, func() {
			w := writer{t, s}
			w.remove("/m/a")
			w.set("/m/a", "now a file", nil)
			w.set("/m/c", "1", nil) // as before, and still new
			w.set("/m/d", "", &client.SetOptions{Dir: true})
			w.set("/m/d/x", "1", nil)
		})

		want := []string{"removed /m/a/b 1; removed /m/a/a 1; changed /m/a dir now a file; changed /m/c 1 1; " +
			"changed /m/d 1 dir; added /m/d/x 1; added /m/lost 6"}
		if got := j.take(); !slices.Equal(got, want) {
			t.Errorf("the changes are\n%q\nnot\n%q", got, want)
		}
		if m.Get("/m/b") != b {
			t.Error("a node has been replaced by an equal one")
		}
		if m.Index() != s.index {
			t.Errorf("index %d, the snapshot's is %d", m.Index(), s.index)
		}
		compare(t, s, "/m", m.View())
		if n := old.Get("/m/a/b"); n == nil || len(old.List("/m")) != 4 || old.Get("/m/lost") != nil {
			t.Error("the view from before has changed")
		}
	})
}

func TestKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(10)
		for _, name := range []string{"b/x", "a-b", "a/z/1", "a.b", "a!"} {
			must(t)(s.Set(t.Context(), path.Join("/", name), "1", nil))
		}
		m := newMirror(t, s, "", nil)
		for _, key := range []string{"/a/z/1", "a/z/1", "//a//z/1/"} {
			if n := m.Get(key); n == nil || n.Key != "/a/z/1" {
				t.Errorf("Get(%q) gives %v", key, n)
			}
		}
		for _, key := range []string{"/a/z/2", "/a/z/1/x", "/a/", "/a/../a", "/aa"} {
			if n := m.Get(key); n != nil && n.Key != "/a" {
				t.Errorf("Get(%q) gives %v", key, n)
			}
		}
		wantKeys(t, "List of the root", slices.Values(m.List("/")), "/a", "/a!", "/a-b", "/a.b", "/b")
		wantKeys(t, "List of a directory", slices.Values(m.List("a/")), "/a/z")
		wantKeys(t, "List of a file", slices.Values(m.List("/a-b")))
		wantKeys(t, "List of nothing", slices.Values(m.List("/c")))
		wantKeys(t, "Walk", m.Walk(""), "", "/a", "/a/z", "/a/z/1", "/a!", "/a-b", "/a.b", "/b", "/b/x")
		wantKeys(t, "Walk of a file", m.Walk("/b/x/"), "/b/x")
		wantKeys(t, "Walk of nothing", m.Walk("/c"))
		for n := range m.Walk("/") {
			if n.Key == "/a" {
				break
			}
		}
	})
}

func wantKeys(t *testing.T, what string, nodes func(func(*client.Node) bool), want ...string) {
	t.Helper()
	var got []string
	for n := range nodes {
		got = append(got, n.Key)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s gives %q, not %q", what, got, want)
	}
}
