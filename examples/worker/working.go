package main

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
)

var errNewSettings = errors.New("there are new settings")

// work takes jobs from the queue until ctx ends, as many at a time as the settings
// say. When these change, the crew goes home as soon as each has done the job in
// hand, and a new one begins with the new settings.
func (w *worker) work(ctx context.Context, session *concurrency.Session, config *configuration) error {
	queue := concurrency.NewQueue(session, w.prefix+"/queue")
	for {
		now := config.settings()
		w.log.Info("working", "greeting", now.greeting, "parallel", now.parallel, "pause", now.pause)
		hired, dismiss := context.WithCancelCause(ctx)
		var crew sync.WaitGroup
		for range now.parallel {
			crew.Go(func() { dismiss(w.workOff(ctx, hired, queue, now)) })
		}
		config.waitForOther(hired, now)
		dismiss(errNewSettings)
		crew.Wait()
		switch why := context.Cause(hired); {
		case config.ended() != nil:
			return config.ended()
		case !errors.Is(why, errNewSettings):
			return why
		}
	}
}

// workOff does one job after the other until the contexts end: hired while it waits
// for a job, ctx also while it does one.
func (w *worker) workOff(ctx, hired context.Context, queue *concurrency.Queue, now settings) error {
	for {
		item, err := queue.Dequeue(hired)
		if err != nil {
			return err
		}
		if err = w.do(ctx, item, now); err != nil {
			return err
		}
	}
}

// result is what comes of a job.
type result struct {
	Text   string `json:"text"`
	Worker string `json:"worker"`
}

// do does a job. If this worker dies on the way, another one does it again: the
// result has the job's name, so that it is written over and not doubled.
func (w *worker) do(ctx context.Context, item *concurrency.Item, now settings) error {
	defer func() {
		if err := item.Release(ctx); err != nil { // after Ack it does nothing
			w.log.Warn("releasing failed", "job", item.ID, "error", err)
		}
	}()
	select {
	case <-time.After(now.pause): // the toil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	value, err := json.Marshal(result{now.greeting + ", " + item.Value, w.name})
	if err != nil {
		return err
	}
	err = w.insist(ctx, "writing a result", func(ctx context.Context) error {
		_, setErr := w.kapi.Set(ctx, w.prefix+client.JoinKey("results", item.ID), string(value), nil)
		return setErr
	})
	if err != nil {
		return err
	}
	// Only now: what is not acknowledged is done again.
	if err = item.Ack(ctx); err != nil {
		return err
	}
	w.log.Info("done", "job", item.ID, "value", item.Value)
	return nil
}
