package integration

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const lostAnswers = 20 // of each kind

// A lostWrite is a write whose answer is lost.
type lostWrite struct {
	name   string
	method string
	exists bool // the key, with the value "old", before
	write  func(ctx context.Context, kapi client.KeysAPI, key string, index uint64) error
	value  string // of the key after it was applied
	once   bool   // it must not be sent again
}

func lostWrites() []lostWrite {
	set := func(value string, o client.SetOptions) func(context.Context, client.KeysAPI, string, uint64) error {
		return func(ctx context.Context, kapi client.KeysAPI, key string, index uint64) error {
			if o.PrevIndex != 0 {
				o.PrevIndex = index
			}
			_, err := kapi.Set(ctx, key, value, &o)
			return err
		}
	}
	remove := func(o client.DeleteOptions) func(context.Context, client.KeysAPI, string, uint64) error {
		return func(ctx context.Context, kapi client.KeysAPI, key string, index uint64) error {
			if o.PrevIndex != 0 {
				o.PrevIndex = index
			}
			_, err := kapi.Delete(ctx, key, &o)
			return err
		}
	}
	return []lostWrite{
		{"create", http.MethodPut, false, set("new", client.SetOptions{PrevExist: client.PrevNoExist}), "new", true},
		{"swap-by-value", http.MethodPut, true, set("new", client.SetOptions{PrevValue: "old"}), "new", true},
		{"swap-by-index", http.MethodPut, true, set("new", client.SetOptions{PrevIndex: 1}), "new", true},
		{"delete", http.MethodDelete, true, remove(client.DeleteOptions{}), "", true},
		{"delete-by-value", http.MethodDelete, true, remove(client.DeleteOptions{PrevValue: "old"}), "", true},
		{"delete-by-index", http.MethodDelete, true, remove(client.DeleteOptions{PrevIndex: 1}), "", true},
		{"set", http.MethodPut, false, set("new", client.SetOptions{}), "new", false},
		{"update", http.MethodPut, true, set("new", client.SetOptions{PrevExist: client.PrevExist}), "new", false},
		{"refresh", http.MethodPut, true, set("", client.SetOptions{PrevExist: client.PrevExist, Refresh: true, TTL: time.Hour}), "old", false},
	}
}

// loseOne makes the pinned member's answer to one write of the key get lost.
func loseOne(t *testing.T, c *harness.Cluster, kapi client.KeysAPI, method, key string) {
	t.Helper()
	pinnedMember(t, c, kapi).Proxy().Inject(harness.Fault{Kind: harness.LoseAnswer, Match: keyPath(method, key), Count: 1})
}

// loseAnswer loses the answer of one write, and returns what the caller was told
// and how often the servers were asked.
func loseAnswer(t *testing.T, c *harness.Cluster, reader client.KeysAPI, w lostWrite, change func(*client.Config)) (requests int, err error) {
	t.Helper()
	key := uniqueKey(w.name)
	var index uint64
	if w.exists {
		old := must[*client.Response](t)(reader.Set(within(t, callTimeout), key, "old", nil))
		index = old.Node.ModifiedIndex
	}
	kapi := freshKeys(t, c, change)
	loseOne(t, c, kapi, w.method, key)
	_, before := askedFor(c, keyPath(w.method, key))
	err = w.write(within(t, callTimeout), kapi, key, index)
	_, after := askedFor(c, keyPath(w.method, key))
	if got := valueOf(t, reader, key); got != w.value {
		t.Errorf("%s: the value is %q afterwards, want %q", w.name, got, w.value)
	}
	return after - before, err
}

func TestLostAnswers(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		reader := freshKeys(t, c)
		for _, w := range lostWrites() {
			t.Run(w.name, func(t *testing.T) {
				for range lostAnswers {
					requests, err := loseAnswer(t, c, reader, w, func(*client.Config) {})
					switch {
					case w.once:
						wantUnknown(t, w.name, err)
						if requests != 1 {
							t.Errorf("the servers saw %d requests", requests)
						}
					case err != nil || requests != 2:
						t.Errorf("got %v after %d requests, want success on a second member", err, requests)
					}
				}
			})
		}
	})
}

