package mirror_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/mirror"
)

// failing is a KeysAPI each of whose reads fails, or each of whose watches.
type failing struct {
	client.KeysAPI
	read, watch error
}

func (f *failing) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	if f.read != nil {
		return nil, f.read
	}
	return f.KeysAPI.Get(ctx, key, opts)
}

func (f *failing) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	if f.watch == nil {
		return f.KeysAPI.Watcher(key, opts)
	}
	return f
}

func (f *failing) Next(context.Context) (*client.Response, error) { return nil, f.watch }

var errDown = &client.ClusterError{Errors: []error{errors.New("connection refused")}}

func newMirror(t *testing.T, kapi client.KeysAPI, dir string, opts *mirror.Options) *mirror.Mirror {
	t.Helper()
	m, err := mirror.New(t.Context(), kapi, dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// must gives the index of a write that can't fail.
func must(t *testing.T) func(*client.Response, error) uint64 {
	t.Helper()
	return func(r *client.Response, err error) uint64 {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r.Node.ModifiedIndex
	}
}

func wantEnd(t *testing.T, m *mirror.Mirror, want error) {
	t.Helper()
	<-m.Done()
	if err := m.Err(); err != want { //nolint:errorlint // bare is what New promises
		t.Errorf("Err() is %v, want %v", err, want)
	}
}

func TestNewWaitsForTheFirstSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(10)
		must(t)(s.Set(t.Context(), "/m/a", "1", nil))
		f := &failing{KeysAPI: s, read: errDown}
		began, tries := time.Now(), 0
		m := newMirror(t, f, "/m", &mirror.Options{Retry: func(err error) {
			if tries++; tries == 3 {
				f.read = nil
			}
			if err != error(errDown) { //nolint:errorlint // as it came
				t.Errorf("Retry is told of %v", err)
			}
		}})
		if n := m.Get("/m/a"); n == nil || n.Value != "1" {
			t.Errorf("Get gives %v", n)
		}
		if took := time.Since(began); tries < 3 || took != (50+100+200)*time.Millisecond {
			t.Errorf("%d retries in %v", tries, took)
		}
	})
}

func TestNewGivesUp(t *testing.T) {
	refused := client.Error{Code: client.ErrorCodeUnauthorized}
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
			defer cancel()
			began := time.Now()
			m, err := mirror.New(ctx, &failing{KeysAPI: newStore(10), read: errDown}, "/m", nil)
			if m != nil || err != context.DeadlineExceeded || time.Since(began) != 90*time.Second { //nolint:errorlint // bare
				t.Errorf("New gives %v, %v after %v", m, err, time.Since(began))
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		m, err := mirror.New(t.Context(), &failing{KeysAPI: newStore(10), read: refused}, "/m", nil)
		if m != nil || err != error(refused) { //nolint:errorlint // bare
			t.Errorf("New gives %v, %v", m, err)
		}
	})
	t.Run("another name", func(t *testing.T) {
		f := newFeed(1)
		_, err := mirror.New(t.Context(), f, "/other", nil)
		var input *client.InvalidInputError
		if !errors.As(err, &input) || input.Value != "/other/" {
			t.Errorf("New gives %v", err)
		}
	})
	t.Run("no key", func(t *testing.T) {
		c, err := client.New(client.Config{Endpoints: []string{"http://127.0.0.1:1"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = mirror.New(t.Context(), client.NewKeysAPI(c), "/a/../b", nil)
		var input *client.InvalidInputError
		if !errors.As(err, &input) {
			t.Errorf("New gives %v", err)
		}
	})
	t.Run("nil", func(t *testing.T) {
		var noContext context.Context
		_, err1 := mirror.New(noContext, newStore(10), "/m", nil)
		_, err2 := mirror.New(t.Context(), nil, "/m", nil)
		var input *client.InvalidInputError
		if !errors.As(err1, &input) || !errors.As(err2, &input) {
			t.Errorf("New gives %v and %v", err1, err2)
		}
	})
}

func TestEnd(t *testing.T) {
	t.Run("Close", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStore(10)
			index := must(t)(s.Set(t.Context(), "/m/a", "1", nil))
			m := newMirror(t, s, "/m", nil)
			if err := m.Err(); err != nil {
				t.Errorf("Err() is %v before the end", err)
			}
			m.Close()
			m.Close()
			wantEnd(t, m, mirror.ErrClosed)
			if m.Get("/m/a") == nil || m.WaitIndex(t.Context(), index) != nil {
				t.Error("what the mirror held is gone")
			}
			if err := m.WaitIndex(t.Context(), index+1); !errors.Is(err, mirror.ErrClosed) {
				t.Errorf("WaitIndex gives %v", err)
			}
		})
	})
	t.Run("context", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		m, err := mirror.New(ctx, newStore(10), "/m", nil)
		if err != nil {
			t.Fatal(err)
		}
		cancel(errors.New("the caller's own reason"))
		wantEnd(t, m, context.Canceled)
		m.Close()
		wantEnd(t, m, context.Canceled)
	})
	t.Run("final error", func(t *testing.T) {
		refused := client.Error{Code: client.ErrorCodeUnauthorized}
		m := newMirror(t, &failing{KeysAPI: newStore(10), watch: refused}, "/m", nil)
		wantEnd(t, m, refused)
		if err := m.WaitIndex(t.Context(), 100); err != error(refused) { //nolint:errorlint // bare
			t.Errorf("WaitIndex gives %v", err)
		}
	})
	t.Run("a key of another name", func(t *testing.T) {
		f := newFeed(1)
		m := newMirror(t, f, "/m", nil)
		f.events <- &client.Response{Action: "set", Node: &client.Node{Key: "/other/a", CreatedIndex: 11, ModifiedIndex: 11}}
		<-m.Done()
		var input *client.InvalidInputError
		if err := m.Err(); !errors.As(err, &input) {
			t.Errorf("Err() is %v", err)
		}
	})
}

