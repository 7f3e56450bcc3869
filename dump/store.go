package dump

import (
	"context"
	"errors"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

const (
	defaultPatience = 30 * time.Second
	firstPause      = 50 * time.Millisecond
	lastPause       = 2 * time.Second
)

// store is a KeysAPI whose errors name the key, and which is patient with a
// cluster that does not answer.
type store struct {
	kapi     client.KeysAPI
	patience time.Duration // 0: none
}

// get reads with a quorum. It gives nil where there is nothing.
func (s *store) get(ctx context.Context, key string, recursive bool) (*client.Response, error) {
	var r *client.Response
	err := s.patiently(ctx, func() (err error) {
		r, err = s.kapi.Get(ctx, key, &client.GetOptions{Recursive: recursive, Sort: recursive, Quorum: true})
		return err
	})
	switch {
	case isMissing(err):
		return nil, nil
	case err != nil:
		return nil, named("get", key, err)
	}
	return r, nil
}

// index gives the store's index, at the cost of a read that most likely finds
// nothing.
func (s *store) index(ctx context.Context, root string) (uint64, error) {
	key := keypath.Moved("/_", "/", root)
	r, err := s.kapi.Get(ctx, key, &client.GetOptions{Quorum: true})
	var missing client.Error
	switch {
	case err == nil:
		return r.Index, nil
	case isMissing(err) && errors.As(err, &missing):
		return missing.Index, nil
	default:
		return 0, named("get", key, err)
	}
}

// remove deletes a node with all below it. It is no error if it is gone.
func (s *store) remove(ctx context.Context, key string) error {
	err := s.patiently(ctx, func() error {
		_, err := s.kapi.Delete(ctx, key, &client.DeleteOptions{Recursive: true, Dir: true})
		return err
	})
	if isMissing(err) {
		return nil
	}
	return named("delete", key, err)
}

// patiently tries until do has an answer, or patience or ctx ends.
func (s *store) patiently(ctx context.Context, do func() error) error {
	end := time.Now().Add(s.patience)
	pause := firstPause
	for {
		err := do()
		if !isPassing(err) || time.Until(end) <= pause {
			return err
		}
		if wait(ctx, pause) != nil {
			return ctx.Err()
		}
		pause = min(2*pause, lastPause)
	}
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

// isPassing is true for errors of a cluster that may answer again.
func isPassing(err error) bool {
	return errors.Is(err, client.ErrClusterUnavailable) ||
		hasCode(err, client.ErrorCodeRaftInternal) || hasCode(err, client.ErrorCodeLeaderElect)
}

// isMissing is true where there is no such key, or a file on its way.
func isMissing(err error) bool {
	return hasCode(err, client.ErrorCodeKeyNotFound) || hasCode(err, client.ErrorCodeNotDir)
}

func hasCode(err error, code int) bool { return errors.Is(err, client.Error{Code: code}) }

// named says what a request was for. A context's error stays bare.
func named(op, key string, err error) error {
	if err == nil || err == context.Canceled || err == context.DeadlineExceeded { //nolint:errorlint // bare, as every KeysAPI returns them
		return err
	}
	return &StoreError{Op: op, Key: key, Err: err}
}
