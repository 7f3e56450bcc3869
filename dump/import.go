package dump

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

const defaultParallel = 32

// Import brings the store behind kapi to what the dump in r says: what is missing
// is written, what is the same is left alone, and what differs is up to
// opts.OnConflict. What the store has besides stays, but for what a further
// snapshot in the dump, after lost history, shows to be gone.
//
// The store is read once, by one request, and once more for each hidden node of
// the dump; then it is compared with the dump line by line, so that what has been
// imported before costs nothing. New nodes are created on condition that they are
// not there: whatever another writes meanwhile is met as a conflict, and never
// overwritten by surprise. A write whose answer is lost is sent again, and finds
// out by its condition whether it has been applied.
//
// If r is an io.Seeker that can seek, such as a file, it is read through first,
// and no write is made for a dump that is damaged or truncated. Otherwise, what
// comes before the damage is imported.
//
// Times are absolute in a dump: a node has the rest of its time, by the clock of
// this machine, rounded up to a second, and is left out if there is none. The TTL
// of a directory that is there already is left as it is.
//
// Afterwards the store is read again, and what it has of the dump is compared by
// count and sum. Nodes that expire, and what is below them, are left out of that,
// and so is what was kept, and what the store had besides. With changes in the
// dump, what is compared is the snapshot before them, as they come. They are applied
// in order, and, as all of a further snapshot, without regard to OnConflict. To run
// an import of a dump with changes again takes Overwrite.
//
// The error is that of r, ctx.Err(), a [*client.InvalidInputError], a [*FormatError],
// [ErrTruncated], a [*StoreError], a [*ConflictError] when all has been imported but
// for conflicts, or a [*VerifyError]. The summary is of what has been done until
// then. While r is read, the context is not looked at.
func Import(ctx context.Context, kapi client.KeysAPI, r io.Reader, opts ImportOptions) (ImportSummary, error) {
	im := &importer{opts: opts, in: r, report: reporter{tell: opts.Progress}}
	if err := im.check(ctx, kapi); err != nil {
		return im.sum, err
	}
	im.store = &store{kapi: kapi, patience: cmp.Or(opts.Patience, defaultPatience)}
	total, err := im.readThrough(ctx)
	if err == nil {
		err = im.run(ctx, total)
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	if err == nil && im.sum.Conflicts > 0 {
		err = &ConflictError{Conflicts: im.conflicts, Total: im.sum.Conflicts}
	}
	return im.sum, err
}

func (im *importer) check(ctx context.Context, kapi client.KeysAPI) error {
	switch {
	case ctx == nil:
		return isNil("context")
	case kapi == nil:
		return isNil("KeysAPI")
	case im.in == nil:
		return isNil("Reader")
	case im.opts.OnConflict != Fail && im.opts.OnConflict != Overwrite && im.opts.OnConflict != Keep:
		return &client.InvalidInputError{Field: "OnConflict", Value: string(im.opts.OnConflict), Reason: "it is none of Fail, Overwrite and Keep"}
	case im.opts.Parallel < 0:
		return &client.InvalidInputError{Field: "Parallel", Reason: "it is negative"}
	case im.opts.Patience < 0:
		return &client.InvalidInputError{Field: "Patience", Reason: "it is negative"}
	}
	return nil
}

// readThrough checks a dump that can be read twice, and says how many nodes are in
// its snapshot; 0: not known.
func (im *importer) readThrough(ctx context.Context) (total int64, err error) {
	im.again = rereader(im.in)
	if im.again == nil {
		return 0, nil
	}
	im.report.begin(PhaseCheck, 0)
	defer im.report.end()
	err = im.again(func(dump io.Reader) error { return im.checkAll(ctx, dump, &total) })
	return total, err
}

// checkAll reads a dump to its end.
func (im *importer) checkAll(ctx context.Context, dump io.Reader, total *int64) error {
	for lines := NewReader(dump); ; {
		rec, err := lines.Next()
		switch {
		case errors.Is(err, io.EOF), im.opts.Partial && errors.Is(err, ErrTruncated):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case rec.Node != nil:
			im.report.step(rec.Node.Key)
		case rec.Trailer != nil && *total == 0:
			*total = rec.Trailer.Keys + rec.Trailer.Directories
		}
	}
}

// rereader gives a way to read from where r is now once more, at any time and
// without a trace; nil if there is none.
func rereader(r io.Reader) func(read func(io.Reader) error) error {
	seeker, ok := r.(io.Seeker)
	if !ok {
		return nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil // a pipe
	}
	return func(read func(io.Reader) error) error {
		now, failed := seeker.Seek(0, io.SeekCurrent)
		if failed != nil {
			return failed
		}
		if _, failed = seeker.Seek(start, io.SeekStart); failed != nil {
			return failed
		}
		failed = read(r)
		_, back := seeker.Seek(now, io.SeekStart)
		return cmp.Or(failed, back)
	}
}

// run reads the dump and applies it.
func (im *importer) run(ctx context.Context, total int64) error {
	lines := NewReader(im.in)
	for {
		rec, err := lines.Next()
		switch {
		case errors.Is(err, io.EOF):
			im.report.end()
			return nil
		case im.opts.Partial && errors.Is(err, ErrTruncated) && im.sum.Header.Format != "":
			return im.abandon()
		case err != nil:
			return cmp.Or(im.abandon(), err)
		}
		if err := im.line(ctx, &rec, total); err != nil {
			return cmp.Or(im.abandon(), err)
		}
	}
}

// abandon leaves a snapshot, and waits for what is being written. Its error is why
// that failed.
func (im *importer) abandon() error {
	im.report.end()
	if im.snap == nil {
		return nil
	}
	snap := im.snap
	im.snap = nil
	return snap.writes.end()
}

// line applies one line of a dump.
func (im *importer) line(ctx context.Context, rec *Record, total int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case rec.Header != nil:
		return im.begin(ctx, rec.Header, total)
	case rec.Node != nil:
		im.report.step(rec.Node.Key)
		return im.snap.node(ctx, rec.Node)
	case rec.Trailer != nil:
		snap := im.snap
		if err := snap.finish(); err != nil {
			return err
		}
		if err := snap.verify(ctx); err != nil {
			return err
		}
		im.report.begin(PhaseFollow, 0)
		return nil
	default:
		im.report.step(rec.Change.Node.Key)
		return im.change(ctx, rec.Change)
	}
}

