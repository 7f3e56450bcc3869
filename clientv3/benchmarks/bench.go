package benchmarks

import (
	"context"
	"errors"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
	"github.com/coreos/etcd/client/integration/harness"
)

// Options say how much is measured.
type Options struct {
	// Rounds is how many rounds each client plays; zero means 20.
	Rounds int
	// RoundTime is how long a round takes at least; zero means 50 ms.
	RoundTime time.Duration
	// Short leaves no tree, and no history of events, larger than 100, whatever its
	// row says: enough to see that it works.
	Short bool
}

const (
	defaultRounds    = 20
	defaultRoundTime = 50 * time.Millisecond
)

// A Bench is what rows are measured with: servers, which start when a row first
// needs them. It is for one goroutine.
type Bench struct {
	runner   measure.Runner
	largest  int // how many nodes or events there are at most
	stubbed  *stub
	clusters map[string]*harness.Cluster // by the minor version of etcd
}

// New makes a Bench. The caller must call Close.
func New(o Options) *Bench {
	g := measure.Runner{Rounds: o.Rounds, RoundTime: o.RoundTime}
	if g.Rounds <= 0 {
		g.Rounds = defaultRounds
	}
	if g.RoundTime <= 0 {
		g.RoundTime = defaultRoundTime
	}
	largest := 10_000
	if o.Short {
		largest = 100
	}
	return &Bench{runner: g, largest: largest, clusters: make(map[string]*harness.Cluster)}
}

// Close ends the servers.
func (b *Bench) Close() error {
	var errs []error
	if b.stubbed != nil {
		errs = append(errs, b.stubbed.close())
	}
	for _, cluster := range b.clusters {
		errs = append(errs, cluster.Close())
	}
	b.stubbed = nil
	clear(b.clusters)
	return errors.Join(errs...)
}

// stub gives the endpoint of the stub server.
func (b *Bench) stub(ctx context.Context) (string, error) {
	if b.stubbed == nil {
		s, err := startStub(ctx)
		if err != nil {
			return "", err
		}
		b.stubbed = s
	}
	return b.stubbed.endpoint, nil
}

// etcd35 gives the endpoint of a real etcd 3.5, which has the v2 API too.
func (b *Bench) etcd35(ctx context.Context) (string, error) {
	return b.etcd(ctx, "3.5", harness.BuildEtcd35)
}

// etcd37 gives the endpoint of a real etcd 3.7.
func (b *Bench) etcd37(ctx context.Context) (string, error) {
	return b.etcd(ctx, "3.7", harness.BuildEtcd37)
}

func (b *Bench) etcd(ctx context.Context, minor string, build func(context.Context) (harness.Server, error)) (string, error) {
	if b.clusters[minor] == nil {
		server, err := build(ctx)
		if err != nil {
			return "", err
		}
		cluster, err := harness.StartCluster(ctx, server, harness.Options{})
		if err != nil {
			return "", err
		}
		b.clusters[minor] = cluster
	}
	return b.clusters[minor].Endpoints()[0], nil
}

// play lets all peers do work on an endpoint, in turns. A round has at least so
// many operations.
func (b *Bench) play(endpoint string, least int, work func(p peer, n int) error) ([]measure.Series, error) {
	all, leave, err := peers(endpoint)
	if err != nil {
		return nil, err
	}
	var contestants []measure.Subject
	for i, p := range all {
		contestants = append(contestants, measure.Subject{
			Name: makers()[i].name, Work: func(n int) error { return work(p, n) }, Least: least,
		})
	}
	taken, err := b.runner.Run(contestants)
	return taken, errors.Join(err, leave())
}
