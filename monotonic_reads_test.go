package client_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/etcd/client"
)

// agedStore is a store of two members, one of which is behind: it answers Gets
// without quorum.
type agedStore struct {
	*modelStore
	behind    *modelStore // nil: none
	clusterID string
	noIndex   bool // a proxy drops X-Etcd-Index
}

func (s *agedStore) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	from := s.modelStore
	if s.behind != nil && (opts == nil || !opts.Quorum) {
		from = s.behind
	}
	resp, err := from.Get(ctx, key, opts)
	if resp != nil {
		resp.ClusterID = s.clusterID
		if s.noIndex {
			resp.Index = 0
		}
	}
	return resp, err
}

func TestMonotonicReads(t *testing.T) {
	type seeing func(ctx context.Context, s *agedStore, kapi client.KeysAPI) error
	get := func(ctx context.Context, _ *agedStore, kapi client.KeysAPI) error {
		_, err := kapi.Get(ctx, "/a", nil)
		return err
	}
	for name, see := range map[string]seeing{
		"a read": func(ctx context.Context, s *agedStore, kapi client.KeysAPI) error {
			behind := s.behind
			s.behind = nil
			defer func() { s.behind = behind }()
			return get(ctx, nil, kapi)
		},
		"a missing key": func(ctx context.Context, _ *agedStore, kapi client.KeysAPI) error {
			_, err := kapi.Get(ctx, "/missing", &client.GetOptions{Quorum: true})
			if client.IsKeyNotFound(err) {
				return nil
			}
			return errors.Join(errors.New("it is there"), err)
		},
		"a write": func(ctx context.Context, _ *agedStore, kapi client.KeysAPI) error {
			_, err := kapi.Update(ctx, "/a", "new")
			return err
		},
		"a failed comparison": func(ctx context.Context, _ *agedStore, kapi client.KeysAPI) error {
			if _, err := kapi.Create(ctx, "/a", "y"); !client.IsNodeExist(err) {
				return errors.Join(errors.New("it was not there"), err)
			}
			return nil
		},
		"a deletion": func(ctx context.Context, _ *agedStore, kapi client.KeysAPI) error {
			_, err := kapi.Delete(ctx, "/b", nil)
			return err
		},
		"an event": func(ctx context.Context, _ *agedStore, kapi client.KeysAPI) error {
			_, err := kapi.Watcher("/a", &client.WatcherOptions{AfterIndex: 6}).Next(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &agedStore{modelStore: newModelStore(), behind: newModelStore()}
			for i, key := range []string{"/a", "/b", "/late", "/a"} { // the other has only the first
				s.put(key, strconv.Itoa(i), 0)
			}
			s.behind.put("/a", "0", 0)
			kapi := client.MonotonicReads(s)
			resp, err := kapi.Get(t.Context(), "/a", nil)
			if err != nil || resp.Node.Value != "0" || slices.Contains(s.lines, "quorum get") {
				t.Fatalf("nothing was seen, and got %+v, %v, after %q", resp, err, s.lines)
			}
			if err = see(t.Context(), s, kapi); err != nil {
				t.Fatal(err)
			}
			resp, err = kapi.Get(t.Context(), "/a", nil)
			if err != nil || resp.Node.Value == "0" || resp.Index < 7 {
				t.Errorf("got %+v, %v", resp, err)
			}
			if _, err = kapi.Get(t.Context(), "/late", nil); err != nil {
				t.Errorf("what a member does not know yet: %v", err)
			}
			// The quorum is asked where the member was behind, and not else.
			s.behind, s.lines = nil, nil
			if _, err = kapi.Get(t.Context(), "/a", nil); err != nil || !slices.Equal(s.lines, []string{"get"}) {
				t.Errorf("asked %q, %v", s.lines, err)
			}
		})
	}
}

func TestMonotonicReadsOfAnotherStore(t *testing.T) {
	s := &agedStore{modelStore: newModelStore(), clusterID: "one"}
	s.put("/a", "0", 0)
	kapi := client.MonotonicReads(s)
	if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
		t.Fatal(err)
	}
	s.clusterID = "two"
	_, err := kapi.Get(t.Context(), "/a", nil)
	if _, ok := bare[*client.ReplyError](err); !ok || !errors.Is(err, client.ErrClusterIDChanged) {
		t.Errorf("got %v", err)
	}

	s.clusterID, s.modelStore = "one", newModelStore() // restored from an old backup
	_, err = kapi.Get(t.Context(), "/a", nil)
	if _, ok := bare[*client.ReplyError](err); !ok || !errors.Is(err, client.ErrStaleRead) || !strings.Contains(err.Error(), "index 3, and 4") {
		t.Errorf("got %v", err)
	}
	if _, err = kapi.Get(t.Context(), "/a", &client.GetOptions{Quorum: true}); !errors.Is(err, client.ErrStaleRead) {
		t.Errorf("got %v", err)
	}
	if slices.Compact(s.lines)[0] != "get" || len(s.lines) != 3 {
		t.Errorf("asked %q", s.lines)
	}
}

func TestMonotonicReadsWithoutIndex(t *testing.T) {
	s := &agedStore{modelStore: newModelStore(), noIndex: true}
	kapi := client.MonotonicReads(s)
	if _, err := kapi.Set(t.Context(), "/a", "1", nil); err != nil {
		t.Fatal(err)
	}
	if resp, err := kapi.Get(t.Context(), "/a", nil); err != nil || resp.Node.Value != "1" || s.lines[len(s.lines)-1] != "quorum get" {
		t.Errorf("got %+v, %v, after %q", resp, err, s.lines)
	}
}

func TestMonotonicReadsPassErrorsOn(t *testing.T) {
	f := script(t, fakeAnswer{header: "X-Etcd-Index: 9", body: setReply}, fakeAnswer{status: 401, body: `{"errorCode":110,"index":0}`}, fakeAnswer{notSent: true})
	kapi := client.MonotonicReads(client.NewKeysAPI(newClient(t, f)))
	if _, err := kapi.CreateInOrder(t.Context(), "/a", "1", nil); err != nil {
		t.Fatal(err)
	}
	_, err := kapi.Get(t.Context(), "/a", nil)
	if _, ok := bare[client.Error](err); !ok || !client.IsUnauthorized(err) {
		t.Errorf("got %v", err)
	}
	if _, err = kapi.Get(t.Context(), "/a", nil); err == nil || !errors.Is(err, client.ErrClusterUnavailable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = kapi.Get(ctx, "/a", nil); !same(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMonotonicReadsSideBySide(t *testing.T) {
	s := &agedStore{modelStore: newModelStore(), behind: newModelStore()}
	s.behind.put("/a", "0", 0)
	kapi := client.MonotonicReads(s)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var last uint64
			for i := range 200 {
				resp, err := kapi.Set(t.Context(), "/a", strconv.Itoa(i), nil)
				if err == nil {
					last = max(last, resp.Node.ModifiedIndex)
					resp, err = kapi.Get(t.Context(), "/a", nil)
				}
				if err != nil || resp.Index < last {
					t.Errorf("got %+v, %v, after %d", resp, err, last)
					return
				}
				last = resp.Index
			}
		})
	}
	all.Wait()
}
