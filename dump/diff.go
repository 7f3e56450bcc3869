package dump

import (
	"cmp"
	"context"
	"iter"
	"time"

	"github.com/coreos/etcd/client/internal/keypath"
)

const defaultTolerance = 5 * time.Second

// Diff gives the nodes in which left and right differ, in tree order. They are
// compared by their place below the roots of both, so that a dump of "/a" can be
// compared with a store below "/b". The index of a node makes no difference.
//
// A directory that one source has and the other has not comes with all that is in
// it. Of a store one snapshot is held in memory, of a dump one line.
//
// An error is the last thing that the loop sees: ctx.Err(), a
// [*client.InvalidInputError], a [*StoreError], a [*FormatError], [ErrTruncated], or
// one of reading.
func Diff(ctx context.Context, left, right Source, opts DiffOptions) iter.Seq2[Difference, error] {
	return func(yield func(Difference, error) bool) {
		d := differ{opts: opts}
		var err error
		if d.left, err = left.nodes(ctx); err == nil {
			d.right, err = right.nodes(ctx)
		}
		for err == nil {
			var found *Difference
			if found, err = d.next(ctx); err != nil || found == nil {
				break
			}
			if !yield(*found, nil) {
				return
			}
		}
		if err != nil {
			yield(Difference{}, err)
		}
	}
}

type differ struct {
	opts        DiffOptions
	left, right nodes
	askedFor    string // the last hidden node that one source has and the other was asked for
}

// next gives the next difference; nil: there is none.
func (d *differ) next(ctx context.Context) (*Difference, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		left, leftKey, err := d.below(d.left)
		if err != nil {
			return nil, err
		}
		right, rightKey, err := d.below(d.right)
		if err != nil {
			return nil, err
		}
		switch order := compare(left, leftKey, right, rightKey); {
		case left == nil && right == nil:
			return nil, nil
		case order == 0:
			d.left.pop()
			d.right.pop()
			if !d.isSame(left, right) {
				return &Difference{Kind: Changed, Key: leftKey, Left: left, Right: right}, nil
			}
		case order < 0:
			if asked, err := d.ask(ctx, d.right, leftKey); !asked || err != nil {
				d.left.pop()
				return &Difference{Kind: OnlyLeft, Key: leftKey, Left: left}, err
			}
		default:
			if asked, err := d.ask(ctx, d.left, rightKey); !asked || err != nil {
				d.right.pop()
				return &Difference{Kind: OnlyRight, Key: rightKey, Right: right}, err
			}
		}
	}
}

// compare orders the next nodes of two sources; what is not there comes last.
func compare(left *Node, leftKey string, right *Node, rightKey string) int {
	switch {
	case left == nil:
		return 1
	case right == nil:
		return -1
	default:
		return compareKeys(leftKey, rightKey)
	}
}

// below gives the next node of a source and its place below the root. The root of
// a whole store is no node: beside one, neither is another directory.
func (d *differ) below(ns nodes) (*Node, string, error) {
	n, err := ns.peek()
	if err == nil && n != nil && n.Dir && n.Key == ns.root() && (d.left.root() == "/" || d.right.root() == "/") {
		ns.pop()
		n, err = ns.peek()
	}
	if err != nil || n == nil {
		return nil, "", err
	}
	return n, keypath.Moved(n.Key, ns.root(), "/"), nil
}

// ask looks for a hidden node in the source that has not listed it. It is false if
// that has been done, or is of no use.
func (d *differ) ask(ctx context.Context, ns nodes, key string) (bool, error) {
	if !isHidden(key) || key == d.askedFor {
		return false, nil
	}
	d.askedFor = key
	return true, ns.ask(ctx, keypath.Moved(key, "/", ns.root()))
}

func (d *differ) isSame(left, right *Node) bool {
	if left.Dir != right.Dir || left.Value != right.Value {
		return false
	}
	if !d.opts.TTL {
		return true
	}
	if left.Expiration == nil || right.Expiration == nil {
		return left.Expiration == right.Expiration
	}
	return left.Expiration.Sub(*right.Expiration).Abs() <= cmp.Or(d.opts.TTLTolerance, defaultTolerance)
}
