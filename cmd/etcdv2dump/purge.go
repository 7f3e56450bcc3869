package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/coreos/etcd/client/dump"
)

const purgeLong = `Purge removes everything below a directory. The directory itself stays.

It first counts what there is, and asks on the terminal; only the word yes
goes on. A script, which has no terminal, says --yes. There is no way back but
a dump.

Hidden nodes (names that begin with "_") are removed with the directory that
they are in. For those in the root itself see "etcdv2dump export --help".`

const purgeExample = `  # What would be removed.
  etcdv2dump purge --endpoints http://old:2379 --root /app --dry-run

  # One directory's content, without a question.
  etcdv2dump purge --endpoints http://old:2379 --root /app --yes

  # The whole store.
  etcdv2dump purge --endpoints http://old:2379 --root / --yes`

// A purged is the result of purge.
type purged struct {
	outcome
	Store       string   `json:"store"`
	Root        string   `json:"root"`
	DryRun      bool     `json:"dryRun"`
	Keys        int64    `json:"keys"`
	Directories int64    `json:"directories"`
	HiddenFound []string `json:"hiddenFound"`
	unfinished  bool
}

func (a *app) purgeCommand() *cobra.Command {
	var opts dump.PurgeOptions
	var yes bool
	cmd := &cobra.Command{
		Use:     "purge --root DIRECTORY [flags]",
		Short:   "Remove everything below a directory",
		Long:    purgeLong,
		Example: purgeExample,
		Args:    a.takes(0, 0, "flags only"),
		RunE: a.runs(func(ctx context.Context, _ []string) (result, error) {
			if opts.Root == "" {
				return nil, usageErrorf("--root says what to remove: a directory, or / for all")
			}
			return a.purge(ctx, opts, yes)
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.Root, "root", "", "the `DIRECTORY` to empty")
	flags.BoolVar(&opts.DryRun, "dry-run", false, "remove nothing, and tell what would be removed")
	flags.BoolVarP(&yes, "yes", "y", false, "don't ask")
	flags.StringArrayVar(&opts.Hidden, "hidden", nil, "the `PATH` of a hidden node to remove too; may be repeated")
	flags.BoolVar(&opts.SkipHistory, "skip-history", false, "don't search the store's history for hidden nodes")
	flags.DurationVar(&opts.Patience, "patience", 30*time.Second, "how long to go on trying while the cluster does not answer")
	return cmd
}

func (a *app) purge(ctx context.Context, opts dump.PurgeOptions, yes bool) (result, error) {
	s, err := a.open(ctx, a.connection.urls())
	if err != nil {
		return nil, err
	}
	defer s.close()
	if !opts.DryRun && !yes {
		if err := a.confirm(ctx, s, opts); err != nil {
			return nil, err
		}
	}
	if !opts.DryRun {
		a.onceMore = "What has been removed is gone. The same command again removes the rest."
	}
	return a.purgeStore(ctx, s, opts)
}

func (a *app) purgeStore(ctx context.Context, s store, opts dump.PurgeOptions) (*purged, error) {
	names := map[dump.Phase]string{
		dump.PhaseRead:   "Reading the store",
		dump.PhaseSearch: "Looking for hidden nodes",
		dump.PhaseRemove: "Removing",
	}
	if opts.DryRun {
		names[dump.PhaseRemove] = "Counting"
	}
	bar := a.newBar(names, false)
	opts.Progress = bar.show
	sum, err := dump.Purge(ctx, s, opts)
	bar.end()
	return &purged{
		Store: s.name, Root: opts.Root, DryRun: opts.DryRun,
		Keys: sum.Keys, Directories: sum.Directories, HiddenFound: append([]string{}, sum.HiddenFound...),
		unfinished: err != nil,
	}, err
}

// confirm counts what would go and asks.
func (a *app) confirm(ctx context.Context, s store, opts dump.PurgeOptions) error {
	if _, ok := terminal(a.stdin); !ok {
		return usageErrorf("purge asks before it removes, and there is no terminal to ask on: say --yes, or --dry-run to see what would be removed")
	}
	opts.DryRun = true
	there, err := a.purgeStore(ctx, s, opts)
	if err != nil {
		return err
	}
	a.say("%s%s", there.what("This will remove"), there.hidden())
	yes, err := a.askYes(ctx, "Type yes to go on: ")
	if err != nil {
		return err
	}
	if !yes {
		return errDeclined
	}
	return nil
}

func (p *purged) human() string {
	switch {
	case p.unfinished && p.Keys+p.Directories == 0:
		return ""
	case p.unfinished:
		return p.what("Removed so far")
	case p.DryRun:
		return p.what("Would remove") + p.hidden()
	default:
		return p.what("Removed") + p.hidden()
	}
}

func (p *purged) what(verb string) string {
	return fmt.Sprintf("%s %s below %s from %s.\n", verb, nodes(p.Keys, p.Directories), p.Root, p.Store)
}

func (p *purged) hidden() string {
	if len(p.HiddenFound) == 0 {
		return ""
	}
	return fmt.Sprintf("Hidden nodes among them: %s.\n", list(p.HiddenFound))
}
