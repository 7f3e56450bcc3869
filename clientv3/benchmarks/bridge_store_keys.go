package benchmarks

import (
	"context"
	"time"

	"github.com/coreos/etcd/client"
)

// someTTL is that of all keys that have one.
const someTTL = time.Minute

// keysStore is a program of KeysAPI.
type keysStore struct {
	client.KeysAPI

	leave func() error
}

func (s *keysStore) get(ctx context.Context, key string, quorum bool) error {
	_, err := s.Get(ctx, key, &client.GetOptions{Quorum: quorum})
	return err
}

func (s *keysStore) set(ctx context.Context, key string) (uint64, error) {
	resp, err := s.Set(ctx, key, smallValue, nil)
	if err != nil {
		return 0, err
	}
	return resp.Node.ModifiedIndex, nil
}

func (s *keysStore) createAndDelete(ctx context.Context, key string) error {
	if _, err := s.Create(ctx, key, smallValue); err != nil {
		return err
	}
	_, err := s.Delete(ctx, key, nil)
	return err
}

func (s *keysStore) swap(ctx context.Context, key string, n int) error {
	index, err := s.set(ctx, key)
	for range n {
		if err != nil {
			return err
		}
		var resp *client.Response
		if resp, err = s.Set(ctx, key, smallValue, &client.SetOptions{PrevIndex: index}); err == nil {
			index = resp.Node.ModifiedIndex
		}
	}
	return err
}

func (s *keysStore) queue(ctx context.Context, dir string) error {
	resp, err := s.CreateInOrder(ctx, dir, smallValue, nil)
	if err == nil {
		_, err = s.Delete(ctx, resp.Node.Key, nil)
	}
	return err
}

func (s *keysStore) setTTL(ctx context.Context, key string) error {
	_, err := s.Set(ctx, key, smallValue, &client.SetOptions{TTL: someTTL})
	return err
}

func (s *keysStore) refresh(ctx context.Context, key string, n int) error {
	if err := s.setTTL(ctx, key); err != nil {
		return err
	}
	for range n {
		if _, err := s.Set(ctx, key, "", &client.SetOptions{TTL: someTTL, Refresh: true, PrevExist: client.PrevExist}); err != nil {
			return err
		}
	}
	return nil
}

func (s *keysStore) list(ctx context.Context, dir string, recursive bool) (int, error) {
	resp, err := s.Get(ctx, dir, &client.GetOptions{Recursive: recursive})
	if err != nil {
		return 0, err
	}
	files := 0
	for n := range resp.Node.All() {
		if !n.Dir {
			files++
		}
	}
	return files, nil
}

func (s *keysStore) follow(ctx context.Context, dir string, after uint64) (next func() error) {
	w := s.Watcher(dir, &client.WatcherOptions{AfterIndex: after, Recursive: true})
	return func() error {
		_, err := w.Next(ctx)
		return err
	}
}

func (s *keysStore) close() error { return s.leave() }
