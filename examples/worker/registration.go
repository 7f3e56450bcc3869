package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/coreos/etcd/client"
)

// registration is what others learn about a worker.
type registration struct {
	Name  string    `json:"name"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// register keeps a key for as long as ctx lives. The key has a TTL, so that it goes
// when the worker is killed, and is deleted when the worker leaves.
func (w *worker) register(ctx context.Context) error {
	value, err := json.Marshal(registration{w.name, os.Getpid(), time.Now().UTC()})
	if err != nil {
		return err
	}
	key, ttl := w.prefix+client.JoinKey("workers", w.name), time.Duration(w.ttl)*time.Second
	defer w.unregister(ctx, key, string(value))
	for {
		err = w.insist(ctx, "registering", func(ctx context.Context) error {
			return w.announce(ctx, key, string(value), ttl)
		})
		if err != nil {
			return err
		}
		select {
		case <-time.After(ttl / 3):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// announce renews the registration, or writes it where there is none: at first, and
// when the cluster was away for too long. Nobody who watches is told of a renewal.
func (w *worker) announce(ctx context.Context, key, value string, ttl time.Duration) error {
	_, err := w.kapi.Set(ctx, key, "", &client.SetOptions{Refresh: true, PrevValue: value, TTL: ttl})
	if client.IsKeyNotFound(err) || client.IsTestFailed(err) {
		_, err = w.kapi.Set(ctx, key, value, &client.SetOptions{TTL: ttl})
	}
	return err
}

// unregister deletes the registration, unless a worker that came later has written
// one by the same name.
func (w *worker) unregister(ctx context.Context, key, value string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attemptTimeout)
	defer cancel()
	_, err := client.CompareAndDelete(ctx, w.kapi, key, client.IfValue(value))
	if err != nil && !client.IsKeyNotFound(err) && !client.IsTestFailed(err) {
		w.log.Warn("the registration stays until its TTL is over", "error", err)
	}
}