// begin begins with a snapshot.
func (im *importer) begin(ctx context.Context, h *Header, total int64) error {
	root, err := keypath.Clean("Root", cmp.Or(im.opts.Root, h.Root))
	if err != nil {
		return err
	}
	if h.Resync {
		im.sum.Resyncs++
		total = 0
	} else {
		im.sum.Header, im.from, im.root = *h, h.Root, root
	}
	im.report.begin(PhaseRead, 0)
	reader := im.store
	if !h.Resync { // a cluster that does not answer at the beginning may be another
		reader = &store{kapi: im.store.kapi}
	}
	t, err := readTree(ctx, reader, root, nil)
	if err != nil {
		return err
	}
	t.store = im.store
	im.report.begin(PhaseApply, total)
	im.snap = newSnapshotImport(ctx, im, t, h.Resync)
	return nil
}

// remaining gives the TTL with which a node is to be written, 0 for none; ok is
// false if its time is over.
func (im *importer) remaining(n *Node) (ttl time.Duration, ok bool) {
	if n.Expiration == nil || im.opts.DropTTL {
		return 0, true
	}
	ttl = time.Until(*n.Expiration)
	return ttl, ttl > 0
}

// expires reports whether a node of a dump will expire in the store.
func (im *importer) expires(n *Node) bool { return n.Expiration != nil && !im.opts.DropTTL }
