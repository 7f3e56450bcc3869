// Faults runs the scenarios of package faults on real clusters of three etcd
// members and prints a Markdown table of what they showed. It exits with 1 when
// an assertion fails.
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
	"syscall"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/faults"
	"github.com/coreos/etcd/client/integration/harness"
)

func main() {
	var o options
	flag.StringVar(&o.run, "run", "", "run the scenarios whose name matches this `regexp`")
	flag.DurationVar(&o.length, "for", 0, "for how long faults follow each other in each scenario (default: as its table says)")
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
var errFailed = errors.New("not all is as it must be")

type options struct {
	run         string
	length      time.Duration
	all, etcd34 bool
}

func (o options) main(ctx context.Context) error {
	chosen, err := regexp.Compile(o.run)
	if err != nil {
		return err
	}
	note("building etcd (the first time takes minutes, then a second) …")
	server, err := o.server(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	var results []*faults.Result
	for _, sc := range faults.Scenarios() {
		if !chosen.MatchString(sc.Name) {
			continue
		}
		length := sc.Length
		if o.length > 0 {
			length = o.length
		}
		note(sc.Name + " …")
		result, err := sc.Run(ctx, server, length)
		if err != nil {
			return err
		}
		results = append(results, result)
		if t, ok := client.DefaultTransport.(*http.Transport); ok {
			t.CloseIdleConnections()
		}
	}
	if len(results) == 0 {
		return fmt.Errorf("no scenario matches %q", o.run)
	}
	fmt.Print(faults.Report(results, o.all))
	note(fmt.Sprintf("%d scenarios on %s in %v", len(results), server, time.Since(began).Round(time.Second)))
	failed := false
	for _, r := range results {
		for _, problem := range r.Known() {
			note("known: " + problem)
		}
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

func (o options) server(ctx context.Context) (harness.Server, error) {
	if o.etcd34 {
		return harness.InstalledEtcd34(ctx)
	}
	return harness.BuildEtcd35(ctx)
}

// note tells what goes on, apart from the table.
func note(text string) { fmt.Fprintln(os.Stderr, text) }
