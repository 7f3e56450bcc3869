// Worker is a small service on etcd, to read and to copy from. Any number of
// them share one directory. Each registers itself, takes jobs from a queue and
// follows the configuration; one of them is the leader, who makes a job of each
// request. ../README.md says how to run it.
//
//	main.go           flags, log and signals
//	service.go        one session after the other, and what is done in each
//	registration.go   a key that says that this worker lives
//	leading.go        what only one may do
//	working.go        what all do
//	configuration.go  settings that change while the program runs
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/coreos/etcd/client"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. It returns nil when nothing of the worker is left in
// the store.
func run(ctx context.Context, args []string, out io.Writer) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.SetOutput(out)
	endpoints := flags.String("endpoints", fromEnv("WORKER_ENDPOINTS", "http://127.0.0.1:2379"), "`URLs` of the members, with commas between them")
	prefix := flags.String("prefix", fromEnv("WORKER_PREFIX", "/worker"), "`directory` that the workers share")
	name := flags.String("name", fromEnv("WORKER_NAME", fmt.Sprintf("%s-%d", host, os.Getpid())), "this worker's `name`, which no other has")
	ttl := flags.Int("ttl", 10, "`seconds` after which a worker that says nothing is taken for dead")
	if err = flags.Parse(args); err != nil {
		return err
	}
	if *ttl < 1 {
		return fmt.Errorf("-ttl %d: it is at least 1", *ttl)
	}

	log := slog.New(slog.NewTextHandler(out, nil)).With("worker", *name)
	cl, err := client.New(client.Config{Endpoints: strings.Split(*endpoints, ","), Logger: log})
	if err != nil {
		return err
	}
	w := &worker{
		kapi: client.NewKeysAPI(cl), log: log,
		prefix: "/" + strings.Trim(*prefix, "/"), name: *name, ttl: *ttl,
	}
	return w.serve(ctx)
}

func fromEnv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
