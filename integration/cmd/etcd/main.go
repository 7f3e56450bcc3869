// Etcd runs one member of etcd 3.5 with the v2 API in the foreground, for
// trying things out: it builds the server if that is not built yet, and removes
// the data when it ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/etcd/client/integration/harness"
)

// defaultPort is etcd's own port for clients.
const defaultPort = 2379

func main() {
	port := flag.Int("port", defaultPort, "the `port` on 127.0.0.1 where etcd serves clients")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *port, flag.Args())
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, which is no error, or the server does, which is one.
func run(ctx context.Context, out io.Writer, port int, args []string) (err error) {
	if len(args) > 0 {
		return fmt.Errorf("unexpected argument %q: the only flag is -port", args[0])
	}
	if port < 1 || port > 65535 {
		return fmt.Errorf("-port %d: want a port from 1 to 65535", port)
	}
	fmt.Fprintln(os.Stderr, "building etcd (the first time takes a minute or two, then a second) ...")
	server, err := harness.BuildEtcd35(ctx)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	cluster, err := harness.StartCluster(ctx, server, harness.Options{ClientPort: port})
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	m := cluster.Member(0)
	if _, err := fmt.Fprintf(out, "etcd %s serves the v2 API on %s. Ctrl-C ends it and removes its data.\n", server.Minor(), m.ClientURL()); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-m.Ended():
		return fmt.Errorf("the server has ended by itself\n%s", cluster.Logs())
	}
}

// ignoreEnd returns nil for an error of a context that the user has ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
