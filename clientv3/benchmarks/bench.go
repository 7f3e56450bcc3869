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
}

const (
	defaultRounds    = 20
	defaultRoundTime = 50 * time.Millisecond
)

// A Bench is what rows are measured with: servers, which start when a row first
// needs them. It is for one goroutine.
type Bench struct {
	game    measure.Game
	stubbed *stub
	cluster *harness.Cluster
}

// New makes a Bench. The caller must call Close.
func New(o Options) *Bench {
	g := measure.Game{Rounds: o.Rounds, RoundTime: o.RoundTime}
	if g.Rounds <= 0 {
		g.Rounds = defaultRounds
	}
	if g.RoundTime <= 0 {
		g.RoundTime = defaultRoundTime
	}
	return &Bench{game: g}
}

// Close ends the servers.
func (b *Bench) Close() error {
	var errs []error
	if b.stubbed != nil {
		errs = append(errs, b.stubbed.close())
	}
	if b.cluster != nil {
		errs = append(errs, b.cluster.Close())
	}
	b.stubbed, b.cluster = nil, nil
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

// etcd gives the endpoint of a real etcd 3.5.
func (b *Bench) etcd(ctx context.Context) (string, error) {
	if b.cluster == nil {
		server, err := harness.BuildEtcd35(ctx)
		if err != nil {
			return "", err
		}
		cluster, err := harness.StartCluster(ctx, server, harness.Options{})
		if err != nil {
			return "", err
		}
		b.cluster = cluster
	}
	return b.cluster.Endpoints()[0], nil
}

// play lets all peers do work on an endpoint, in turns. A round has at least so
// many operations.
func (b *Bench) play(endpoint string, least int, work func(p peer, n int) error) ([]measure.Series, error) {
	all, leave, err := peers(endpoint)
	if err != nil {
		return nil, err
	}
	var contestants []measure.Contestant
	for i, p := range all {
		contestants = append(contestants, measure.Contestant{
			Name: makers()[i].name, Work: func(n int) error { return work(p, n) }, Least: least,
		})
	}
	taken, err := b.game.Play(contestants)
	return taken, errors.Join(err, leave())
}
