package move

import (
	"context"
	"errors"
	"time"

	"github.com/coreos/etcd/client"
)

const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// A side is one of the two stores.
type side struct {
	name  string // "source" or "target"
	kapi  client.KeysAPI
	root  string      // the directory that is moved, as this side calls it
	retry func(error) // may be nil
}

// get reads with a quorum. It gives nil where there is nothing.
func (s *side) get(ctx context.Context, key string, recursive bool) (*client.Node, uint64, error) {
	var r *client.Response
	err := s.patiently(ctx, "get", key, func() (err error) {
		r, err = s.kapi.Get(ctx, key, &client.GetOptions{Recursive: recursive, Quorum: true})
		return err
	})
	var missing client.Error
	switch {
	case isMissing(err) && errors.As(err, &missing):
		return nil, missing.Index, nil
	case err != nil:
		return nil, 0, err
	}
	return r.Node, r.Index, nil
}

// index gives the store's index, by a read that most likely finds nothing.
func (s *side) index(ctx context.Context) (uint64, error) {
	_, index, err := s.get(ctx, below(s.root, "_"), false)
	return index, err
}

func (s *side) set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	var r *client.Response
	err := s.patiently(ctx, "set", key, func() (err error) {
		r, err = s.kapi.Set(ctx, key, value, opts)
		return err
	})
	return r, err
}

// remove deletes a node with all below it. It is no error if it is gone.
func (s *side) remove(ctx context.Context, key string) error {
	err := s.patiently(ctx, "delete", key, func() error {
		_, err := s.kapi.Delete(ctx, key, &client.DeleteOptions{Recursive: true, Dir: true})
		return err
	})
	if isMissing(err) {
		return nil
	}
	return err
}

// patiently tries until do has an answer, or ctx ends.
func (s *side) patiently(ctx context.Context, op, key string, do func() error) error {
	pause := firstPause
	for {
		err := do()
		switch {
		case err == nil || isContext(err):
			return err
		case !isPassing(err):
			return s.named(op, key, err)
		}
		if s.retry != nil {
			s.retry(s.named(op, key, err))
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, lastPause)
	}
}

func (s *side) named(op, key string, err error) error {
	return &StoreError{Side: s.name, Op: op, Key: key, Err: err}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
