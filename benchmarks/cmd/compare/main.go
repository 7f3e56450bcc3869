// Compare measures the client against its peers and prints a Markdown table. It
// exits with 1 when it can't measure; a limit that is missed is in the table
// only: the machine may have been busy.
//
// With -results it writes what it measured to a file, and with -from it reads such a
// file instead of measuring. With -chart, -table and -readme it writes what the
// repository has of the results: the chart, and the tables of two pages. Files are written only
// after everything was measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/etcd/client/benchmarks"
)

func main() {
	benchmarks.RunRole()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, stdout, stderr io.Writer) error {
	s, err := parse(arguments, stderr)
	if err != nil {
		return err
	}
	if s.list {
		var names strings.Builder
		for _, r := range benchmarks.Rows() {
			names.WriteString(r.Name + "\n")
		}
		_, err = io.WriteString(stdout, names.String())
		return err
	}
	if err = s.checkPages(); err != nil {
		return err
	}
	results, err := s.measureOrRead(ctx, stderr)
	if len(results.Lines) > 0 {
		_, printed := io.WriteString(stdout, results.Markdown())
		err = errors.Join(err, printed)
	}
	if err != nil {
		return err
	}
	return s.write(results)
}

// measureOrRead returns the results of the file of -from, or else measures.
func (s settings) measureOrRead(ctx context.Context, progress io.Writer) (benchmarks.Results, error) {
	if s.from == "" {
		return s.measure(ctx, progress)
	}
	f, err := os.Open(s.from)
	if err != nil {
		return benchmarks.Results{}, err
	}
	defer func() { _ = f.Close() }() //nolint:errcheck // only read from
	results, err := benchmarks.ReadResults(f)
	if err != nil {
		return benchmarks.Results{}, fmt.Errorf("%s: %w", s.from, err)
	}
	return results, nil
}

// measure returns what could be measured, and an error if there is anything that
// could not.
func (s settings) measure(ctx context.Context, progress io.Writer) (benchmarks.Results, error) {
	results := benchmarks.NewResults()
	b := benchmarks.New(s.options)
	var failures []error
	for _, r := range benchmarks.Rows() {
		if !s.rows.MatchString(r.Name) || ctx.Err() != nil {
			continue
		}
		began := time.Now()
		report(progress, "%s …", r.Name)
		measured, err := r.Measure(ctx, b)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", r.Name, err))
		}
		report(progress, " %.1f s\n", time.Since(began).Seconds())
		results.Lines = append(results.Lines, measured...)
	}
	if err := b.Close(); err != nil {
		failures = append(failures, err)
	}
	if len(results.Lines) == 0 && len(failures) == 0 {
		failures = append(failures, fmt.Errorf("no row matches %q", s.rows))
	}
	return results, errors.Join(append(failures, context.Cause(ctx))...)
}

// report writes how far the measuring is.
func report(progress io.Writer, format string, arguments ...any) {
	_, _ = fmt.Fprintf(progress, format, arguments...) //nolint:errcheck // results without a report of progress are still results
}