func TestLostAnswersOfStrictWrites(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		reader := freshKeys(t, c)
		for _, w := range lostWrites() {
			for range lostAnswers / 4 {
				requests, err := loseAnswer(t, c, reader, w, func(cfg *client.Config) { cfg.StrictWrites = true })
				wantUnknown(t, w.name, err)
				if requests != 1 {
					t.Errorf("%s: the servers saw %d requests", w.name, requests)
				}
			}
		}
	})
}

func TestLostAnswersOfCreateInOrder(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		reader, dir := freshKeys(t, c), uniqueKey("queue")
		for i := range lostAnswers {
			kapi := freshKeys(t, c)
			loseOne(t, c, kapi, http.MethodPost, dir)
			_, err := kapi.CreateInOrder(within(t, callTimeout), dir, "v", nil)
			wantUnknown(t, "CreateInOrder", err)
			if got := childrenOf(t, reader, dir); got != i+1 {
				t.Fatalf("%d entries after %d calls", got, i+1)
			}
		}
	})
}

func TestLostAnswersOfAdministration(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		// lose loses the answer of a call, and returns its error and how many requests
		// the servers saw.
		lose := func(method, path string, call func(context.Context, client.Client) error) (requests int, err error) {
			t.Helper()
			cl := must[client.Client](t)(client.New(client.Config{Endpoints: c.Endpoints()}))
			match := harness.Match{Method: method, Path: path}
			pinnedMember(t, c, client.NewKeysAPI(cl)).Proxy().Inject(harness.Fault{Kind: harness.LoseAnswer, Match: match, Count: 1})
			_, before := askedFor(c, match)
			err = call(within(t, callTimeout), cl)
			_, after := askedFor(c, match)
			return after - before, err
		}
		loseOfOnce := func(method, path string, call func(context.Context, client.Client) error) {
			t.Helper()
			requests, err := lose(method, path, call)
			wantUnknown(t, method+" "+path, err)
			if requests != 1 {
				t.Errorf("%s %s: the servers saw %d requests", method, path, requests)
			}
		}
		cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
		const peer = "http://127.0.0.1:1"
		newcomer := func() *client.Member {
			list := must[[]client.Member](t)(client.NewMembersAPI(cl).List(ctx))
			i := slices.IndexFunc(list, func(m client.Member) bool { return slices.Contains(m.PeerURLs, peer) })
			if i < 0 {
				return nil
			}
			return &list[i]
		}
		loseOfOnce(http.MethodPost, "/v2/members", func(ctx context.Context, cl client.Client) error {
			_, err := client.NewMembersAPI(cl).Add(ctx, peer)
			return err
		})
		// What another member has accepted may be a little late at this one.
		var added *client.Member
		harness.WaitFor(t, callTimeout, func() error {
			if added = newcomer(); added == nil {
				return errors.New("the member was not added")
			}
			return nil
		})
		// IDs are never used again: to remove one twice is to remove it.
		requests, err := lose(http.MethodDelete, "/v2/members/"+added.ID, func(ctx context.Context, cl client.Client) error {
			return client.NewMembersAPI(cl).Remove(ctx, added.ID)
		})
		if err != nil || requests != 2 {
			t.Errorf("Remove: %v after %d requests", err, requests)
		}
		harness.WaitFor(t, callTimeout, func() error {
			if newcomer() != nil {
				return context.DeadlineExceeded
			}
			return nil
		})
		loseOfOnce(http.MethodPut, "/v2/auth/users/joe", func(ctx context.Context, cl client.Client) error {
			return client.NewAuthUserAPI(cl).AddUser(ctx, "joe", "secret")
		})
		harness.WaitFor(t, callTimeout, func() error {
			_, err := client.NewAuthUserAPI(cl).GetUser(ctx, "joe")
			return err
		})
	})
}
