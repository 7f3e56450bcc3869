package dump

import (
	"cmp"
	"context"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// Purge removes everything below opts.Root, and not the root itself, as no server
// removes "/". The store is read first, to count, as Export reads it; then what is
// directly below the root is removed one by one, each directory as a whole. What is
// hidden within such a directory goes with it, known or not.
//
// What another writes below the root meanwhile may stay. An interrupted Purge is run
// again. A root that does not exist, or is a file, has nothing below it. The
// Summary counts what has been removed, or for DryRun what would be; its SHA256 and
// Changes are empty. The error is ctx.Err(), a [*client.InvalidInputError] or a
// [*StoreError].
func Purge(ctx context.Context, kapi client.KeysAPI, opts PurgeOptions) (Summary, error) {
	p := purger{opts: opts, report: reporter{tell: opts.Progress}}
	root, hidden, err := checkSource(ctx, kapi, opts.Root, opts.Hidden)
	if err != nil {
		return p.sum, err
	}
	if !opts.SkipHistory {
		p.sum.HistoryFrom, p.sum.HistoryTo, err = hidden.search(ctx, kapi, root, 0, &p.report)
		if err != nil {
			return p.sum, err
		}
	}
	p.report.begin(PhaseRead, 0)
	t, err := readTree(ctx, &store{kapi: kapi}, root, hidden.sorted())
	if err != nil {
		return p.sum, err
	}
	p.report.end()
	p.sum.ClusterID, p.sum.Index, p.sum.HiddenFound = t.clusterID, t.index, t.found
	p.store = &store{kapi: kapi, patience: cmp.Or(opts.Patience, defaultPatience)}
	p.report.begin(PhaseRemove, 0)
	err = p.remove(ctx, t)
	p.report.end()
	return p.sum, err
}

type purger struct {
	opts   PurgeOptions
	store  *store
	report reporter
	sum    Summary
}

// remove removes what is directly below the root of the tree, and counts what was
// in it once it is gone.
func (p *purger) remove(ctx context.Context, t *tree) error {
	if n := t.peek(); n != nil && n.Key == t.root {
		t.pop()
	}
	for top := t.peek(); top != nil; top = t.peek() {
		if err := ctx.Err(); err != nil {
			return err
		}
		key := top.Key
		if !p.opts.DryRun {
			if err := p.store.remove(ctx, key); err != nil {
				return err
			}
		}
		for n := top; n != nil && keypath.IsWithin(n.Key, key); n = t.peek() {
			p.count(n)
			t.pop()
		}
	}
	return nil
}

func (p *purger) count(n *client.Node) {
	if n.Dir {
		p.sum.Directories++
	} else {
		p.sum.Keys++
	}
	p.report.step(n.Key)
}
