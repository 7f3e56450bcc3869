package clientv3

import (
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// watch is what one call of Watch began. It outlives the streams it is carried by.
type watch struct {
	key, end []byte
	filters  []pb.WatchCreateRequest_FilterType
	prevKV   bool
	created  bool // the reader asked for the created response
	progress bool // the reader asked for progress notifications
	out      delivery
	unhook   func() bool // the end of the reader's context is no longer heeded

	// The fields below are guarded by watcher.mu.

	seq    uint64
	stream *watchStream
	// id is what the server knows the watch by on the current connection, or zero.
	id int64
	// next is the revision from which on the reader has seen nothing. Zero means
	// that no server has taken the watch yet, and that it begins with what comes.
	next int64
	// noted is the highest revision of a progress notification for all watches.
	// Servers before 3.4.25 and 3.5.8 may send those ahead of events that are below,
	// so next doesn't move with it. It counts where next has been compacted.
	noted int64
	// partial are the first events of a revision whose last are yet to come.
	partial []*Event

	suspended bool // until the reader has caught up
	checking  bool // until it is known why the server refused it
	refusals  int
	taken     chan struct{} // closed and nil once Watch may return
}

// newWatch needs its delivery filled.
func newWatch(op *Op) *watch {
	w := &watch{
		key:      op.key,
		end:      op.end,
		prevKV:   op.has(withPrevKV),
		created:  op.has(withCreatedNotify),
		progress: op.has(withProgressNotify),
		next:     op.rev,
		taken:    make(chan struct{}),
	}
	if op.has(withFilterPut) {
		w.filters = append(w.filters, pb.WatchCreateRequest_NOPUT)
	}
	if op.has(withFilterDelete) {
		w.filters = append(w.filters, pb.WatchCreateRequest_NODELETE)
	}
	return w
}

// request asks the server for the events from next on.
//
// Fragments keep replies below the server's limit of 1.5 MB. Progress notifications
// keep next from falling behind what compactions remove while the watched keys are
// quiet; they are passed on only if the reader asked for them.
func (w *watch) request(id int64) *pb.WatchRequest {
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{
			Key:            w.key,
			RangeEnd:       w.end,
			StartRevision:  w.next,
			Filters:        w.filters,
			PrevKv:         w.prevKV,
			WatchId:        id,
			Fragment:       true,
			ProgressNotify: true,
		},
	}}
}

// take gives the events of whole revisions that have come and are new, and moves
// next behind them. What a fragment cuts off waits for the next one.
func (w *watch) take(reply *pb.WatchResponse) []*Event {
	events := reply.Events
	if len(w.partial) > 0 {
		events = append(w.partial, events...)
		w.partial = nil
	}
	old := 0
	for old < len(events) && modRevision(events[old]) < w.next {
		old++
	}
	events = events[old:]
	if reply.Fragment {
		whole := wholeRevisions(events)
		w.partial = slices.Clone(events[whole:])
		events = events[:whole]
	}
	if len(events) > 0 {
		w.next = modRevision(events[len(events)-1]) + 1
	}
	return events
}

// wholeRevisions counts the events before those of the last revision.
func wholeRevisions(events []*Event) int {
	whole := len(events)
	for whole > 0 && modRevision(events[whole-1]) == modRevision(events[len(events)-1]) {
		whole--
	}
	return whole
}

func modRevision(event *Event) int64 { return event.GetKv().GetModRevision() }

// disconnect forgets what holds only for the connection that is gone.
func (w *watch) disconnect() {
	w.id = 0
	w.partial = nil
}

// release lets Watch return.
func (w *watch) release() {
	if w.taken != nil {
		close(w.taken)
		w.taken = nil
	}
}
