package clientv3

import (
	"errors"
	"strings"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The types of an [Event].
const (
	EventTypePut    = mvccpb.Event_PUT
	EventTypeDelete = mvccpb.Event_DELETE
)

// Event is one change of one key. IsCreate and IsModify tell a put that made the
// key from one that changed it; neither holds for a delete.
//
// Kv.ModRevision is the revision of the change, of a delete too. PrevKv is nil
// unless the watch has [WithPrevKV] and the store still knows the older value.
type Event = mvccpb.Event

// WatchChan carries the responses of one watch. It is closed when the watch ends.
type WatchChan <-chan WatchResponse

// WatchResponse is what a watch has to tell at one time.
type WatchResponse struct {
	// Header says which member answered and at which revision its store was then.
	// It is nil when the watch ended for a reason that no member gave.
	Header *etcdserverpb.ResponseHeader
	// Events are in the order of their revisions. The events of one revision, that
	// is of one transaction, are all in one response.
	Events []*Event
	// CompactRevision is above zero when events the watch has yet to deliver were
	// compacted away: the first revision that may be watched now.
	CompactRevision int64
	// Canceled holds for the last response of a watch that ended other than by its
	// context or by Close. Err says why.
	Canceled bool
	// Created holds for the first response of a watch with [WithCreatedNotify].
	Created bool
	// CancelReason is why the server ended the watch, in its own words.
	CancelReason string

	err error // why the client ended the watch
}

// errCanceledByServer stands for the reason of a server that gives none.
var errCanceledByServer = errors.New("clientv3: the server canceled the watch and gave no reason")

// Err tells why the watch ended, or nil if the response is not the end of one.
//
// After a compaction it is [rpctypes.ErrCompacted]. Reasons that etcd knows by a
// name are the errors of package rpctypes, to compare with [errors.Is].
func (wr *WatchResponse) Err() error {
	switch {
	case wr.err != nil:
		return wr.err
	case wr.CompactRevision != 0:
		return rpctypes.ErrCompacted
	case wr.Canceled:
		return reasonError(wr.CancelReason)
	}
	return nil
}

// IsProgressNotify tells if the response has no other purpose than to say that all
// events up to Header.Revision have been delivered.
func (wr *WatchResponse) IsProgressNotify() bool {
	return len(wr.Events) == 0 && !wr.Canceled && !wr.Created && wr.err == nil &&
		wr.CompactRevision == 0 && wr.Header.GetRevision() != 0
}

// reasonError finds the error that a server put into words. Most servers send the
// text of a whole gRPC status.
func reasonError(reason string) error {
	if reason == "" {
		return errCanceledByServer
	}
	words := reason
	if _, after, found := strings.Cut(words, " desc = "); found {
		words = after
	}
	if known, ok := errors.AsType[rpctypes.EtcdError](rpctypes.Error(status.Error(codes.Unknown, words))); ok {
		return known
	}
	return errors.New("clientv3: the server canceled the watch: " + reason)
}
