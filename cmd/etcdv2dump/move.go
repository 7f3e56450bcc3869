package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/coreos/etcd/client/move"
)

const moveLong = `Move copies a store, or one directory of it, to another one while programs go
on writing, follows their changes, and ends when it is told to switch. The
other store may have the v2 API, or only the v3 API, as etcd 3.6 and later:
there the keys are kept as the bridge of package keysapi reads them.

  1. Start it. It copies, and says when it has caught up.
  2. Stop the programs that write to the old store.
  3. Type the word switch and Enter, or send the process SIGUSR1. It applies
     what is left, reads both stores to compare them, prints a report, and
     ends.
  4. Start the programs with the new store.

No program may write to the new store before. It must be empty, or be what an
interrupted move from the same source has left, which is then finished;
--overwrite takes any. A write of others is told by its key, and the exit code
is 4 or 1.

Hidden nodes, users and roles: as in export. Nodes that the new store refuses,
because they are too large for it, are told before the switch; with them it
succeeds only with --allow-refused. No index is kept.

In a pipe, a line says every --status-interval how far it is.`

const moveExample = `  # Everything, to an etcd 3.6 or 3.7, until the word switch is typed.
  etcdv2dump move --endpoints http://old:2379 --to-endpoints http://new:2379

  # Without anybody at the terminal: switch when there is nothing left to copy.
  etcdv2dump move --endpoints http://old:2379 --to-endpoints http://new:2379 --once

  # One directory to another place, below a prefix of the v3 store.
  etcdv2dump move --endpoints http://old:2379 --root /app --to-endpoints http://new:2379 --to-root /shop --to-prefix /v2 --once

  # From the v2 store of an etcd 3.5 to the v3 store of the same one.
  etcdv2dump move --endpoints http://old:2379 --to-endpoints http://old:2379 --to-api v3 --once`

var errLate = errors.New("the old store was written after the switch had begun: stop all programs that write there, and compare")

// A moved is the result of move.
type moved struct {
	outcome
	Store       string   `json:"store"`
	Root        string   `json:"root"`
	To          string   `json:"to"`
	ToAPI       string   `json:"toAPI"`
	ToRoot      string   `json:"toRoot"`
	Switched    bool     `json:"switched"`
	Keys        int64    `json:"keys"`
	Directories int64    `json:"directories"`
	Copied      int64    `json:"copied"`
	Applied     int64    `json:"applied"`
	Refreshed   int64    `json:"refreshed"`
	Resyncs     int64    `json:"resyncs"`
	MostPending int64    `json:"mostPending"`
	HiddenFound []string `json:"hiddenFound"`
	HiddenFrom  uint64   `json:"hiddenFrom"`
	HiddenGaps  int64    `json:"hiddenGaps"`
	Refused     int64    `json:"refused"`
	RefusedKeys []string `json:"refusedKeys,omitempty"`
	Late        int64    `json:"late"`
	LateKeys    []string `json:"lateKeys,omitempty"`
	Index       uint64   `json:"index"`
	IndexAfter  uint64   `json:"indexAfter"`
	// SwitchSeconds is how long programs had to stand still at least.
	SwitchSeconds float64 `json:"switchSeconds"`
}

// A mover is what the flags of move say.
type mover struct {
	opts     move.Options
	target   target
	once     bool
	interval time.Duration
}

func (a *app) moveCommand() *cobra.Command {
	var mv mover
	cmd := &cobra.Command{
		Use:     "move --to-endpoints URL [flags]",
		Short:   "Copy a store to another one while programs write",
		Long:    moveLong,
		Example: moveExample,
		Args:    a.takes(0, 0, "flags only"),
		RunE: a.runs(func(ctx context.Context, _ []string) (result, error) {
			if mv.interval <= 0 || mv.opts.Parallel < 1 {
				return nil, usageErrorf("--status-interval and --parallel must be positive")
			}
			return a.move(ctx, mv)
		}),
	}
	flags := cmd.Flags()
	mv.target.define(flags)
	flags.StringVar(&mv.opts.From, "root", "/", "the `DIRECTORY` to move")
	flags.StringVar(&mv.opts.To, "to-root", "", "the `DIRECTORY` to move it to (default: --root)")
	flags.BoolVar(&mv.once, "once", false, "switch as soon as the target has caught up")
	flags.StringArrayVar(&mv.opts.Hidden, "hidden", nil, "the `PATH` of a hidden node to take along; may be repeated")
	flags.BoolVar(&mv.opts.SkipHidden, "skip-history", false, "don't search the store's history for hidden nodes")
	flags.BoolVar(&mv.opts.Overwrite, "overwrite", false, "take a target that is not empty, and make it what the store is")
	flags.BoolVar(&mv.opts.AllowRefused, "allow-refused", false, "switch without what the target refuses")
	flags.IntVar(&mv.opts.Parallel, "parallel", 32, "how many `WRITES` are on their way at a time")
	flags.DurationVar(&mv.opts.TTLTolerance, "ttl-tolerance", 5*time.Second, "how far apart expirations may be")
	flags.DurationVar(&mv.interval, "status-interval", 10*time.Second, "how often to say how far it is, without a terminal")
	completeWords(cmd, "to-api", apiAuto, apiV2, apiV3)
	return cmd
}

