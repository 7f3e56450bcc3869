package concurrency_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

// TestOthersWriteInTheQueue tells what becomes of a queue in which other programs
// write and delete.
func TestOthersWriteInTheQueue(t *testing.T) {
	recursive := &client.DeleteOptions{Recursive: true}
	for _, c := range []struct {
		name  string
		write func(t *testing.T, s *keystest.Store) error
		want  []string // what is delivered then
	}{
		{
			name: "an item of theirs",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.CreateInOrder(t.Context(), "/q/items", "theirs", nil)
				return err
			},
			want: []string{"1", "2", "theirs"},
		},
		{
			name: "another value",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Update(t.Context(), "/q/items/one", "changed")
				return err
			},
			want: []string{"changed", "2"},
		},
		{
			name: "written anew",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Set(t.Context(), "/q/items/one", "anew", nil)
				return err
			},
			want: []string{"2", "anew"},
		},
		{
			name: "what is no item",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Create(t.Context(), "/q/items/dir/x", "1")
				_, err2 := s.Create(t.Context(), "/q/else", "1")
				_, err3 := s.Create(t.Context(), "/q2/items/x", "1")
				_, err4 := s.Create(t.Context(), "/q/items/_hidden", "1")
				return errors.Join(err, err2, err3, err4)
			},
			want: []string{"1", "2"},
		},
		{
			name: "an item becomes a directory",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Set(t.Context(), "/q/items/one", "", &client.SetOptions{Dir: true})
				return err
			},
			want: []string{"2"},
		},
		{
			name: "an item is deleted",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Delete(t.Context(), "/q/items/one", nil)
				return err
			},
			want: []string{"2"},
		},
		{
			name: "all items are deleted",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Delete(t.Context(), "/q/items", recursive)
				return err
			},
		},
		{
			name: "the queue is deleted",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Delete(t.Context(), "/q", recursive)
				return err
			},
		},
		{
			name: "what has the beginning of its name is deleted",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Create(t.Context(), "/q/item/x", "1")
				_, err2 := s.Delete(t.Context(), "/q/item", recursive)
				_, err3 := s.Create(t.Context(), "/qu/x", "1")
				_, err4 := s.Delete(t.Context(), "/qu", recursive)
				return errors.Join(err, err2, err3, err4)
			},
			want: []string{"1", "2"},
		},
		{
			name: "claims for no item, and one that expires",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Create(t.Context(), "/q/claims/none", "x")
				_, err2 := s.Set(t.Context(), "/q/claims/one", "x", &client.SetOptions{TTL: time.Second})
				<-time.After(2 * time.Second)
				return errors.Join(err, err2)
			},
			want: []string{"1", "2"},
		},
		{
			name: "all claims are deleted",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				_, err := s.Create(t.Context(), "/q/claims/one", "x")
				synctest.Wait()
				_, err2 := s.Delete(t.Context(), "/q/claims", recursive)
				return errors.Join(err, err2)
			},
			want: []string{"1", "2"},
		},
		{
			name: "history is lost",
			write: func(t *testing.T, s *keystest.Store) error {
				t.Helper()
				s.CutOff("a", keystest.NotSent)
				_, err := s.Create(t.Context(), "/q/claims/one", "x")
				for i := range 2000 {
					_, err2 := s.Set(t.Context(), "/else", fmt.Sprint(i), nil)
					err = errors.Join(err, err2)
				}
				_, err3 := s.Create(t.Context(), "/q/items/late", "late")
				s.Reconnect("a")
				return errors.Join(err, err3)
			},
			want: []string{"2", "late"},
		},
	} {
		for _, watched := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, watched %v", c.name, watched), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					store := keystest.New()
					a := newConsumer(t, store, "a")
					if err := a.queue.EnqueueID(a.ctx, "one", "1"); err != nil {
						t.Fatal(err)
					}
					a.put("2")
					if watched {
						a.put("0")
						if _, err := store.CreateInOrder(t.Context(), "/q/claims", "x", nil); err != nil {
							t.Fatal(err)
						}
						one, two, zero := a.take(), a.take(), a.take()
						a.ack(zero)
						for _, item := range []*concurrency.Item{two, one} {
							if err := item.Release(a.ctx); err != nil {
								t.Fatal(err)
							}
						}
					}
					if err := c.write(t, store); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					a.wantNext(c.want...)
					a.wantNone()
				})
			})
		}
	}
}

// TestQueueInDirectoryThatIsDeleted goes on when the directory above comes back.
func TestQueueInDirectoryThatIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		a := newConsumer(t, store, "a")
		a.queue = concurrency.NewQueue(a.session, "up//q/")
		a.put("1", "2")
		a.wantNext("1")
		if _, err := store.Delete(t.Context(), "/up", &client.DeleteOptions{Recursive: true}); err != nil {
			t.Fatal(err)
		}
		a.wantNone()
		a.put("3")
		a.wantNext("3")
	})
}

