package benchmarks

import (
	"context"
	"fmt"

	"github.com/coreos/etcd/clientv3"
)

// handStore is a program of the v3 API that has no use for directories: nobody makes
// them, or looks whether there is one.
type handStore struct {
	*clientv3.Client

	queued uint64
}

func (s *handStore) get(ctx context.Context, key string, quorum bool) error {
	var opts []clientv3.OpOption
	if !quorum {
		opts = append(opts, clientv3.WithSerializable())
	}
	_, err := s.Get(ctx, key, opts...)
	return err
}

func (s *handStore) set(ctx context.Context, key string) (uint64, error) {
	resp, err := s.Put(ctx, key, smallValue, clientv3.WithPrevKV())
	if err != nil {
		return 0, err
	}
	return uint64(resp.Header.Revision), nil
}

func (s *handStore) createAndDelete(ctx context.Context, key string) error {
	resp, err := s.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).Then(clientv3.OpPut(key, smallValue)).Commit()
	if err != nil {
		return err
	}
	if !resp.Succeeded {
		return fmt.Errorf("%s is there", key)
	}
	_, err = s.Delete(ctx, key, clientv3.WithPrevKV())
	return err
}

func (s *handStore) swap(ctx context.Context, key string, n int) error {
	index, err := s.set(ctx, key)
	for range n {
		if err != nil {
			return err
		}
		var resp *clientv3.TxnResponse
		resp, err = s.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", int64(index))).
			Then(clientv3.OpPut(key, smallValue, clientv3.WithPrevKV())).Commit()
		if err == nil {
			index = uint64(resp.Header.Revision)
		}
	}
	return err
}

func (s *handStore) queue(ctx context.Context, dir string) error {
	s.queued++
	return s.createAndDelete(ctx, fmt.Sprintf("%s/%020d", dir, s.queued))
}

func (s *handStore) setTTL(ctx context.Context, key string) error {
	_, err := s.setLease(ctx, key)
	return err
}

func (s *handStore) setLease(ctx context.Context, key string) (clientv3.LeaseID, error) {
	lease, err := s.Grant(ctx, int64(someTTL.Seconds()))
	if err != nil {
		return clientv3.NoLease, err
	}
	_, err = s.Put(ctx, key, smallValue, clientv3.WithLease(lease.ID), clientv3.WithPrevKV())
	return lease.ID, err
}

func (s *handStore) refresh(ctx context.Context, key string, n int) error {
	lease, err := s.setLease(ctx, key)
	for range n {
		if err != nil {
			return err
		}
		_, err = s.KeepAliveOnce(ctx, lease)
	}
	return err
}

// list reads all, as there is no way to leave out what is deeper.
func (s *handStore) list(ctx context.Context, dir string, _ bool) (int, error) {
	resp, err := s.Get(ctx, dir+"/", clientv3.WithPrefix(), clientv3.WithSerializable())
	if err != nil {
		return 0, err
	}
	return len(resp.Kvs), nil
}

func (s *handStore) follow(ctx context.Context, dir string, after uint64) (next func() error) {
	responses := s.Watch(ctx, dir+"/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithRev(int64(after)+1))
	ready := 0
	return func() error {
		for ready == 0 {
			response, ok := <-responses
			switch {
			case !ok:
				return errEnded
			case response.Err() != nil:
				return response.Err()
			}
			ready = len(response.Events)
		}
		ready--
		return nil
	}
}

func (s *handStore) close() error { return s.Close() }