// move moves a store.
func (a *app) move(ctx context.Context, mv mover) (result, error) {
	if err := mv.target.complete(a.env); err != nil {
		return nil, err
	}
	from, err := a.open(ctx, a.connection.urls())
	if err != nil {
		return nil, err
	}
	defer from.close()
	to, api, err := a.openTarget(ctx, &mv.target)
	if err != nil {
		return nil, err
	}
	defer to.close()
	r := &moved{Store: from.name, Root: mv.opts.From, To: to.name, ToAPI: api, ToRoot: mv.opts.To}
	if r.ToRoot == "" {
		r.ToRoot = r.Root
	}
	a.onceMore = "What has been copied stays. The same command again goes on."
	v := a.newMoveView(mv.interval)
	mv.opts.Progress, mv.opts.Retry = v.progress, v.retry
	m, err := move.Start(ctx, from, to, &mv.opts)
	if err != nil {
		return nil, err
	}
	err = a.moveUntilSwitched(ctx, m, v, mv, r)
	m.Close()
	v.end()
	return r, err
}

func (a *app) moveUntilSwitched(ctx context.Context, m *move.Move, v *moveView, mv mover, r *moved) error {
	told, stop := a.switchSignals()
	defer stop()
	if err := m.CaughtUp(ctx); err != nil {
		r.fillSoFar(m.Progress())
		return err
	}
	if !mv.once {
		v.say("Caught up. %s\n", a.howToSwitch(r.Store))
		if err := a.awaitSwitch(ctx, m, told); err != nil {
			r.fillSoFar(m.Progress())
			return err
		}
	}
	began := time.Now()
	report, err := m.Switch(ctx)
	r.fill(report, m.Progress())
	if err != nil {
		return err
	}
	r.Switched, r.SwitchSeconds = true, time.Since(began).Seconds()
	if report.TotalLate > 0 {
		return errLate
	}
	return nil
}

// howToSwitch says what to do when the programs have stopped.
func (a *app) howToSwitch(store string) string {
	text := fmt.Sprintf("Stop the programs that write to %s; then ", store)
	if _, ok := terminal(a.stdin); ok {
		return text + fmt.Sprintf("type switch and Enter, or: kill -USR1 %d", os.Getpid())
	}
	return text + fmt.Sprintf("kill -USR1 %d", os.Getpid())
}

// fillSoFar takes what is known of a move that did not come to its switch.
func (r *moved) fillSoFar(p move.Progress) { r.fill(move.Report{Copied: p.Copied}, p) }

// fill takes what is known of the move.
func (r *moved) fill(report move.Report, p move.Progress) {
	r.Keys, r.Directories = report.Keys, report.Directories
	r.Copied, r.Applied, r.Refreshed, r.Resyncs = report.Copied, p.Applied, report.Refreshed, p.Resyncs
	r.MostPending = report.MostPending
	r.HiddenFound, r.HiddenFrom, r.HiddenGaps = append([]string{}, report.Hidden...), report.HiddenFrom, report.HiddenGaps
	r.Refused, r.Late, r.LateKeys = max(report.TotalRefused, p.Refused), report.TotalLate, report.Late
	for _, refused := range report.Refused {
		r.RefusedKeys = append(r.RefusedKeys, refused.Key)
	}
	r.Index, r.IndexAfter = report.Index, report.IndexAfter
}

func (r *moved) human() string {
	var b strings.Builder
	switch {
	case r.Switched:
		fmt.Fprintf(&b, "Moved %s from %s at %s to %s at %s (%s API):\n", nodes(r.Keys, r.Directories), r.Store, r.Root, r.To, r.ToRoot, r.ToAPI)
	case r.Copied+r.Applied == 0:
		return ""
	default:
		fmt.Fprintf(&b, "Done so far in %s at %s:\n", r.To, r.ToRoot)
	}
	for _, line := range []struct {
		n    int64
		what string
	}{
		{r.Copied, "copied"},
		{r.Applied, "applied as changes"},
		{r.Refreshed, "refreshed, as TTLs in the old store were"},
		{r.Resyncs, "taken as whole new snapshots, since history was lost"},
		{r.Refused, "refused by the new store"},
		{r.Late, "written after the switch had begun"},
	} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%9d %s\n", line.n, line.what)
		}
	}
	if len(r.HiddenFound) > 0 {
		fmt.Fprintf(&b, "Hidden nodes among them: %s.\n", list(r.HiddenFound))
	}
	if r.HiddenFrom > 1 {
		fmt.Fprintf(&b, "Hidden nodes were searched for in the events since index %d; older ones need --hidden PATH.\n", r.HiddenFrom)
	}
	if r.HiddenGaps > 0 {
		b.WriteString("Some of the history was forgotten before it was searched for hidden nodes.\n")
	}
	if len(r.LateKeys) > 0 {
		fmt.Fprintf(&b, "Written late, and copied: %s.\n", list(r.LateKeys))
	}
	if len(r.RefusedKeys) > 0 {
		fmt.Fprintf(&b, "Refused: %s.\n", list(r.RefusedKeys))
	}
	if r.Switched {
		fmt.Fprintf(&b, "Verified: both stores held the same at index %d of the old one. The switch took %.1f s.\n", r.Index, r.SwitchSeconds)
	}
	return b.String()
}
