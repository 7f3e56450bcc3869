package concurrency

import (
	"context"
	"time"

	v3 "github.com/coreos/etcd/clientv3"
)

// sweepPatience is how long a caller whose context has ended waits for its key to
// be deleted. Afterwards that goes on in the background.
const sweepPatience = time.Second

// sweep deletes the key of a place whose user does not want it any more, and gives
// the turn back. It waits for that only for a while.
func (p *place) sweep() {
	p.count(-1, 1)
	swept := make(chan struct{})
	started := p.session.start(func(ctx context.Context) {
		defer close(swept)
		defer p.count(0, -1)
		defer p.free()
		p.clear(ctx) //nolint:errcheck // the key goes with the session
	})
	if !started {
		p.free() // the lease takes the key along
		p.count(0, -1)
		return
	}
	patience := time.NewTimer(sweepPatience)
	defer patience.Stop()
	select {
	case <-swept:
	case <-patience.C:
	}
}

// clear deletes the key if it is there, and gives a revision at which it was not.
func (p *place) clear(ctx context.Context) (int64, error) {
	for {
		found, err := untilAnswered(ctx, func() (*v3.GetResponse, error) {
			return p.session.client.Get(ctx, p.key, v3.WithKeysOnly())
		})
		if err != nil {
			return 0, err
		}
		if len(found.Kvs) == 0 {
			return found.Header.Revision, nil
		}
		if err := p.remove(ctx, found.Kvs[0].CreateRevision); err != nil {
			return 0, err
		}
	}
}

// remove deletes the key that revision created. As it deletes no other, it may be
// repeated, and does no harm when it comes late.
func (p *place) remove(ctx context.Context, revision int64) error {
	_, err := untilAnswered(ctx, func() (*v3.TxnResponse, error) {
		return p.removeOnce(ctx, revision)
	})
	return err
}

func (p *place) removeOnce(ctx context.Context, revision int64) (*v3.TxnResponse, error) {
	return p.session.client.Txn(ctx).
		If(v3.Compare(v3.CreateRevision(p.key), "=", revision)).
		Then(v3.OpDelete(p.key)).
		Commit()
}

// guard deletes the key, for as long as the session lives, whenever it appears and
// nobody has the turn. It is for requests to create it that were given up and may
// be carried out at any later time: the network or a member may have held them
// back. Who begins it has the turn.
func (p *place) guard() {
	if p.guarded {
		return
	}
	p.count(0, 1)
	p.guarded = p.session.start(func(ctx context.Context) {
		defer p.count(0, -1)
		again := pauseOf(lastRetry, 10*lastRetry)
		for ctx.Err() == nil {
			absent, err := p.clearInTurn(ctx)
			if err == nil {
				err = awaitEvent(ctx, p.session.client, p.key, absent+1, v3.WithFilterDelete())
			}
			if err == nil {
				again = pauseOf(lastRetry, 10*lastRetry)
				continue
			}
			again.wait(ctx)
		}
	})
	if !p.guarded {
		p.count(0, -1)
	}
}

// clearInTurn clears the place when it is free.
func (p *place) clearInTurn(ctx context.Context) (int64, error) {
	if err := p.take(ctx); err != nil {
		return 0, err
	}
	defer p.free()
	return p.clear(ctx)
}
