package concurrency

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/coreos/etcd/client"
)

const (
	// arrivalTimeout bounds the search for an item whose creation was not answered.
	arrivalTimeout = 5 * time.Second

	// arrivalReach is how far back in the history that search begins. A server
	// remembers 1,000 events; those that come meanwhile push old ones out.
	arrivalReach = 900
)

// Enqueue puts an item in, behind all that are in the queue, and gives its ID,
// which is random. It needs no session that is alive.
//
// Without an error it was put in once. A lost answer is made up for by looking for
// the item in the queue, and in the server's history, where it is when a consumer
// was quick to acknowledge it. If it does not show up within 5 seconds the error is
// one for which errors.Is(err, [client.ErrOutcomeUnknown]) holds: it may be in the
// queue, may have been, or may come yet. The same goes for ctx.Err(). Call
// [Queue.EnqueueID] then with the ID, which comes with an error as well, until that
// succeeds. After any other error, an [*OpError] or [*client.InvalidInputError], it
// was not put in.
func (q *Queue) Enqueue(ctx context.Context, value string) (id string, err error) {
	id = rand.Text()
	err = q.create(ctx, id, value)
	if client.MayBeApplied(err) && q.hasArrived(ctx, id) {
		err = nil
	}
	return id, err
}

// EnqueueID is Enqueue with an ID of the caller's. As long as an item with that ID
// is in the queue, it puts in none and returns nil. So it may be called again until
// it succeeds: there is one item then, or, only if the first was acknowledged
// before a later call or a late write came, another one with the same ID.
//
// An ID is the name of a key: not empty, nothing that [client.JoinKey] would
// escape, and no "_" at the beginning. Others are an [*client.InvalidInputError].
func (q *Queue) EnqueueID(ctx context.Context, id, value string) error {
	if id == "" || id[0] == '_' || client.JoinKey(id) != "/"+id {
		return &client.InvalidInputError{Field: "item ID", Value: id, Reason: "it can't be the name of a key that is seen in its directory"}
	}
	err := q.create(ctx, id, value)
	if client.MayBeApplied(err) && q.isIn(ctx, id) {
		err = nil
	}
	return err
}

// create is nil where there is an item of that ID already, which a random one can
// only be by this very call.
func (q *Queue) create(ctx context.Context, id, value string) error {
	if err := q.check(ctx); err != nil {
		return err
	}
	_, err := q.session.kapi.Set(ctx, q.itemKey(id), value, &client.SetOptions{PrevExist: client.PrevNoExist})
	if err == nil || isRefusal(err, client.ErrorCodeNodeExist) {
		return nil
	}
	return failure(ctx, "enqueue", q.itemKey(id), err)
}

// read reads an item until there is an answer or ctx ends.
func (q *Queue) read(ctx context.Context, id string) (*client.Response, error) {
	return q.session.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
		return q.session.kapi.Get(ctx, q.itemKey(id), &client.GetOptions{Quorum: true})
	})
}

func (q *Queue) isIn(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, arrivalTimeout)
	defer cancel()
	_, err := q.read(ctx, id)
	return err == nil
}

// hasArrived reports whether an item of a new ID has come into being, or does so
// soon. Whatever has happened to a key of that name is proof of it.
func (q *Queue) hasArrived(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, arrivalTimeout)
	defer cancel()
	_, err := q.read(ctx, id)
	var missing client.Error
	if !isRefusal(err, client.ErrorCodeKeyNotFound) || !errors.As(err, &missing) {
		return err == nil
	}
	after := max(missing.Index, arrivalReach+1) - arrivalReach
	watcher := q.session.kapi.Watcher(q.itemKey(id), &client.WatcherOptions{AfterIndex: after})
	_, err = q.session.untilAnswered(ctx, watcher.Next)
	return err == nil
}
