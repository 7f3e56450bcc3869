// Compare measures clientv3 beside go.etcd.io/etcd/client/v3, and the bridge of
// clientv3/keysapi beside the v2 API and plain clientv3, and prints Markdown tables. It
// exits with 1 when it can't measure; a limit that is missed is told in
// the table alone, for the machine may have been busy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
	"github.com/coreos/etcd/clientv3/benchmarks"
)

func main() {
	benchmarks.PlayRole()
	var run string
	var o benchmarks.Options
	flag.StringVar(&run, "run", ".", "measure the rows whose name matches this `regexp`, in upper or lower case")
	flag.IntVar(&o.Rounds, "rounds", 0, "how many rounds each client plays (default 20)")
	flag.DurationVar(&o.RoundTime, "for", 0, "how long a round takes at least (default 50ms)")
	list := flag.Bool("list", false, "print the names of the rows")
	flag.Parse()
	if *list {
		for _, c := range benchmarks.Contests() {
			for _, r := range c.Rows {
				fmt.Println(r.Name)
			}
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := compare(ctx, run, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// compare prints what could be measured, whatever could not.
func compare(ctx context.Context, run string, o benchmarks.Options) error {
	chosen, err := regexp.Compile("(?i:" + run + ")")
	if err != nil {
		return err
	}
	b := benchmarks.New(o)
	var failures []error
	measuredAny := false
	for _, c := range benchmarks.Contests() {
		lines, err := measureRows(ctx, b, chosen, c.Rows)
		if err != nil {
			failures = append(failures, err)
		}
		if len(lines) == 0 {
			continue
		}
		if !measuredAny {
			fmt.Printf("Measured on %s: medians of rounds played in turns, ± half the distance between the quartiles.\n", measure.Machine())
		}
		measuredAny = true
		fmt.Print("\n", c.Table(lines))
	}
	if err := b.Close(); err != nil {
		failures = append(failures, err)
	}
	if !measuredAny && len(failures) == 0 {
		failures = append(failures, fmt.Errorf("no row matches %q", run))
	}
	return errors.Join(append(failures, context.Cause(ctx))...)
}

// measureRows gives the lines of those rows that are chosen and could be measured.
func measureRows(ctx context.Context, b *benchmarks.Bench, chosen *regexp.Regexp, rows []benchmarks.Row) ([]benchmarks.Line, error) {
	var lines []benchmarks.Line
	var failures []error
	for _, r := range rows {
		if !chosen.MatchString(r.Name) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		fmt.Fprint(os.Stderr, r.Name, " …")
		measured, err := r.Measure(ctx, b)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", r.Name, err))
		}
		fmt.Fprintf(os.Stderr, " %.1f s\n", time.Since(began).Seconds())
		lines = append(lines, measured...)
	}
	return lines, errors.Join(failures...)
}
