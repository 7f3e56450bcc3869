package benchmarks

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
	"github.com/coreos/etcd/client/integration/harness"
)

// Options say how much is measured.
type Options struct {
	// Rounds is how many rounds each subject has; zero means 20.
	Rounds int
	// RoundTime is how long a round takes at least; zero means 20 ms.
	RoundTime time.Duration
	// Short makes everything small and quick, to see that it works. Its numbers
	// mean little.
	Short bool
}

const (
	defaultRounds    = 20
	defaultRoundTime = 20 * time.Millisecond
)

// A Bench is what rows are measured with: servers, which start when a row first
// needs them. It is for one goroutine.
type Bench struct {
	options Options
	stubbed *stub
	cluster *harness.Cluster
}

// New makes a Bench. The caller must call Close.
func New(o Options) *Bench {
	if o.Rounds <= 0 {
		o.Rounds = defaultRounds
	}
	if o.RoundTime <= 0 {
		o.RoundTime = defaultRoundTime
	}
	return &Bench{options: o}
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

// runRounds runs interleaved rounds of the subjects, as many and as long as the options say.
func (b *Bench) runRounds(subjects []measure.Subject) ([]measure.Series, error) {
	return measure.Runner{Rounds: b.options.Rounds, RoundTime: b.options.RoundTime}.Run(subjects)
}

// stub returns the stub server.
func (b *Bench) stub(ctx context.Context) (*stub, error) {
	if b.stubbed == nil {
		s, err := startStub(ctx)
		if err != nil {
			return nil, err
		}
		b.stubbed = s
	}
	return b.stubbed, nil
}

// etcd returns the endpoint of a real etcd.
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

// long returns full, or short where the options ask for little.
func long[T any](b *Bench, full, short T) T {
	if b.options.Short {
		return short
	}
	return full
}

// A guest is a peer with a transport of its own.
type guest struct {
	name string
	peer
	transport *http.Transport
}

// guests returns all peers for an endpoint, each with a transport of its own, which
// leave closes.
func guests(endpoint string, makers []maker) (all []guest, leave func(), err error) {
	leave = func() {
		for _, g := range all {
			g.transport.CloseIdleConnections()
		}
	}
	for _, m := range makers {
		t := newTransport()
		p, err := m.make(config{endpoints: []string{endpoint}, transport: t})
		if err != nil {
			return nil, nil, err
		}
		all = append(all, guest{m.name, p, t})
	}
	return all, leave, nil
}
