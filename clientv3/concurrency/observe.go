package concurrency

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	v3 "github.com/coreos/etcd/clientv3"
)

// Leader returns the leader's key, with its value, as the only one of Kvs. It is
// [ErrElectionNoLeader] if there is none. It need not be this Election.
func (e *Election) Leader(ctx context.Context) (*v3.GetResponse, error) {
	response, err := e.line.session.client.Get(v3.WithRequireLeader(ctx), e.line.prefix, v3.WithFirstCreate()...)
	if err != nil {
		return nil, err
	}
	if len(response.Kvs) == 0 {
		return nil, ErrElectionNoLeader
	}
	return response, nil
}

// Observe sends who the leader is, now and whenever that changes, and what it
// proclaims, in that order, as responses of one key each. Values and leaders that
// others have followed meanwhile may be left out; the last is always sent.
//
// It does not need the session. It gets over all failures that may pass. The channel
// is closed when ctx ends, the client is closed, or the server refuses; ctx must
// end some time, or the client be closed, to free what it holds.
func (e *Election) Observe(ctx context.Context) <-chan *v3.GetResponse {
	o := &observer{
		client: e.line.session.client,
		prefix: e.line.prefix,
		out:    make(chan *v3.GetResponse),
	}
	go func() {
		defer close(o.out)
		o.run(v3.WithRequireLeader(ctx))
	}()
	return o.out
}

type observer struct {
	client *v3.Client
	prefix string
	out    chan *v3.GetResponse
	last   int64 // the revision of what was last sent
}

func (o *observer) run(ctx context.Context) {
	for p := pauseOf(firstRetry, lastRetry); ; {
		err := o.followLeader(ctx)
		switch {
		case err == nil:
			p = pauseOf(firstRetry, lastRetry)
		case !isPassing(err), !p.wait(ctx):
			return
		}
	}
}

// followLeader sends what the next leader proclaims until there is another leader.
func (o *observer) followLeader(ctx context.Context) error {
	now, err := untilAnswered(ctx, func() (*v3.GetResponse, error) {
		return o.client.Get(ctx, o.prefix, v3.WithFirstCreate()...)
	})
	if err != nil {
		return err
	}
	if len(now.Kvs) == 0 {
		return awaitEvent(ctx, o.client, o.prefix, now.Header.Revision+1, v3.WithPrefix(), v3.WithFilterDelete())
	}
	if err = o.send(ctx, now.Header, now.Kvs[0]); err != nil {
		return err
	}
	return watchEvents(ctx, o.client, string(now.Kvs[0].Key), now.Header.Revision+1,
		func(header *pb.ResponseHeader, event *v3.Event) (bool, error) {
			if event.Type == v3.EventTypeDelete {
				return true, nil
			}
			return false, o.send(ctx, header, event.Kv)
		})
}

// send sends the leader's key once for each of its revisions.
func (o *observer) send(ctx context.Context, header *pb.ResponseHeader, kv *mvccpb.KeyValue) error {
	if kv.ModRevision == o.last {
		return nil
	}
	o.last = kv.ModRevision
	select {
	case o.out <- &v3.GetResponse{Header: header, Kvs: []*mvccpb.KeyValue{kv}, Count: 1}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
