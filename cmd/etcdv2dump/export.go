package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/coreos/etcd/client/dump"
)

const exportLong = `Export writes all keys of a store, or of one directory of it, as a dump: JSON
lines with directories, values, TTLs and indexes, in order, and a sum at the
end. It goes to stdout, or to the file of --output. That file has its name
only when the dump is whole; until then it is FILE.partial, and only its owner
may read it.

Names that begin with "_" are hidden: the v2 API lists them nowhere. Export
finds those that were written within the last 1,000 events of the store, and
says how far back that went. Name others by --hidden.

With --follow, export goes on after the snapshot with a line for each change,
until it is interrupted, which then is not a failure. Import knows those
lines.`

const exportExample = `  # Everything, to a file.
  etcdv2dump export --endpoints http://old:2379 -o dump.jsonl

  # One directory.
  etcdv2dump export --endpoints http://old:2379 --root /app -o app.jsonl

  # Packed on the way.
  etcdv2dump export --endpoints http://old:2379 | gzip > dump.jsonl.gz

  # With a hidden directory that nothing was written to lately.
  etcdv2dump export --endpoints http://old:2379 --hidden /app/_locks -o dump.jsonl

  # A dump that keeps up with the store until Ctrl-C.
  etcdv2dump export --endpoints http://old:2379 --follow -o dump.jsonl

  # Over TLS, as a user whose password ETCDCTL_PASSWORD holds.
  etcdv2dump export --endpoints https://secure:2379 --ca-file ca.crt --username root -o secure.jsonl`

// An exported is the result of export.
type exported struct {
	outcome
	File        string   `json:"file"`
	Store       string   `json:"store"`
	Root        string   `json:"root"`
	Keys        int64    `json:"keys"`
	Directories int64    `json:"directories"`
	SHA256      string   `json:"sha256"`
	ClusterID   string   `json:"clusterID"`
	Index       uint64   `json:"index"`
	HiddenFound []string `json:"hiddenFound"`
	HistoryFrom uint64   `json:"historyFrom"`
	HistoryTo   uint64   `json:"historyTo"`
	Changes     int64    `json:"changes"`
	Resyncs     int64    `json:"resyncs"`
}

func (a *app) exportCommand() *cobra.Command {
	var opts dump.ExportOptions
	var file string
	cmd := &cobra.Command{
		Use:     "export [flags]",
		Short:   "Write a store to a dump",
		Long:    exportLong,
		Example: exportExample,
		Args:    a.takes(0, 0, "flags only"),
		RunE: a.runs(func(ctx context.Context, _ []string) (result, error) {
			return a.export(ctx, file, opts)
		}),
	}
	flags := cmd.Flags()
	flags.StringVarP(&file, "output", "o", stdio, "the `FILE` to write; - is stdout")
	flags.BoolVar(&opts.Follow, "follow", false, "go on with changes until interrupted")
	flags.StringVar(&opts.Root, "root", "/", "the `DIRECTORY` to export")
	flags.StringArrayVar(&opts.Hidden, "hidden", nil, "the `PATH` of a hidden node to take along; may be repeated")
	flags.BoolVar(&opts.SkipHistory, "skip-history", false, "don't search the store's history for hidden nodes")
	return cmd
}

// export writes the dump.
func (a *app) export(ctx context.Context, file string, opts dump.ExportOptions) (result, error) {
	if a.json && file == stdio {
		return nil, usageErrorf("--json prints the result on stdout, so the dump needs a file: --output FILE")
	}
	s, err := a.open(ctx, a.connection.urls())
	if err != nil {
		return nil, err
	}
	defer s.close()
	out, err := a.createOut(file)
	if err != nil {
		return nil, dumpError{err}
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	bar := a.newBar(map[dump.Phase]string{
		dump.PhaseRead:   "Reading the store",
		dump.PhaseSearch: "Looking for hidden nodes",
		dump.PhaseWrite:  "Writing the dump",
		dump.PhaseFollow: "Following until Ctrl-C, changes so far:",
	}, file == stdio)
	following := false
	opts.Progress = func(p dump.Progress) {
		following = p.Phase == dump.PhaseFollow
		if following {
			if failed := out.whole(); failed != nil {
				giveUp(dumpError{failed})
			}
		}
		bar.show(p)
	}
	summary, err := dump.Export(ctx, s, out, opts)
	bar.end()
	if failed, ok := errors.AsType[dumpError](context.Cause(ctx)); ok {
		err = failed
	} else if following && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil // Nothing else ends it.
	}
	if err = out.end(err); err != nil {
		a.onceMore = out.left(following)
		return nil, err
	}
	return &exported{
		File: file, Store: s.name, Root: opts.Root,
		Keys: summary.Keys, Directories: summary.Directories, SHA256: summary.SHA256,
		ClusterID: summary.ClusterID, Index: summary.Index,
		HiddenFound: append([]string{}, summary.HiddenFound...), HistoryFrom: summary.HistoryFrom, HistoryTo: summary.HistoryTo,
		Changes: summary.Changes, Resyncs: summary.Resyncs,
	}, nil
}

func (e *exported) human() string {
	var b strings.Builder
	to := ""
	if e.File != stdio {
		to = " to " + e.File
	}
	fmt.Fprintf(&b, "Exported %s from %s%s, as of index %d.\n", nodes(e.Keys, e.Directories), e.Store, to, e.Index)
	if len(e.HiddenFound) > 0 {
		fmt.Fprintf(&b, "Hidden nodes among them: %s.\n", list(e.HiddenFound))
	}
	if e.HistoryFrom > 1 {
		fmt.Fprintf(&b, "Hidden nodes were searched for in the events since index %d; older ones need --hidden PATH.\n", e.HistoryFrom)
	}
	if e.Changes > 0 {
		fmt.Fprintf(&b, "Followed %s.\n", count(e.Changes, "change"))
	}
	if e.Resyncs > 0 {
		fmt.Fprintf(&b, "The store's history was lost on the way: %s followed.\n", count(e.Resyncs, "whole new snapshot"))
	}
	return b.String()
}
