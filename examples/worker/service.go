package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
)

const (
	attemptTimeout = 10 * time.Second
	shortestPause  = 100 * time.Millisecond
	longestPause   = 5 * time.Second
)

// A worker is one of those that share the directory prefix:
//
//	config/    what the settings are: greeting, parallel, pause
//	workers/   who lives
//	leader/    who is the leader, and who wants to be
//	requests/  what is wanted, put there by anybody
//	scheduled  which request the leader has in hand
//	queue/     what is to be done
//	results/   what was done
type worker struct {
	kapi   client.KeysAPI
	log    *slog.Logger
	prefix string
	name   string
	ttl    int // seconds
}

// serve works in one session after the other until ctx ends. A session ends when
// the cluster can't be reached for four fifths of its TTL; what was held by it may
// be another's then, so all that is done in it is stopped, and begun anew.
func (w *worker) serve(ctx context.Context) error {
	config, err := w.followConfiguration(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	defer config.stop()
	pause := shortestPause
	for {
		began := time.Now()
		err = w.serveSession(ctx, config)
		switch {
		case ctx.Err() != nil:
			return err
		case config.ended() != nil:
			return errors.Join(config.ended(), err)
		case time.Since(began) > time.Duration(w.ttl)*time.Second:
			pause = shortestPause
		}
		w.log.Warn("a new session is needed", "error", err)
		pause = wait(ctx, pause)
	}
}

// serveSession does all that a worker does, until the session or ctx ends or
// something can't be done. The error is that no session began, or what could not
// be cleaned up.
//
//nolint:contextcheck // A session has its context by WithContext.
func (w *worker) serveSession(ctx context.Context, config *configuration) error {
	session, err := w.register(concurrency.WithTTL(w.ttl), concurrency.WithContext(ctx))
	if err != nil {
		return unlessEnded(ctx, err)
	}
	// The first task that ends says why, and ends the others.
	working, end := context.WithCancelCause(session.Ctx())
	defer end(nil)
	tasks := []func() error{
		func() error { return w.lead(working, session) },
		func() error { return w.work(working, session, config) },
	}
	var running sync.WaitGroup
	for _, task := range tasks {
		running.Go(func() { end(task()) })
	}
	running.Wait()
	w.log.Info("session ended", "reason", context.Cause(working))
	// Nothing that the session protects is used any more. To close it is to resign
	// and to give back what is claimed: others need not wait for the TTL.
	return session.Close()
}

// unlessEnded gives err, unless that is because ctx has ended as it should.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// errGivenUp marks what insist must not try again.
var errGivenUp = errors.New("given up")

// insist does what may be done twice until it succeeds. The cluster may be away for
// a while; the session says when that was too long, by ending ctx.
func (w *worker) insist(ctx context.Context, what string, do func(context.Context) error) error {
	pause := shortestPause
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		err := do(attempt)
		cancel()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil, errors.Is(err, errGivenUp):
			return err
		}
		w.log.Warn(what+" failed", "error", err)
		pause = wait(ctx, pause)
	}
}

// wait waits for about a pause, and gives the next one.
func wait(ctx context.Context, pause time.Duration) time.Duration {
	select {
	case <-time.After(pause/2 + rand.N(pause)):
	case <-ctx.Done():
	}
	return min(2*pause, longestPause)
}
