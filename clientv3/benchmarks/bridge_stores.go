package benchmarks

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/benchmarks/measure"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// A store is what a program of KeysAPI does, by one of the ways to do it. Those on the
// v3 API share its keys.
type store interface {
	get(ctx context.Context, key string, quorum bool) error
	// set gives the index of the write.
	set(ctx context.Context, key string) (uint64, error)
	// createAndDelete makes a key that is not there, and deletes it.
	createAndDelete(ctx context.Context, key string) error
	// swap writes a key n times, each on condition that it is as it was before.
	swap(ctx context.Context, key string, n int) error
	// queue makes a key in order, and deletes it.
	queue(ctx context.Context, dir string) error
	setTTL(ctx context.Context, key string) error
	// refresh renews n times the TTL of a key that setTTL has set.
	refresh(ctx context.Context, key string, n int) error
	// list gives how many files are below dir, or below its directories if recursive.
	list(ctx context.Context, dir string, recursive bool) (int, error)
	// follow gives what waits for the next event below dir that comes after an index.
	// It is for one goroutine; what it holds is freed when ctx ends.
	follow(ctx context.Context, dir string, after uint64) (next func() error)
	close() error
}

// The contestants of the bridge, by their places.
const (
	bridged = iota
	native
	byHand
	storeContestants
)

// newStores makes the stores of an endpoint, none for the v2 API where it is not
// served. The caller must call leave.
func newStores(endpoint string, servesV2 bool) (all [storeContestants]store, leave func() error, err error) {
	leave = func() error {
		var errs []error
		for _, s := range all {
			if s != nil {
				errs = append(errs, s.close())
			}
		}
		return errors.Join(errs...)
	}
	for i, open := range [storeContestants]func(string) (store, error){bridged: openBridge, native: openNative, byHand: openByHand} {
		if i == native && !servesV2 {
			continue
		}
		if all[i], err = open(endpoint); err != nil {
			all[i] = nil
			return all, nil, errors.Join(err, leave())
		}
	}
	return all, leave, nil
}

func openBridge(endpoint string) (store, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: dialTimeout})
	if err != nil {
		return nil, err
	}
	return &keysStore{keysapi.New(c), c.Close}, nil
}

func openNative(endpoint string) (store, error) {
	transport, err := client.NewTransport(client.TransportOptions{})
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Endpoints: []string{endpoint}, Transport: transport})
	if err != nil {
		return nil, err
	}
	return &keysStore{client.NewKeysAPI(c), transport.Close}, nil
}

func openByHand(endpoint string) (store, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: dialTimeout})
	if err != nil {
		return nil, err
	}
	return &handStore{Client: c}, nil
}

// runStores has all stores do work, in interleaved rounds. A round has at least so many
// operations.
func (b *Bench) runStores(all [storeContestants]store, least int, work func(s store, n int) error) ([]measure.Series, error) {
	var contestants []measure.Subject
	var places []int
	for i, s := range all {
		if s != nil {
			contestants = append(contestants, measure.Subject{
				Name: Contests()[1].Contestants[i], Work: func(n int) error { return work(s, n) }, Least: least,
			})
			places = append(places, i)
		}
	}
	series, err := b.runner.Run(contestants)
	if err != nil {
		return nil, err
	}
	taken := make([]measure.Series, storeContestants)
	for i, place := range places {
		taken[place] = series[i]
	}
	return taken, nil
}

// plant sets so many keys below dir, in directories of at most perDirectory.
func plant(ctx context.Context, s store, dir string, nodes int) error {
	const writers = 32
	keys := make(chan string, nodes)
	for i := range nodes {
		keys <- fmt.Sprintf("%s/rack-%02d/host-%02d", dir, i/perDirectory, i%perDirectory)
	}
	return measure.Share(writers, nodes, func() error {
		_, err := s.set(ctx, <-keys)
		return err
	})
}

const perDirectory = 100
