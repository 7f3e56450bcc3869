package benchmarks

import (
	"context"

	"github.com/coreos/etcd/clientv3"
)

// ours is the client of this repository.
type ours struct{ c *clientv3.Client }

func newOurs(endpoint string) (peer, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: dialTimeout})
	if err != nil {
		return nil, err
	}
	return ours{c}, nil
}

func (p ours) get(ctx context.Context) error {
	_, err := p.c.Get(ctx, smallKey)
	return err
}

func (p ours) put(ctx context.Context) error {
	_, err := p.c.Put(ctx, smallKey, smallValue)
	return err
}

func (p ours) txn(ctx context.Context) error {
	_, err := p.c.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(smallKey), "=", 0)).
		Then(clientv3.OpPut(smallKey, smallValue)).
		Else(clientv3.OpGet(smallKey)).
		Commit()
	return err
}

func (p ours) watch(ctx context.Context, key string, events int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for response := range p.c.Watch(ctx, key) {
		if err := response.Err(); err != nil {
			return err
		}
		if events -= len(response.Events); events <= 0 {
			return nil
		}
	}
	return errEnded
}

func (p ours) keepAlive(ctx context.Context, lease int64, answers int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	renewed, err := p.c.KeepAlive(ctx, clientv3.LeaseID(lease))
	if err != nil {
		return err
	}
	for range renewed {
		if answers--; answers == 0 {
			return nil
		}
	}
	return errEnded
}

func (p ours) close() error { return p.c.Close() }
