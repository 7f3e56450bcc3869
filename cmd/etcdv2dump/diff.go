package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/coreos/etcd/client/dump"
)

const diffLong = `Diff tells in which keys two of a kind or of both kinds differ: a dump, which
is the name of a file or - for stdin, and a store, which is the URLs of its
members, separated by commas. With only one, the other is the store of
--endpoints.

It prints a line for each difference, in the order of keys:

  - /key = "value"          only in the first one
  + /key = "value"          only in the second one
  ~ /key = "first" -> "second"
                            in both, with other values

Hidden nodes, which a store does not list, are those that the dump has or that
--hidden names; between two stores only the latter.

Keys are without the root. A store is read from the root of the dump that it
is compared with, unless --root names another. Of a dump with changes behind
its snapshot, the snapshot is compared. Flags for TLS and users hold for both
stores; for other users per store write http://NAME:PASSWORD@HOST:PORT.

With --json, each difference is an object on a line, and the last one is the
result.`

const diffExample = `  # A dump, with the store of --endpoints.
  etcdv2dump diff --endpoints http://new:2379 dump.jsonl

  # Two stores, or one directory of theirs.
  etcdv2dump diff http://old:2379 http://new:2379
  etcdv2dump diff --root /app http://old:2379 http://new:2379

  # Two dumps, with what of their keys expires, and when.
  etcdv2dump diff --ttl dump.jsonl dump.jsonl

  # A dump of /app, with what was imported as /moved.
  etcdv2dump diff --endpoints http://new:2379 --root /moved app.jsonl`

// A diffed is the result of diff.
type diffed struct {
	outcome
	Left      string `json:"left"`
	Right     string `json:"right"`
	OnlyLeft  int64  `json:"onlyLeft"`
	OnlyRight int64  `json:"onlyRight"`
	Changed   int64  `json:"changed"`
	blind     bool   // hidden nodes were not looked for
}

func (a *app) diffCommand() *cobra.Command {
	var d differ
	cmd := &cobra.Command{
		Use:     "diff DUMP|STORE [DUMP|STORE] [flags]",
		Short:   "Compare dumps and stores",
		Long:    diffLong,
		Example: diffExample,
		Args:    a.takes(1, 2, "one or two dumps or stores"),
		RunE: a.runs(func(ctx context.Context, args []string) (result, error) {
			return a.diff(ctx, args, d)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&d.root, "root", "", "the `DIRECTORY` of stores to compare (default: the dump's root, or /)")
	flags.StringArrayVar(&d.hidden, "hidden", nil, "the `PATH` of a hidden node of stores; may be repeated")
	flags.BoolVar(&d.opts.TTL, "ttl", false, "compare when nodes expire, too")
	flags.DurationVar(&d.opts.TTLTolerance, "ttl-tolerance", 5*time.Second, "how far apart expirations may be")
	return cmd
}

// A differ is what the flags of diff say.
type differ struct {
	root   string
	hidden []string
	opts   dump.DiffOptions
}

// diff prints the differences and returns their numbers.
func (a *app) diff(ctx context.Context, args []string, d differ) (result, error) {
	if len(args) == 1 {
		args = append(args, "")
	}
	if args[0] == stdio && args[1] == stdio {
		return nil, usageErrorf("diff: stdin can be only one of the two")
	}
	left, err := a.openSide(ctx, args[0])
	if err != nil {
		return nil, err
	}
	defer left.close()
	right, err := a.openSide(ctx, args[1])
	if err != nil {
		return nil, err
	}
	defer right.close()
	left.aim(d, right)
	right.aim(d, left)

	r := &diffed{Left: left.name, Right: right.name}
	r.blind = left.dump == nil && right.dump == nil && len(d.hidden) == 0
	out := bufio.NewWriter(a.stdout)
	for difference, err := range dump.Diff(ctx, left.source(), right.source(), d.opts) {
		if err == nil {
			r.add(difference.Kind)
			err = a.printDifference(out, difference)
		}
		if err != nil {
			return r, errors.Join(err, out.Flush())
		}
	}
	if err := out.Flush(); err != nil {
		return r, dumpError{err}
	}
	if r.OnlyLeft+r.OnlyRight+r.Changed > 0 {
		return r, errDifferent
	}
	return r, nil
}

func (r *diffed) add(kind dump.DifferenceKind) {
	switch kind {
	case dump.OnlyLeft:
		r.OnlyLeft++
	case dump.OnlyRight:
		r.OnlyRight++
	case dump.Changed:
		r.Changed++
	}
}

func (a *app) printDifference(w io.Writer, d dump.Difference) error {
	var err error
	switch {
	case a.json:
		err = json.NewEncoder(w).Encode(d)
	case d.Kind == dump.OnlyLeft:
		_, err = fmt.Fprintf(w, "- %s = %s\n", d.Key, content(d.Left))
	case d.Kind == dump.OnlyRight:
		_, err = fmt.Fprintf(w, "+ %s = %s\n", d.Key, content(d.Right))
	default:
		_, err = fmt.Fprintf(w, "~ %s = %s -> %s\n", d.Key, content(d.Left), content(d.Right))
	}
	if err != nil {
		return dumpError{err}
	}
	return nil
}

func (r *diffed) human() string {
	total := r.OnlyLeft + r.OnlyRight + r.Changed
	if total == 0 {
		text := fmt.Sprintf("No difference between %s and %s.\n", r.Left, r.Right)
		if r.blind {
			text += "Hidden nodes were not compared: that takes --hidden PATH, or a dump.\n"
		}
		return text
	}
	return fmt.Sprintf("%s: %d only in %s, %d only in %s, %d changed.\n",
		count(total, "difference"), r.OnlyLeft, r.Left, r.OnlyRight, r.Right, r.Changed)
}
