package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
)

// lead waits until this worker is the leader, and is the leader until ctx ends:
// it makes a job of each request, in their order.
func (w *worker) lead(ctx context.Context, session *concurrency.Session) error {
	election := concurrency.NewElection(session, w.prefix+"/leader")
	if err := election.Campaign(ctx, w.name); err != nil {
		return err
	}
	fence := election.Rev()
	w.log.Info("leading", "fence", fence)
	queue := concurrency.NewQueue(session, w.prefix+"/queue")
	// All requests that are there, then each that comes. What a leader before this
	// one has not done to the end is still there.
	requests := client.Events(ctx, w.kapi, w.prefix+"/requests", &client.EventsOptions{Recursive: true, Snapshot: true})
	for event, err := range requests {
		if err != nil {
			return err
		}
		for _, request := range requestsOf(event) {
			if err := w.schedule(ctx, queue, fence, request); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// requestsOf gives the requests of which an event tells, oldest first.
func requestsOf(event *client.Event) []*client.Node {
	if event.IsDelete() || event.Node == nil {
		return nil
	}
	return slices.SortedFunc(event.Node.Leaves(), func(a, b *client.Node) int {
		return cmp.Compare(a.CreatedIndex, b.CreatedIndex)
	})
}

// schedule makes a job of a request. Each step may be done twice: whoever dies
// between two of them leaves the request to the next leader, who does all of them.
func (w *worker) schedule(ctx context.Context, queue *concurrency.Queue, fence uint64, request *client.Node) error {
	id := fmt.Sprintf("%020d", request.CreatedIndex) // which is in the order of the requests
	err := w.insist(ctx, "recording", func(ctx context.Context) error {
		return w.record(ctx, progress{w.name, fence, id})
	})
	if err != nil {
		return err
	}
	err = w.insist(ctx, "enqueueing", func(ctx context.Context) error {
		return queue.EnqueueID(ctx, id, request.Value)
	})
	if err != nil {
		return err
	}
	return w.insist(ctx, "deleting a request", func(ctx context.Context) error {
		_, err := w.kapi.Delete(ctx, request.Key, nil)
		if client.IsKeyNotFound(err) {
			return nil
		}
		return err
	})
}

// progress is what the leader writes before it schedules a request.
type progress struct {
	Leader  string `json:"leader"`
	Fence   uint64 `json:"fence"`
	Request string `json:"request"`
}

// record writes the progress, unless a later leader has written before. A process
// that stood still may believe for a moment that it still leads: the fence, which
// is greater for each later leader, is what the store goes by.
func (w *worker) record(ctx context.Context, now progress) error {
	value, err := json.Marshal(now)
	if err != nil {
		return err
	}
	_, err = client.Modify(ctx, w.kapi, w.prefix+"/scheduled", func(old *client.Node) (string, error) {
		if old == nil {
			return string(value), nil
		}
		var last progress
		mistake := json.Unmarshal([]byte(old.Value), &last)
		switch {
		case mistake != nil:
			return "", fmt.Errorf("%w: %s: %w", errGivenUp, old.Key, mistake)
		case last.Fence > now.Fence:
			return "", fmt.Errorf("%w: %s leads with fence %d, later than %d", errGivenUp, last.Leader, last.Fence, now.Fence)
		}
		return string(value), nil
	}, nil)
	return err
}
