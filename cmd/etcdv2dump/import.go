package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coreos/etcd/client/dump"
)

const importLong = `Import brings a store to what a dump says: it writes what is missing, leaves
what is there already, and at the end reads the store again to compare. What
the store has besides is left alone.

A key that is there with another value is a conflict: by default it is left as
it is, all others are imported, and the exit code is 4. See --on-conflict.

TTLs go on from what is left of them; what has expired since the export is
left out. An import that was interrupted is finished by the same command
again.`

const importExample = `  # What would be written, and what is in the way.
  etcdv2dump import --endpoints http://new:2379 --dry-run dump.jsonl

  # The whole dump, each key by the name that it had.
  etcdv2dump import --endpoints http://new:2379 dump.jsonl

  # The dump of one directory, to another one, with what is there replaced.
  etcdv2dump import --endpoints http://new:2379 --root /moved --on-conflict overwrite app.jsonl

  # Unpacked on the way.
  gunzip < dump.jsonl.gz | etcdv2dump import --endpoints http://new:2379 -`

// fail is the name of dump.Fail on the command line.
const fail = "fail"

// An imported is the result of import.
type imported struct {
	outcome
	File        string `json:"file"`
	Store       string `json:"store"`
	Root        string `json:"root"`
	DryRun      bool   `json:"dryRun"`
	Keys        int64  `json:"keys"`
	Directories int64  `json:"directories"`
	Created     int64  `json:"created"`
	Overwritten int64  `json:"overwritten"`
	Unchanged   int64  `json:"unchanged"`
	Kept        int64  `json:"kept"`
	Conflicts   int64  `json:"conflicts"`
	Expired     int64  `json:"expired"`
	Removed     int64  `json:"removed"`
	Changes     int64  `json:"changes"`
	Resyncs     int64  `json:"resyncs"`
	Verified    bool   `json:"verified"`
	unfinished  bool

	// ConflictKeys are the first of them, in the store.
	ConflictKeys []string `json:"conflictKeys,omitempty"`
}

func (a *app) importCommand() *cobra.Command {
	var opts dump.ImportOptions
	onConflict, verify := fail, true
	cmd := &cobra.Command{
		Use:     "import FILE [flags]",
		Short:   "Bring a dump into a store",
		Long:    importLong,
		Example: importExample,
		Args:    a.takes(1, 1, "one dump, the name of a file or - for stdin"),
		RunE: a.runs(func(ctx context.Context, args []string) (result, error) {
			var err error
			if opts.OnConflict, err = conflictWay(onConflict); err != nil {
				return nil, err
			}
			if opts.Parallel < 1 {
				return nil, usageErrorf("--parallel %d: at least 1", opts.Parallel)
			}
			opts.SkipVerify = !verify
			return a.importDump(ctx, args[0], opts)
		}),
	}
	flags := cmd.Flags()
	flags.BoolVar(&opts.DryRun, "dry-run", false, "write nothing, and tell what would be written")
	flags.StringVar(&onConflict, "on-conflict", fail, "the `WAY` with keys that have another value: fail, overwrite or keep")
	flags.StringVar(&opts.Root, "root", "", "the `DIRECTORY` to import to (default: where the dump is from)")
	flags.BoolVar(&opts.DropTTL, "no-ttl", false, "import what would expire as what doesn't")
	flags.BoolVar(&opts.Partial, "partial", false, "import what there is of a dump that is not complete")
	flags.IntVar(&opts.Parallel, "parallel", 32, "how many `WRITES` are on their way at a time")
	flags.BoolVar(&verify, "verify", true, "read the store again afterwards and compare")
	flags.DurationVar(&opts.Patience, "patience", 30*time.Second, "how long to go on trying while the cluster does not answer")
	completeWords(cmd, "on-conflict", fail, string(dump.Overwrite), string(dump.Keep))
	return cmd
}

func conflictWay(word string) (dump.OnConflict, error) {
	switch way := dump.OnConflict(word); way {
	case fail:
		return dump.Fail, nil
	case dump.Overwrite, dump.Keep:
		return way, nil
	}
	return "", usageErrorf("--on-conflict %q: neither fail nor overwrite nor keep", word)
}

