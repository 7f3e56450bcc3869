package client

// ResumeIndex gives the AfterIndex for a Watcher or for Events with which nothing
// is missed that r does not show, and nothing comes that it does.
//
//   - For a Get, of whatever kind, it is Index: r shows the store as it was then,
//     be it behind or not. ModifiedIndex won't do: it is older for a node that
//     nobody has written lately, and falls out of the server's history; and that
//     of a directory says nothing of what is in it.
//   - For a write, and for an event, it is Node.ModifiedIndex. Index won't do: that
//     of an event is the store's when the watch was taken, so the events between
//     would be missed, or come twice.
//   - For a write with NoValueOnSuccess it is Index, which is the write's own.
//
// A Get whose Index a proxy has dropped has the greatest ModifiedIndex in it
// instead: events may then come that it shows. ResumeIndex is never zero, which
// would mean to watch from now on: where nothing is known it is 1, with which a
// watch begins at the beginning, or says that the history is gone.
//
// An error of Get has no Response; that a key is missing is as of [Error].Index.
func (r *Response) ResumeIndex() uint64 {
	switch {
	case r == nil:
		return 1
	case r.Node != nil && r.Action != "get":
		return max(r.Node.ModifiedIndex, 1)
	case r.Index > 0:
		return r.Index
	}
	index := uint64(1)
	for n := range r.Node.All() {
		index = max(index, n.ModifiedIndex)
	}
	return index
}
