package dump

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// Export writes a dump of all at and below opts.Root to w, and with opts.Follow the
// changes that come after it.
//
// The store is read with a quorum, by one request: what is not hidden is as it was
// at one index, that of the header. Each hidden node, with what is below it, is
// read by a request of its own right afterwards, so as it was at the same index
// or a little later, and in itself at one. Changes by Follow begin behind the
// header's index, so what is read later comes once more, and all agrees.
//
// Follow writes each change as soon as it is known. That of a hidden node is told
// by the history alone, up to two seconds late, and need not be known before. A
// refresh of a TTL is not told by any server: what was exported of such a key is
// its old expiration. Failing endpoints are no error then; lost history is a whole
// new snapshot, as the package says. Follow ends with the context, and returns its
// error; what was written is a valid dump.
//
// An interrupted Export is begun anew: a dump without trailer is told apart by all
// who read it. The error is that of w, ctx.Err(), a [*client.InvalidInputError] or
// a [*StoreError]; a Root that does not exist is one for which
// [client.IsKeyNotFound] holds. The Summary is of what has been done before it.
func Export(ctx context.Context, kapi client.KeysAPI, w io.Writer, opts ExportOptions) (Summary, error) {
	e := exporter{opts: opts, out: newWriter(w), report: reporter{tell: opts.Progress}}
	if w == nil {
		return e.sum, isNil("Writer")
	}
	root, hidden, err := checkSource(ctx, kapi, opts.Root, opts.Hidden)
	if err != nil {
		return e.sum, err
	}
	e.store, e.root, e.hidden = &store{kapi: kapi}, root, hidden
	if opts.Follow {
		err = e.follow(ctx)
		return e.sum, err
	}
	t, err := e.read(ctx)
	if err != nil {
		return e.sum, err
	}
	err = e.snapshot(ctx, t)
	return e.sum, err
}

// checkSource checks what all need that read a store.
func checkSource(ctx context.Context, kapi client.KeysAPI, root string, hidden []string) (string, hiddenSet, error) {
	switch {
	case ctx == nil:
		return "", nil, isNil("context")
	case kapi == nil:
		return "", nil, isNil("KeysAPI")
	}
	root, err := keypath.Clean("Root", root)
	if err != nil {
		return "", nil, err
	}
	set, err := hiddenKeys(root, hidden)
	return root, set, err
}

type exporter struct {
	opts   ExportOptions
	store  *store
	root   string
	hidden hiddenSet // what to ask for
	out    *writer
	report reporter
	begun  bool // there was a snapshot: the next one is a resync
	sum    Summary
}

// snapshot writes what was read.
func (e *exporter) snapshot(ctx context.Context, t *tree) error {
	gone := slices.DeleteFunc(slices.Clone(e.sum.HiddenFound), func(key string) bool { return slices.Contains(t.found, key) })
	e.sum.ClusterID, e.sum.Index, e.sum.HiddenFound = t.clusterID, t.index, t.found
	err := e.out.header(&Header{
		Format: Format, Version: Version, Root: e.root,
		ClusterID: t.clusterID, Index: t.index, Time: time.Now().UTC(), Resync: e.begun,
	})
	if err != nil {
		return err
	}
	if err = e.write(ctx, t); err != nil {
		return err
	}
	if e.begun {
		e.sum.Resyncs++
	}
	e.begun = true
	if e.sum.Counts, err = e.out.trailer(); err != nil {
		return err
	}
	// Whoever reads the snapshot can't tell a hidden node that is gone from one
	// that was not asked for.
	for _, key := range gone {
		change := Change{Kind: client.EventDelete, Index: t.index, Node: Node{Key: key, Modified: t.index}}
		if err := e.out.change(&change); err != nil {
			return err
		}
	}
	return nil
}

// read reads the store, and what hidden nodes it knows.
func (e *exporter) read(ctx context.Context) (*tree, error) {
	if !e.opts.SkipHistory {
		from, to, err := e.hidden.search(ctx, e.store.kapi, e.root, 0, &e.report)
		if err != nil {
			return nil, err
		}
		e.sum.HistoryFrom, e.sum.HistoryTo = from, to
	}
	e.report.begin(PhaseRead, 0)
	t, err := readTree(ctx, e.store, e.root, e.hidden.sorted())
	if err != nil {
		return nil, err
	}
	e.report.end()
	if t.there || e.root == "/" {
		return t, nil
	}
	if !e.begun {
		return nil, named("get", e.root, client.Error{Code: client.ErrorCodeKeyNotFound, Message: "Key not found", Cause: e.root})
	}
	t.index, err = e.store.index(ctx, e.root)
	return t, err
}

func (e *exporter) write(ctx context.Context, t *tree) error {
	e.report.begin(PhaseWrite, 0)
	for n := t.peek(); n != nil; n = t.peek() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.out.writeNode(toNode(n)); err != nil {
			return err
		}
		e.report.step(n.Key)
		t.pop()
	}
	e.report.end()
	return nil
}

// errAgain is why a snapshot is tried again.
var errAgain = errors.New("dump: the cluster does not answer")

// follow writes a snapshot and what happens after it, again and again where the
// history is lost.
func (e *exporter) follow(ctx context.Context) error {
	for {
		err := e.followOnce(ctx)
		switch {
		case client.IsEventIndexCleared(err):
		case errors.Is(err, errAgain):
			if wait(ctx, lastPause) != nil {
				return ctx.Err()
			}
		default:
			return err
		}
	}
}

func (e *exporter) followOnce(ctx context.Context) error {
	after, err := e.store.index(ctx, e.root)
	if err != nil {
		return e.unlessBegun(err)
	}
	// The changes are read from before the snapshot on: while it is read and
	// written, more may come than the history has room for.
	tail := startTail(ctx, e.store.kapi, e.root, after, !e.opts.SkipHistory)
	defer tail.stop()
	t, err := e.read(ctx)
	if err != nil {
		return e.unlessBegun(err)
	}
	if err := e.snapshot(ctx, t); err != nil {
		return err
	}
	e.report.begin(PhaseFollow, 0)
	defer e.report.end()
	for event := range tail.events {
		if event.ClusterID != "" && e.sum.ClusterID != "" && event.ClusterID != e.sum.ClusterID {
			return named("watch", e.root, client.ErrClusterIDChanged)
		}
		if event.Node.ModifiedIndex <= e.sum.Index {
			continue
		}
		if err := e.change(event); err != nil {
			return err
		}
	}
	return named("watch", e.root, tail.err)
}

// unlessBegun has a snapshot tried again that is not the first.
func (e *exporter) unlessBegun(err error) error {
	if e.begun && isPassing(err) {
		return errAgain
	}
	return err
}

// change writes what an event says.
func (e *exporter) change(event *client.Response) error {
	c := Change{Kind: client.EventKind(event.Action), Index: event.Node.ModifiedIndex, Node: toNode(event.Node)}
	if !keypath.IsWithin(c.Node.Key, e.root) { // a directory has gone that the root was in
		c.Node = Node{Key: e.root, Modified: c.Index}
	}
	if err := e.out.change(&c); err != nil {
		return err
	}
	e.sum.Changes++
	e.report.step(c.Node.Key)
	return nil
}