// TestCloseForgetsWhatWasReadAhead closes a mirror while OnChange holds it up and
// events wait.
func TestCloseForgetsWhatWasReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(100)
		calls, blocked := 0, make(chan struct{})
		m := newMirror(t, s, "/m", &mirror.Options{OnChange: func([]mirror.Change) {
			calls++
			<-blocked
		}})
		for range 10 {
			must(t)(s.Set(t.Context(), "/m/a", "1", nil))
		}
		synctest.Wait()
		go m.Close()
		synctest.Wait()
		close(blocked)
		wantEnd(t, m, mirror.ErrClosed)
		if calls != 1 {
			t.Errorf("OnChange was called %d times", calls)
		}
	})
}

func TestWaitIndex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore(100)
		m := newMirror(t, &faulty{KeysAPI: s, rand: rand.New(rand.NewPCG(1, 1)), odds: 2}, "/m", nil)
		for _, write := range []func() (*client.Response, error){
			func() (*client.Response, error) { return s.Set(t.Context(), "/m/a", "1", nil) },
			func() (*client.Response, error) { return s.Update(t.Context(), "/m/a", "2") },
			func() (*client.Response, error) { return s.CreateInOrder(t.Context(), "/m/q", "2", nil) },
			func() (*client.Response, error) { return s.Delete(t.Context(), "/m/a", nil) },
			func() (*client.Response, error) {
				return s.Set(t.Context(), "/m/q", "", &client.SetOptions{Dir: true, PrevExist: client.PrevExist, TTL: time.Hour})
			},
			func() (*client.Response, error) {
				return s.Delete(t.Context(), "/m", &client.DeleteOptions{Recursive: true})
			},
		} {
			index := must(t)(write())
			if err := m.WaitIndex(t.Context(), index); err != nil || m.Index() != index {
				t.Fatalf("WaitIndex(%d) gives %v at index %d", index, err, m.Index())
			}
			compare(t, s, "/m", m.View())
		}
		elsewhere := must(t)(s.Set(t.Context(), "/other", "1", nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := m.WaitIndex(ctx, elsewhere); err != context.DeadlineExceeded { //nolint:errorlint // bare
			t.Errorf("WaitIndex of a write elsewhere gives %v", err)
		}
	})
}

// TestReaders reads from many goroutines while the mirror moves. Whatever the
// index of a view, both of its keys have the same value.
func TestReaders(t *testing.T) {
	s := newStore(1000)
	m := newMirror(t, s, "/m", nil)
	const readers, writes = 8, 300
	ended := make(chan struct{})
	for range readers {
		go func() {
			defer func() { ended <- struct{}{} }()
			var last uint64
			for last < writes {
				v := m.View()
				if v.Index() < last {
					t.Errorf("index %d after %d", v.Index(), last)
				}
				last = v.Index()
				nodes := slices.Collect(v.Walk("/m"))
				if list := v.List("/m"); len(nodes) > 0 && len(list) != len(nodes)-1 {
					t.Errorf("List gives %d nodes, Walk %d", len(list), len(nodes))
				}
				if err := m.WaitIndex(t.Context(), min(last+1, writes)); err != nil {
					t.Error(err)
					return
				}
			}
		}()
	}
	for i := range writes {
		key := "/m/" + string(rune('a'+i%26))
		if i%5 == 4 {
			_, err := s.Delete(t.Context(), "/m", &client.DeleteOptions{Recursive: true})
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		must(t)(s.Set(t.Context(), key, "1", nil))
	}
	for range readers {
		<-ended
	}
}
