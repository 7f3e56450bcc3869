package concurrency

import (
	"context"
	"errors"
	"sync"

	"github.com/coreos/etcd/client"
)

// ErrQueueClosed is what [Queue.Dequeue] returns after [Queue.Close].
var ErrQueueClosed = errors.New("concurrency: the queue is closed")

// Queue hands out what was put in, in order, to one consumer at a time, and again
// to another one if the first has not acknowledged it when its [Session] ends.
//
// # Order
//
// A consumer that is alone gets the items in the order in which they came into
// being. One that loses races for the first item to others chooses among the first
// free ones, more of them with each race that it loses and fewer with each that it
// wins: at most 31 that nobody has claimed stand before one that is claimed. An item
// that comes back, by [Item.Release], because a session has ended, or because a
// Dequeue failed on its way, has the place that it had.
//
// # What is promised
//
// An item is delivered until a consumer has acknowledged it: none is lost. As long
// as sessions live, it is with one consumer at a time, and is not delivered again
// once it was acknowledged. When a session ends before the Ack, because its program
// died or was cut off for longer than its TTL, the item is delivered again, while
// the first consumer may still be at work on it: a payload may be handled twice.
// What is done with it must bear that, or ask by [Item] ID whether it was done.
// The members' clocks say when a TTL has passed, as for any other key.
//
// # On the server
//
// An item is a file in the directory "items" of the queue's. Its name is its ID,
// its value the payload, its createdIndex the place in the order. Its claim is the
// key of the same name in "claims", with the session's TTL. Names are the
// producer's and not the server's, as CreateInOrder's are, so that an item whose
// creation was not answered can be asked for. Any program may put in items by
// creating such files.
//
// A Queue is safe for concurrent use, and is best shared by all consumers of a
// program. The first Dequeue begins to watch the queue, by a goroutine that ends
// with Close or with the session.
type Queue struct {
	session *Session
	root    string // "/a/b"

	mu     sync.Mutex // guards the fields below
	view   *places    // nil before the first Dequeue
	cancel context.CancelCauseFunc
	closed bool
}

// NewQueue makes a Queue in the directory pfx, which comes to be with the first
// item. It sends nothing. A directory that can't be, such as the root, is an
// [*client.InvalidInputError] of each call.
func NewQueue(s *Session, pfx string) *Queue {
	return &Queue{session: s, root: cleanKey(pfx)}
}

// check refuses what no call can do anything with.
func (q *Queue) check(ctx context.Context) error {
	switch {
	case ctx == nil:
		return &client.InvalidInputError{Field: "context", Reason: "it is nil"}
	case q.root == "":
		return &client.InvalidInputError{Field: "queue", Value: "/", Reason: "its directory is the root"}
	}
	return nil
}

func (q *Queue) itemKey(id string) string  { return q.root + "/" + itemsDir + "/" + id }
func (q *Queue) claimKey(id string) string { return q.root + "/" + claimsDir + "/" + id }

// Len counts the items that are not acknowledged, claimed ones too. It reads them
// all, with a quorum: it is for an operator's eye, not for a loop. It needs no
// session that is alive. The error is ctx.Err() or an [*OpError].
func (q *Queue) Len(ctx context.Context) (int, error) {
	if err := q.check(ctx); err != nil {
		return 0, err
	}
	dir := q.root + "/" + itemsDir
	now, err := q.session.kapi.Get(ctx, dir, &client.GetOptions{Quorum: true})
	switch {
	case client.IsKeyNotFound(err):
		return 0, nil
	case err != nil:
		return 0, failure(ctx, "count", dir, err)
	}
	count := 0
	for range now.Node.Leaves() {
		count++
	}
	return count, nil
}

// Dequeue waits until there is an item that nobody has claimed, and claims it. It
// is the caller's until [Item.Ack] or [Item.Release], or until the session ends.
//
// While endpoints fail, or all of the cluster, Dequeue tries again. Its errors are
// ctx.Err(), the [*SessionError] of a session that has ended, [ErrQueueClosed], an
// [*client.InvalidInputError], and an [*OpError] for what will not go away, such as
// missing credentials. With an error nothing is claimed: what was under way is
// undone, at the latest by its TTL.
func (q *Queue) Dequeue(ctx context.Context) (*Item, error) {
	if err := q.check(ctx); err != nil {
		return nil, err
	}
	for {
		view, err := q.watch() //nolint:contextcheck // it outlives this call
		if err != nil {
			return nil, err
		}
		free, err := view.wait(ctx)
		switch {
		case errors.Is(err, ErrQueueClosed):
			return nil, ErrQueueClosed
		case err != nil:
			return nil, q.session.explain(ctx, "watch", q.root, err)
		}
		item, err := q.claim(ctx, free)
		switch {
		case err != nil:
			view.putBack(free)
			return nil, q.session.explain(ctx, "claim", q.claimKey(free.id), err)
		case item != nil:
			view.won()
			return item, nil
		}
		view.lost()
	}
}

// watch gives the view of the queue, and begins a new one if there is none or if
// the last has failed.
func (q *Queue) watch() (*places, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrQueueClosed
	}
	if err := q.session.Err(); err != nil {
		return nil, err
	}
	if q.view == nil || q.view.hasEnded() {
		var ctx context.Context
		ctx, q.cancel = context.WithCancelCause(q.session.ctx)
		q.view = newPlaces(q.root)
		go q.view.follow(ctx, q.session.kapi)
	}
	return q.view, nil
}

// Close ends the watch of the queue, and each Dequeue that waits. Items that were
// delivered stay claimed, and can be acknowledged. To close a Queue is of use only
// before its session ends, and to do so again does no harm.
func (q *Queue) Close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.view != nil {
		q.cancel(ErrQueueClosed)
		<-q.view.done
	}
}

// failure is what the caller of one request is told.
func failure(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &OpError{Op: op, Key: key, Err: err}
}
