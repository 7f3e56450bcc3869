package concurrency

import (
	"context"
	"errors"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	v3 "github.com/coreos/etcd/clientv3"
)

// errWatchClosed means that the client was closed.
var errWatchClosed = errors.New("concurrency: the watch was closed")

// awaitEvent returns nil when an event has come, from revision on, or when there
// is another reason to look again at what is there.
func awaitEvent(ctx context.Context, client *v3.Client, key string, revision int64, opts ...v3.OpOption) error {
	found := func(*pb.ResponseHeader, *v3.Event) (bool, error) { return true, nil }
	return watchEvents(ctx, client, key, revision, found, opts...)
}

// watchEvents calls visit with each event, from revision on, until it is done. It
// also returns nil if events were lost by a compaction.
func watchEvents(ctx context.Context, client *v3.Client, key string, revision int64,
	visit func(*pb.ResponseHeader, *v3.Event) (done bool, err error), opts ...v3.OpOption,
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for response := range client.Watch(ctx, key, append(opts, v3.WithRev(revision))...) {
		err := response.Err()
		if errors.Is(err, rpctypes.ErrCompacted) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, event := range response.Events {
			if done, err := visit(response.Header, event); done || err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errWatchClosed
}
