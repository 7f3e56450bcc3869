package dump

import (
	"context"
	"io"
	"iter"

	"github.com/coreos/etcd/client"
)

type nodes interface{}

func checkKey(field, key string) error { return nil }

// Export writes all below opts.Root to w.
func Export(ctx context.Context, kapi client.KeysAPI, w io.Writer, opts ExportOptions) (Summary, error) {
	panic("not yet")
}

// Import brings the store to what the dump in r says.
func Import(ctx context.Context, kapi client.KeysAPI, r io.Reader, opts ImportOptions) (ImportSummary, error) {
	panic("not yet")
}

// Diff gives the nodes in which left and right differ, in tree order.
func Diff(ctx context.Context, left, right Source, opts DiffOptions) iter.Seq2[Difference, error] {
	panic("not yet")
}

// Store is what kapi has at and below root, with the hidden nodes given.
func Store(kapi client.KeysAPI, root string, hidden ...string) Source { panic("not yet") }

// File is the first snapshot of the dump in r.
func File(r io.Reader) Source { panic("not yet") }

// Purge removes everything below opts.Root.
func Purge(ctx context.Context, kapi client.KeysAPI, opts PurgeOptions) (Summary, error) {
	panic("not yet")
}
