// Compare measures the client against its peers and prints a Markdown table. It
// exits with 1 when it can't measure; a limit that is missed is in the table
// only: the machine may have been busy.
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

	"github.com/coreos/etcd/client/benchmarks"
	"github.com/coreos/etcd/client/benchmarks/measure"
)

func main() {
	benchmarks.RunRole()
	var run string
	var o benchmarks.Options
	flag.StringVar(&run, "run", ".", "measure the rows whose name matches this `regexp`, in upper or lower case")
	flag.IntVar(&o.Rounds, "rounds", 0, "how many rounds each client has (default 20)")
	flag.DurationVar(&o.RoundTime, "for", 0, "how long a round takes at least (default 20ms)")
	flag.BoolVar(&o.Short, "short", false, "measure little, to see that it works")
	list := flag.Bool("list", false, "print the names of the rows")
	flag.Parse()
	if *list {
		for _, r := range benchmarks.Rows() {
			fmt.Println(r.Name)
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
	var lines []benchmarks.Line
	var failures []error
	for _, r := range benchmarks.Rows() {
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
	if err := b.Close(); err != nil {
		failures = append(failures, err)
	}
	if len(lines) == 0 && len(failures) == 0 {
		failures = append(failures, fmt.Errorf("no row matches %q", run))
	}
	fmt.Printf("Measured on %s: medians of interleaved rounds, ± half the distance between the quartiles.\n\n%s",
		measure.Machine(), benchmarks.Table(lines))
	return errors.Join(append(failures, context.Cause(ctx))...)
}
