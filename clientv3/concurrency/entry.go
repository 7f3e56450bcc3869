package concurrency

import (
	"context"
	"errors"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	v3 "github.com/coreos/etcd/clientv3"
)

// line is what a mutex and an election have in common: keys below a prefix, one of
// each session, the oldest of which is first.
type line struct {
	session *Session
	prefix  string // with a slash at its end
	key     string // the session's own
}

func newLine(s *Session, pfx string) line {
	prefix := pfx + "/"
	return line{session: s, prefix: prefix, key: fmt.Sprintf("%s%x", prefix, int64(s.lease))}
}

// entry is a key in a line, whose place has no other user.
type entry struct {
	line
	place *place

	created int64              // the revision that created the key, 0 if it is not known to be there
	kv      *mvccpb.KeyValue   // the key as it was found, nil if the entry has created it
	oldest  int64              // the revision that created the first key of the line
	header  *pb.ResponseHeader // of the answer that said what the fields above say
	doubts  int                // how many attempts to create the key have an unknown outcome
}

// acquire creates a key with val, or finds it, and waits until it is the first.
func (l *line) acquire(ctx context.Context, op, val string) (*entry, error) {
	bound, release := l.session.bind(ctx)
	defer release()
	place, err := l.session.enter(bound, l.key)
	if err != nil {
		return nil, l.session.explain(ctx, op, l.prefix, err)
	}
	e := &entry{line: *l, place: place}
	err = e.create(bound, val, v3.Compare(v3.CreateRevision(e.key), "=", 0))
	if err == nil {
		err = e.awaitHead(bound)
	}
	return e.checked(ctx, op, err)
}

// tryAcquire creates a key if there is none in the line.
func (l *line) tryAcquire(ctx context.Context, op, val string) (*entry, error) {
	bound, release := l.session.bind(ctx)
	defer release()
	place, err := l.session.tryEnter(bound, l.key)
	if errors.Is(err, ErrLocked) {
		return nil, ErrLocked
	}
	if err != nil {
		return nil, l.session.explain(ctx, op, l.prefix, err)
	}
	e := &entry{line: *l, place: place}
	err = e.create(bound, val, v3.Compare(v3.CreateRevision(l.prefix).WithPrefix(), "=", 0))
	if err == nil && e.oldest != e.created {
		err = ErrLocked
	}
	if errors.Is(err, ErrLocked) {
		e.abandon() //nolint:contextcheck // what is given up is undone also after ctx
		return nil, ErrLocked
	}
	return e.checked(ctx, op, err)
}

// checked gives the entry to its user, unless err has happened or the session ended.
func (e *entry) checked(ctx context.Context, op string, err error) (*entry, error) {
	if err == nil && e.session.isOver() {
		err = ErrSessionExpired
	}
	if err != nil {
		e.abandon() //nolint:contextcheck // what is given up is undone also after ctx
		return nil, e.session.explain(ctx, op, e.prefix, err)
	}
	return e, nil
}

// create puts the key if condition holds, which it does not once the key is there:
// so the transaction may be repeated until it is answered.
func (e *entry) create(ctx context.Context, val string, condition v3.Cmp) error {
	oldest := v3.OpGet(e.prefix, append(v3.WithFirstCreate(), v3.WithKeysOnly())...)
	created, err := untilAnswered(ctx, func() (*v3.TxnResponse, error) {
		response, err := e.session.client.Txn(ctx).
			If(condition).
			Then(v3.OpPut(e.key, val, v3.WithLease(e.session.lease)), oldest).
			Else(v3.OpGet(e.key), oldest).
			Commit()
		if err != nil && isUndecided(err) {
			e.doubts++
		}
		return response, err
	})
	if err != nil {
		return err
	}
	e.note(created)
	if e.doubts > 0 {
		e.place.guard() //nolint:contextcheck // it is there until the session ends
	}
	return nil
}

// note takes in what the creation was answered.
func (e *entry) note(created *v3.TxnResponse) {
	e.header = created.Header
	if first := created.Responses[1].GetResponseRange().Kvs; len(first) > 0 {
		e.oldest = first[0].CreateRevision
	}
	if created.Succeeded {
		e.created = created.Header.Revision
		return
	}
	own := created.Responses[0].GetResponseRange().Kvs
	if len(own) == 0 {
		return
	}
	e.kv, e.created = own[0], own[0].CreateRevision
	if e.doubts > 0 && !e.session.adopted {
		e.doubts-- // one of them it was
	}
}

// awaitHead waits until no older key is in the line. Each waits for the one before
// it, so that the end of one wakes one other, and when that is gone for those that
// are older still: the one before may have been given up while it waited, too.
func (e *entry) awaitHead(ctx context.Context) error {
	if e.oldest == e.created {
		return nil
	}
	before := append(v3.WithLastCreate(), v3.WithMaxCreateRev(e.created-1), v3.WithKeysOnly())
	for p := pauseOf(firstRetry, lastRetry); ; {
		looked, err := untilAnswered(ctx, func() (*v3.TxnResponse, error) {
			return e.session.client.Txn(ctx).
				Then(v3.OpGet(e.key), v3.OpGet(e.prefix, before...)).
				Commit()
		})
		if err != nil {
			return err
		}
		own, older := looked.Responses[0].GetResponseRange().Kvs, looked.Responses[1].GetResponseRange().Kvs
		if len(own) == 0 || own[0].CreateRevision != e.created {
			return errKeyLost
		}
		if len(older) == 0 {
			e.header = looked.Header
			return nil
		}
		err = awaitEvent(ctx, e.session.client, string(older[0].Key), looked.Header.Revision+1, v3.WithFilterPut())
		switch {
		case err == nil:
			p = pauseOf(firstRetry, lastRetry)
		case !isPassing(err):
			return err
		case !p.wait(ctx):
			return ctx.Err()
		}
	}
}

// abandon gives up an entry that has not become its user's.
func (e *entry) abandon() {
	if e.doubts > 0 {
		e.place.guard()
	}
	if e.doubts == 0 && e.created == 0 {
		e.place.exit() // nothing was written
		return
	}
	e.place.sweep()
}

// release gives up an entry. If that can't be proven before ctx ends, the session
// goes on with it. Where the session has ended, it is tried once.
func (e *entry) release(ctx context.Context, op string) error {
	var err error
	if e.session.isOver() {
		_, err = e.place.removeOnce(v3.WithRequireLeader(ctx), e.created)
	} else {
		bound, release := e.session.bind(ctx)
		defer release()
		err = e.place.remove(bound, e.created)
	}
	if err != nil {
		err = e.session.explain(ctx, op, e.prefix, err)
		e.place.sweep() //nolint:contextcheck // what is given up is undone also after ctx
		return err
	}
	e.place.exit()
	return nil
}