// TestAckOfWhatWasWrittenAnew leaves what the consumer has not seen.
func TestAckOfWhatWasWrittenAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		a := newConsumer(t, store, "a")
		a.put("1")
		item := a.take()
		if _, err := store.Update(t.Context(), "/q/items/"+item.ID, "2"); err != nil {
			t.Fatal(err)
		}
		a.ack(item)
		a.wantNext("2")
		a.wantLen(0)
	})
}

// renamedKeys is a KeysAPI whose server has other names for the keys.
type renamedKeys struct{ client.KeysAPI }

func (r renamedKeys) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	resp, err := r.KeysAPI.Get(ctx, key, opts)
	if err == nil {
		for n := range resp.Node.All() {
			n.Key = "/namespace" + n.Key
		}
	}
	return resp, err
}

func TestQueueOfAnotherName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newConsumer(t, renamedKeys{keystest.New()}, "a")
		a.put("1")
		var input *client.InvalidInputError
		if _, err := a.queue.Dequeue(a.ctx); !errors.As(err, &input) || input.Value != "/q" {
			t.Errorf("Dequeue gives %v", err)
		}
	})
}

// refusing is a KeysAPI that refuses what it is told to.
type refusing struct {
	client.KeysAPI
	refuses atomic.Pointer[func(op, key string) bool]
}

func newRefusing(kapi client.KeysAPI) *refusing {
	r := &refusing{KeysAPI: kapi}
	r.set(func(string, string) bool { return false })
	return r
}

func (r *refusing) set(refuses func(op, key string) bool) { r.refuses.Store(&refuses) }

func (r *refusing) check(op, key string) error {
	if (*r.refuses.Load())(op, key) {
		return client.Error{Code: client.ErrorCodeUnauthorized, Message: "The request requires user authentication", Cause: "Insufficient credentials"}
	}
	return nil
}

func (r *refusing) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	if err := r.check("get", key); err != nil {
		return nil, err
	}
	return r.KeysAPI.Get(ctx, key, opts)
}

func (r *refusing) Set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	if err := r.check("set", key); err != nil {
		return nil, err
	}
	return r.KeysAPI.Set(ctx, key, value, opts)
}

func (r *refusing) Delete(ctx context.Context, key string, opts *client.DeleteOptions) (*client.Response, error) {
	if err := r.check("delete", key); err != nil {
		return nil, err
	}
	return r.KeysAPI.Delete(ctx, key, opts)
}

// TestQueueRefused: what a server refuses for good is the error of the call, names
// the key, leaves nothing claimed, and is over when the server takes it.
func TestQueueRefused(t *testing.T) {
	for _, c := range []struct {
		op, part string
		call     func(a *consumer, item *concurrency.Item) error
	}{
		{"set", "/q/items/", func(a *consumer, _ *concurrency.Item) error { _, err := a.queue.Enqueue(a.ctx, "3"); return err }},
		{"get", "/q/items", func(a *consumer, _ *concurrency.Item) error { _, err := a.queue.Len(a.ctx); return err }},
		{"get", "/q", func(a *consumer, _ *concurrency.Item) error { _, err := a.queue.Dequeue(a.ctx); return err }},
		{"set", "/q/claims/", func(a *consumer, _ *concurrency.Item) error { _, err := a.queue.Dequeue(a.ctx); return err }},
		{"get", "/q/items/", func(a *consumer, _ *concurrency.Item) error { _, err := a.queue.Dequeue(a.ctx); return err }},
		{"delete", "/q/items/", func(a *consumer, item *concurrency.Item) error { return item.Ack(a.ctx) }},
		{"delete", "/q/claims/", func(a *consumer, item *concurrency.Item) error { return item.Release(a.ctx) }},
	} {
		t.Run(c.op+" "+c.part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kapi := newRefusing(keystest.New())
				a := newConsumer(t, kapi, "a")
				a.put("1", "2")
				item := a.take()
				a.queue.Close()
				a.queue = concurrency.NewQueue(a.session, "/q")
				kapi.set(func(op, key string) bool { return op == c.op && strings.HasPrefix(key, c.part) })
				err := c.call(a, item)
				var refused client.Error
				var op *concurrency.OpError
				if !errors.As(err, &refused) || !errors.As(err, &op) || !strings.HasPrefix(op.Key, "/q") || op.Op == "" {
					t.Errorf("the call gives %v", err)
				}
				kapi.set(func(string, string) bool { return false })
				<-time.After(queueTTL * time.Second)
				item.Release(a.ctx) // where that was refused it has been tried again behind the caller's back
				synctest.Wait()
				a.wantNext("1", "2")
				a.wantNone()
			})
		})
	}
}