// importDump reads the dump in file, which may be stdin.
func (a *app) importDump(ctx context.Context, file string, opts dump.ImportOptions) (result, error) {
	in, err := a.openDump(ctx, file)
	if err != nil {
		return nil, err
	}
	defer in.Close() //nolint:errcheck // it was only read
	s, err := a.open(ctx, a.connection.urls())
	if err != nil {
		return nil, err
	}
	defer s.close()
	if !opts.DryRun {
		a.onceMore = "What has been written stays. The same command again does the rest."
	}
	bar := a.newBar(importPhases(opts.DryRun), false)
	opts.Progress = bar.show
	sum, err := dump.Import(ctx, s, in, opts)
	bar.end()
	if errors.Is(err, dump.ErrTruncated) {
		a.onceMore = "--partial imports what there is of it."
	}
	r := &imported{
		File: file, Store: s.name, Root: opts.Root, DryRun: opts.DryRun,
		Keys: sum.Keys, Directories: sum.Directories,
		Created: sum.Created, Overwritten: sum.Overwritten, Unchanged: sum.Unchanged, Kept: sum.Kept,
		Conflicts: sum.Conflicts, Expired: sum.Expired, Removed: sum.Removed,
		Changes: sum.Changes, Resyncs: sum.Resyncs, Verified: sum.Verified,
	}
	if r.Root == "" {
		r.Root = sum.Header.Root
	}
	conflicts, conflicting := errors.AsType[*dump.ConflictError](err)
	r.unfinished = err != nil && !conflicting && !isA[*dump.VerifyError](err)
	if conflicting {
		for _, c := range conflicts.Conflicts {
			r.ConflictKeys = append(r.ConflictKeys, c.Key)
		}
	}
	return r, err
}

func importPhases(dryRun bool) map[dump.Phase]string {
	names := map[dump.Phase]string{
		dump.PhaseRead:   "Reading the store",
		dump.PhaseCheck:  "Checking the dump",
		dump.PhaseApply:  "Importing",
		dump.PhaseFollow: "Applying changes",
		dump.PhaseVerify: "Verifying",
	}
	if dryRun {
		names[dump.PhaseApply] = "Comparing"
	}
	return names
}

// openDump opens a dump, so that reading it ends with ctx.
func (a *app) openDump(ctx context.Context, file string) (io.ReadCloser, error) {
	if file == stdio {
		return io.NopCloser(&interruptible{ctx: ctx, r: a.stdin}), nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) && a.running == "diff" && strings.Contains(file, ":") {
		err = fmt.Errorf("%w; a store is written with its scheme, as in http://%s", err, file)
	}
	if err != nil {
		return nil, dumpError{err}
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(dumpError{fmt.Errorf("%s is a directory, and not a dump", file)}, f.Close())
	}
	return f, nil
}

func (r *imported) human() string {
	var b strings.Builder
	switch {
	case r.unfinished && r.Created+r.Overwritten+r.Removed+r.Changes == 0:
		return ""
	case r.unfinished:
		fmt.Fprintf(&b, "Done so far in %s at %s:\n", r.Store, r.Root)
	case r.DryRun:
		fmt.Fprintf(&b, "Would import %s into %s at %s:\n", nodes(r.Keys, r.Directories), r.Store, r.Root)
	default:
		fmt.Fprintf(&b, "Imported %s into %s at %s:\n", nodes(r.Keys, r.Directories), r.Store, r.Root)
	}
	for _, line := range []struct {
		n    int64
		what string
	}{
		{r.Created, "created"},
		{r.Overwritten, "overwritten"},
		{r.Unchanged, "there already"},
		{r.Kept, "kept as in the store"},
		{r.Conflicts, "in conflict, left as in the store"},
		{r.Expired, "expired since the export, left out"},
		{r.Removed, "removed, as they were from the exported store"},
		{r.Changes, "applied as changes since the snapshot"},
		{r.Resyncs, "taken as whole new snapshots"},
	} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%9d %s\n", line.n, line.what)
		}
	}
	switch {
	case r.Verified && r.Conflicts+r.Kept > 0:
		b.WriteString("Verified: but for those, the store holds what the dump says.\n")
	case r.Verified:
		b.WriteString("Verified: the store holds what the dump says.\n")
	}
	return b.String()
}
