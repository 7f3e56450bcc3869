// Package mirror copies the keys below a prefix, first as they are at one revision,
// and then each change after it.
package mirror

import (
	"context"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	v3 "github.com/coreos/etcd/clientv3"
)

// The size of a page: what is read next is as many keys as had the wanted size in
// the page before.
const (
	firstPageKeys = 100
	maxPageKeys   = 10000
	pageBytes     = 1 << 20
)

// Syncer copies keys. It is safe for concurrent use.
type Syncer interface {
	// SyncBase sends all keys, in their order, as they are at one revision: that of
	// [NewSyncer] or, if it is 0, the present one. They come in pages of about 1 MiB,
	// none of which is empty; the next is read when the one before has been received.
	//
	// When all is sent, or after a failure, both channels are closed. A failure is
	// sent before; it has room, so that it may be received after the keys. It is
	// rpctypes.ErrCompacted if the revision was compacted meanwhile, and ctx.Err()
	// when ctx ends, as it must if the keys are not all received.
	SyncBase(ctx context.Context) (<-chan *v3.GetResponse, chan error)

	// SyncUpdates sends what has happened since the revision of SyncBase, as
	// [v3.Watcher] describes it. If it is called before SyncBase, it fixes the
	// revision of a later SyncBase. A failure to do so is a response with Canceled
	// set; when ctx ends, the channel is closed.
	SyncUpdates(ctx context.Context) v3.WatchChan
}

// NewSyncer makes a Syncer of the keys that begin with prefix, all keys if it is
// empty, at revision rev, or the present one at the first call if rev is 0.
func NewSyncer(c *v3.Client, prefix string, rev int64) Syncer {
	return &syncer{client: c, prefix: prefix, revision: rev, fixing: make(chan struct{}, 1)}
}

type syncer struct {
	client   *v3.Client
	prefix   string
	fixing   chan struct{} // has one in it while the field below is in use
	revision int64         // 0 if it is not fixed yet
}

// SyncBase implements [Syncer].
func (s *syncer) SyncBase(ctx context.Context) (<-chan *v3.GetResponse, chan error) {
	pages, failure := make(chan *v3.GetResponse), make(chan error, 1)
	go func() {
		defer close(pages)
		defer close(failure)
		if err := s.sendBase(ctx, pages); err != nil {
			failure <- err
		}
	}()
	return pages, failure
}

func (s *syncer) sendBase(ctx context.Context, pages chan<- *v3.GetResponse) error {
	revision, err := s.fixRevision(ctx)
	if err != nil {
		return err
	}
	key, end := s.prefix, v3.GetPrefixRangeEnd(s.prefix)
	if key == "" {
		key = "\x00"
	}
	for limit := int64(firstPageKeys); ; {
		page, err := s.client.Get(ctx, key, v3.WithRange(end), v3.WithRev(revision), v3.WithLimit(limit))
		if err != nil {
			return err
		}
		if len(page.Kvs) == 0 {
			return nil
		}
		limit = nextLimit(page)
		key = string(page.Kvs[len(page.Kvs)-1].Key) + "\x00"
		more := page.More
		select {
		case pages <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !more {
			return nil
		}
	}
}

// nextLimit gives how many keys are likely to have the size of a page.
func nextLimit(page *v3.GetResponse) int64 {
	size := proto.Size((*pb.RangeResponse)(page))
	return min(max(int64(len(page.Kvs))*pageBytes/int64(size), 1), maxPageKeys)
}

// fixRevision gives the revision of the base, and asks for it the first time.
func (s *syncer) fixRevision(ctx context.Context) (int64, error) {
	select {
	case s.fixing <- struct{}{}:
		defer func() { <-s.fixing }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if s.revision == 0 {
		now, err := s.client.Get(ctx, s.prefix, v3.WithPrefix(), v3.WithCountOnly())
		if err != nil {
			return 0, err
		}
		s.revision = now.Header.Revision
	}
	return s.revision, nil
}

// SyncUpdates implements [Syncer].
func (s *syncer) SyncUpdates(ctx context.Context) v3.WatchChan {
	revision, err := s.fixRevision(ctx)
	if err == nil {
		return s.client.Watch(ctx, s.prefix, v3.WithPrefix(), v3.WithRev(revision+1))
	}
	ended := make(chan v3.WatchResponse, 1)
	defer close(ended)
	if ctx.Err() == nil {
		ended <- v3.WatchResponse{Canceled: true, CancelReason: err.Error()}
	}
	return ended
}
