package keystest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keystest"
)

// The rules as servers were recorded with them; integration/keystest_test.go asks servers.
func TestRefusals(t *testing.T) {
	type kapi = client.KeysAPI
	set := func(key, value string, o client.SetOptions) func(context.Context, kapi) error {
		return func(ctx context.Context, k kapi) error { _, err := k.Set(ctx, key, value, &o); return err }
	}
	remove := func(key string, o client.DeleteOptions) func(context.Context, kapi) error {
		return func(ctx context.Context, k kapi) error { _, err := k.Delete(ctx, key, &o); return err }
	}
	get := func(key string) func(context.Context, kapi) error {
		return func(ctx context.Context, k kapi) error { _, err := k.Get(ctx, key, nil); return err }
	}
	for name, tt := range map[string]struct {
		do           func(context.Context, kapi) error
		code, status int
		cause        string
	}{
		"get, an element is missing":   {get("/no/such/key"), 100, 404, "/no"},
		"get below a file":             {get("/f/x"), 104, 400, "/f"},
		"update of none":               {set("/no", "v", client.SetOptions{PrevExist: client.PrevExist}), 100, 404, "/no"},
		"set of a directory":           {set("/d", "v", client.SetOptions{}), 102, 403, "/d"},
		"directory once more":          {set("/d", "", client.SetOptions{Dir: true}), 102, 403, "/d"},
		"set below a file":             {set("/f/x/y", "v", client.SetOptions{}), 104, 400, "/f"},
		"create of one that exists":    {set("/f", "v", client.SetOptions{PrevExist: client.PrevNoExist}), 105, 412, "/f"},
		"other value":                  {set("/f", "w", client.SetOptions{PrevValue: "z"}), 101, 412, "[z != v]"},
		"other index":                  {set("/f", "w", client.SetOptions{PrevIndex: 1}), 101, 412, "[1 != 4]"},
		"other value and index":        {set("/f", "w", client.SetOptions{PrevValue: "z", PrevIndex: 1}), 101, 412, "[z != v] [1 != 4]"},
		"root":                         {set("/", "v", client.SetOptions{}), 107, 400, "/"},
		"delete of the root":           {remove("/", client.DeleteOptions{Recursive: true}), 107, 400, "/"},
		"delete of a directory":        {remove("/d", client.DeleteOptions{}), 102, 403, "/d"},
		"delete of a full directory":   {remove("/d", client.DeleteOptions{Dir: true}), 108, 403, "/d"},
		"compare and delete":           {remove("/f", client.DeleteOptions{PrevValue: "z"}), 101, 412, "[z != v]"},
		"refresh with a value":         {set("/f", "v", client.SetOptions{Refresh: true, TTL: 1}), 211, 0, "/f"},
		"refresh without a TTL":        {set("/f", "", client.SetOptions{Refresh: true}), 212, 0, "/f"},
		"compare and delete of a root": {remove("/", client.DeleteOptions{PrevIndex: 9}), 102, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := keystest.New()
			put(t, s, "/f", "v", nil)
			put(t, s, "/d/x", "v", nil)
			err := tt.do(t.Context(), s)
			got, ok := err.(client.Error) //nolint:errorlint // returned bare
			if !ok || got.Code != tt.code || got.StatusCode != tt.status || got.Cause != tt.cause || got.Message == "" {
				t.Errorf("got %v (status %d), want code %d, status %d, cause %q", err, got.StatusCode, tt.code, tt.status, tt.cause)
			}
			if s.Index() != 5 {
				t.Errorf("the index is %d: something was written", s.Index())
			}
		})
	}
}

func TestUpdateOfADirectory(t *testing.T) {
	s := keystest.New()
	put(t, s, "/d/x", "v", nil)
	o := &client.SetOptions{Dir: true, PrevExist: client.PrevExist}
	if _, err := s.Set(t.Context(), "/d", "", o); !errors.Is(err, client.ErrOutcomeUnknown) || !errors.Is(err, client.Error{Code: 300}) {
		t.Errorf("as on etcd 3.5: %v", err)
	}
	s.DirUpdates = true
	resp := put(t, s, "/d", "", o)
	if n := resp.Node; resp.Action != "update" || !n.Dir || n.ModifiedIndex != 5 || s.Dump()[0].ModifiedIndex != 4 {
		t.Errorf("as on etcd 3.4: %s of %v", resp.Action, n)
	}
}

func TestBadInputIsRefused(t *testing.T) {
	s := keystest.New()
	for name, err := range map[string]error{
		"dots":        second(s.Get(t.Context(), "/a/../b", nil)),
		"NUL":         second(s.Delete(t.Context(), "/a\x00", nil)),
		"not UTF-8":   second(s.Set(t.Context(), "/a", "\xff", nil)),
		"in order":    second(s.CreateInOrder(t.Context(), ".", "v", nil)),
		"watch":       second(s.Watcher("..", nil).Next(t.Context())),
		"value of it": second(s.Set(t.Context(), "/a", "v", &client.SetOptions{Dir: true})),
		"PrevExist":   second(s.Set(t.Context(), "/a", "v", &client.SetOptions{PrevExist: "maybe"})),
	} {
		var invalid *client.InvalidInputError
		if !errors.As(err, &invalid) {
			t.Errorf("%s: got %v, want an InvalidInputError", name, err)
		}
	}
	if got := s.Requests(keystest.OpSet); got != 0 {
		t.Errorf("%d were requests", got)
	}
}

func TestHiddenNodesShowWhenAskedFor(t *testing.T) {
	s := keystest.New()
	put(t, s, "/d/_h/x", "v", nil)
	for key, want := range map[string]int{"/d": 0, "/d/_h": 1} {
		resp, err := s.Get(t.Context(), key, &client.GetOptions{Recursive: true, Quorum: true})
		if err != nil || len(resp.Node.Nodes) != want {
			t.Errorf("%s: got %v, %v; want %d children", key, resp, err, want)
		}
	}
	if got := len(s.Dump()); got != 3 {
		t.Errorf("the dump has %d nodes, want 3", got)
	}
	if s.QuorumGets() != 2 || s.Requests(keystest.OpGet) != 2 {
		t.Errorf("counted %d quorum reads of %d", s.QuorumGets(), s.Requests(keystest.OpGet))
	}
}

func TestInOrderNamesAreIndexes(t *testing.T) {
	s := keystest.New()
	for _, want := range []string{"/q/00000000000000000004", "/q/00000000000000000005"} {
		resp, err := s.CreateInOrder(t.Context(), "/q", "v", &client.CreateInOrderOptions{})
		if err != nil || resp.Node.Key != want {
			t.Errorf("got %v, %v; want %s", resp, err, want)
		}
	}
}

func TestResponsesAreCopies(t *testing.T) {
	s := keystest.New()
	put(t, s, "/k", "v", nil).Node.Value = "changed"
	w := s.Watcher("/k", &client.WatcherOptions{AfterIndex: 3})
	if ev, err := w.Next(t.Context()); err != nil || ev.Node.Value != "v" {
		t.Errorf("got %v, %v", ev, err)
	}
}

func TestBeforeMayUseTheStore(t *testing.T) {
	s := keystest.New()
	s.Before = func(r keystest.Request) {
		if r.Op == keystest.OpGet {
			put(t, s, r.Key, "in between", nil)
		}
	}
	resp, err := s.Get(t.Context(), "/k", nil)
	if err != nil || resp.Node.Value != "in between" {
		t.Errorf("got %v, %v", resp, err)
	}
}

func second(_ *client.Response, err error) error { return err }
