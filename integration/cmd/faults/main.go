// Faults runs the scenarios of package faults on real clusters of three etcd
// members, in each network to which they apply, and prints a Markdown table of
// what they showed. It exits with 1 when an assertion fails.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/faults"
	"github.com/coreos/etcd/client/integration/harness"
)

func main() {
	var o options
	flag.StringVar(&o.run, "run", "", "run the scenarios whose name matches this `regexp`")
	flag.StringVar(&o.network, "network", "", "run them in the networks whose name matches this `regexp`")
	flag.DurationVar(&o.length, "for", 0, "for how long faults follow each other in each scenario (default: as its table says)")
	flag.IntVar(&o.parallel, "parallel", 4, "run `n` rows at a time")
	flag.BoolVar(&o.short, "short", false, "run the rows of the short form only, at their short length")
	flag.BoolVar(&o.list, "list", false, "print the names of the rows, and run none")
	flag.BoolVar(&o.all, "v", false, "print a row for each load")
	flag.BoolVar(&o.etcd34, "etcd34", false, "run the installed etcd 3.4 in place of 3.5")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := o.main(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

// errFailed is for assertions that have been printed.
var errFailed = errors.New("some assertions failed")

type options struct {
	run, network             string
	length                   time.Duration
	parallel                 int
	all, etcd34, short, list bool
}

// rows returns those that are selected.
func (o options) rows() (rows []faults.Row, err error) {
	scenarios, err := regexp.Compile(o.run)
	if err != nil {
		return nil, err
	}
	networks, err := regexp.Compile(o.network)
	if err != nil {
		return nil, err
	}
	for _, row := range faults.Rows() {
		if scenarios.MatchString(row.Scenario.Name) && networks.MatchString(row.Network.Name) && (!o.short || row.IsShort()) {
			rows = append(rows, row)
		}
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no row has a scenario that matches %q in a network that matches %q", o.run, o.network)
	}
	return rows, nil
}

func (o options) main(ctx context.Context) error {
	rows, err := o.rows()
	if err != nil {
		return err
	}
	if o.list {
		for _, row := range rows {
			fmt.Println(row.Name())
		}
		return nil
	}
	note("building etcd (the first time takes a minute or two, then a second) …")
	server, err := o.server(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	results, failed := o.runAll(ctx, server, rows)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fmt.Print(faults.Report(results, o.all))
	note(fmt.Sprintf("%d rows on %s in %v", len(results), server, time.Since(began).Round(time.Second)))
	for _, r := range results {
		for _, problem := range r.Problems() {
			failed = true
			note("FAILED: " + problem)
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// rounds is how often a row is run on a machine that is too busy to tell.
const rounds = 2

// runAll runs the rows, so many at a time, and returns their results in order,
// and whether one could not be run.
func (o options) runAll(ctx context.Context, server harness.Server, rows []faults.Row) (results []*faults.Result, failed bool) {
	results = make([]*faults.Result, len(rows))
	errs := make([]error, len(rows))
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(1, o.parallel) {
		wg.Go(func() {
			for i := range next {
				results[i], errs[i] = rows[i].RunUntilConclusive(ctx, server, o.lengthOf(rows[i]), rounds, time.Time{})
				note(rows[i].Name() + ": " + status(results[i], errs[i]))
			}
		})
	}
	for i := range rows {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	if t, ok := client.DefaultTransport.(*http.Transport); ok {
		t.CloseIdleConnections()
	}
	failed = slices.ContainsFunc(errs, func(err error) bool { return err != nil })
	return slices.DeleteFunc(results, func(r *faults.Result) bool { return r == nil }), failed
}

func status(r *faults.Result, err error) string {
	switch {
	case err != nil:
		text, _, _ := strings.Cut(err.Error(), "\n") // The logs of the servers follow.
		return "FAILED: " + text
	case len(r.Problems()) > 0:
		return fmt.Sprintf("%d problems, %v", len(r.Problems()), r.Took.Round(time.Second))
	default:
		return fmt.Sprintf("ok, %v", r.Took.Round(time.Second))
	}
}

func (o options) lengthOf(row faults.Row) time.Duration {
	switch {
	case o.length > 0:
		return o.length
	case o.short:
		return row.Scenario.Short
	default:
		return row.Length()
	}
}

func (o options) server(ctx context.Context) (harness.Server, error) {
	if o.etcd34 {
		return harness.InstalledEtcd34(ctx)
	}
	return harness.BuildEtcd35(ctx)
}

// note reports progress, apart from the table.
func note(text string) { fmt.Fprintln(os.Stderr, text) }
