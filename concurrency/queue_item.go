package concurrency

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coreos/etcd/client"
)

// ErrNotClaimed means that an [Item] is not the caller's any more: it was released,
// or its session has ended, in which case the error is a [*SessionError] as well.
var ErrNotClaimed = errors.New("concurrency: the item is not claimed any more")

// Item is what [Queue.Dequeue] delivers. It is safe for concurrent use.
type Item struct {
	// ID names the item, and is the same each time that it is delivered.
	ID string

	// Value is what was put in.
	Value string

	// Index is the item's place in the order: greater than that of all items
	// that came into being before.
	Index uint64

	queue    *Queue
	modified uint64
	claim    *claim

	mu       sync.Mutex // guards the fields below
	acked    bool
	released bool
}

// claim is a claim that is held.
type claim struct {
	session *Session
	key     string
	value   string
	kept    *kept
}

// claim claims the item at a place. It is nil without an error if another has it,
// or it has gone.
func (q *Queue) claim(ctx context.Context, at place) (*Item, error) {
	ctx, release := q.session.bind(ctx)
	defer release()
	c, err := q.race(ctx, at.id)
	if c == nil || err != nil {
		return nil, err
	}
	// The view is behind: the item may have been acknowledged, and its claim
	// deleted, before ours came.
	now, err := q.read(ctx, at.id)
	switch {
	case isGone(err), err == nil && now.Node.CreatedIndex != at.index:
		c.abandon()
		return nil, nil
	case err != nil:
		c.abandon()
		return nil, err
	}
	return &Item{
		ID: at.id, Value: now.Node.Value, Index: at.index,
		queue: q, modified: now.Node.ModifiedIndex, claim: c,
	}, nil
}

// race tries to create the claim of an item; nil without an error means that
// another was there. It may be sent again, for no other call has its value.
func (q *Queue) race(ctx context.Context, id string) (*claim, error) {
	s := q.session
	c := &claim{session: s, key: q.claimKey(id), value: s.nonce()}
	var sent time.Time
	unknown := false
	_, err := s.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
		sent = time.Now()
		resp, err := s.kapi.Set(ctx, c.key, c.value, &client.SetOptions{PrevExist: client.PrevNoExist, TTL: s.ttl})
		unknown = unknown || client.MayBeApplied(err)
		return resp, err
	})
	if taken := isRefusal(err, client.ErrorCodeNodeExist); taken && unknown {
		// An earlier one may have arrived, nobody knows when.
		_, err = s.untilAnswered(ctx, func(ctx context.Context) (*client.Response, error) {
			sent = time.Now()
			return s.kapi.Set(ctx, c.key, "", &client.SetOptions{PrevValue: c.value, Refresh: true, TTL: s.ttl})
		})
		if isGone(err) {
			return nil, nil
		}
	} else if taken {
		return nil, nil
	}
	if err == nil {
		c.kept, err = s.keep(c.key, c.value, sent)
	}
	if err == nil {
		return c, nil
	}
	if unknown || s.Err() != nil {
		c.abandon() // it is there, or may come yet
	}
	return nil, err
}

// abandon has the session delete the claim, whether or not it is there.
func (c *claim) abandon() {
	if c.kept != nil {
		c.kept.release()
	}
	c.session.later(c.key, c.remove)
}

func (c *claim) remove(ctx context.Context) error { return c.session.remove(ctx, c.key, c.value) }

// Ack takes the item off the queue, for good. It does so only while the session is
// alive: after that another consumer may have the item, and Ack changes nothing and
// returns an error that is [ErrNotClaimed], as it does after Release.
//
// A lost answer is made up for by asking again, until the session ends. After
// ctx.Err(), or an [*OpError], the item is claimed still, and Ack may be called
// again; it may have been taken off. If the session ends while Ack waits for an
// answer, the error is ErrNotClaimed too, and is [client.ErrOutcomeUnknown] if the
// item may have been taken off. After a success, Ack does nothing and returns nil.
//
// An item whose file another program has written anew since it was delivered stays
// in the queue, and is delivered as it is now.
func (i *Item) Ack(ctx context.Context) error {
	if err := i.queue.check(ctx); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.claim.session
	switch {
	case i.acked:
		return nil
	case i.released:
		return i.notClaimed(ErrNotClaimed)
	case s.Err() != nil:
		return i.notClaimed(i.lost())
	}
	bound, release := s.bind(ctx)
	defer release()
	unknown := false
	_, err := s.untilAnswered(bound, func(ctx context.Context) (*client.Response, error) {
		resp, err := s.kapi.Delete(ctx, i.queue.itemKey(i.ID), &client.DeleteOptions{PrevIndex: i.modified})
		unknown = unknown || client.MayBeApplied(err)
		return resp, err
	})
	switch {
	case err == nil, isGone(err):
		i.acked = true
		i.claim.abandon()
		return nil
	case s.Err() != nil && unknown:
		return i.notClaimed(fmt.Errorf("%w: %w", i.lost(), client.ErrOutcomeUnknown))
	case s.Err() != nil:
		return i.notClaimed(i.lost())
	}
	return failure(ctx, "ack", i.queue.itemKey(i.ID), err)
}

// lost is why an item is not claimed when its session has ended.
func (i *Item) lost() error { return fmt.Errorf("%w: %w", ErrNotClaimed, i.claim.session.endedBy()) }

func (i *Item) notClaimed(why error) error {
	return &OpError{Op: "ack", Key: i.queue.itemKey(i.ID), Err: why}
}

// Release gives the item back: it is at its place in the queue again, for any
// consumer, when Release returns nil. After Ack, Release and the session's end
// there is nothing to give back, and Release returns nil, so that it can be
// deferred.
//
// After ctx.Err() or an [*OpError] the item comes back within the session's TTL.
func (i *Item) Release(ctx context.Context) error {
	if err := i.queue.check(ctx); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	s := i.claim.session
	if i.acked || i.released || s.Err() != nil {
		return nil
	}
	i.released = true
	bound, release := s.bind(ctx)
	defer release()
	i.claim.kept.release()
	err := i.claim.remove(bound)
	if err == nil {
		return nil
	}
	i.claim.abandon()
	return s.explain(ctx, "release", i.claim.key, err)
}

// String gives the ID and the place, and not the payload.
func (i *Item) String() string { return fmt.Sprintf("%s (%d)", i.ID, i.Index) }
