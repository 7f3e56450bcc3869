// Demo shows the client at work on a real cluster of three etcd members, which
// it builds, starts, damages and removes. It exits with 1 when anything it
// shows is not what it must be.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, newPage(os.Stdout))
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run builds the server, starts a cluster, runs the steps, and cleans up.
func run(ctx context.Context, p *page) (err error) {
	began := time.Now()
	p.note("building etcd (the first time takes a minute or two, then a second) …")
	server, err := harness.BuildEtcd35(ctx)
	if err != nil {
		return err
	}
	p.note("starting three members of etcd " + server.Version + " …")
	cluster, err := harness.StartCluster(ctx, server, harness.Options{Members: 3})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, cluster.Close())
		if err == nil {
			p.note(fmt.Sprintf("all as it must be, and cleaned up, in %.1f s", time.Since(began).Seconds()))
		}
	}()
	d, err := newDemo(cluster)
	if err != nil {
		return err
	}
	defer d.close()
	for i, s := range d.steps() {
		shown, err := s.run(ctx)
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", i+1, s.title, err)
		}
		p.step(i+1, s.title, shown)
	}
	return nil
}
