package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// coldStarts is how many new clients are tried until one begins with the endpoint
// that is down: which one is first is the client's choice.
const coldStarts = 100

// deadEndpoint is a cluster of three of which one is down: how often the client
// tries it again, and what callers notice.
func deadEndpoint(ctx context.Context, b *Bench) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	length := long(b, 3*time.Second, 200*time.Millisecond)
	var results []deadResult
	for _, m := range makers()[:2] {
		r, err := withDead(ctx, s, m, length)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		results = append(results, r)
	}
	ours, historic := results[0], results[1]
	work := fmt.Sprintf("Get, one endpoint of three down, one and then %d at a time", crowd)
	pair := func(measured string, u measure.Unit, what func(deadResult) float64) quantity {
		return quantity{work, measured, u, measure.Spread{what(ours)}, measure.Spread{what(historic)}, nil}
	}
	return []Line{
		pair("dials to it per second", measure.Figures, func(r deadResult) float64 { return r.dials }).atMost(1),
		pair("slowest request", measure.Nanoseconds, func(r deadResult) float64 { return float64(r.slowest) }).line(),
		pair("requests per second", measure.Count, func(r deadResult) float64 { return r.rate }).line(),
	}, nil
}

type deadResult struct {
	dials   float64 // per second
	rate    float64 // requests per second
	slowest time.Duration
}

// withDead sends requests for so long by a client whose first one met the dead endpoint.
func withDead(ctx context.Context, s *stub, m maker, length time.Duration) (deadResult, error) {
	dead, err := freeAddress(ctx)
	if err != nil {
		return deadResult{}, err
	}
	var dials atomic.Int64
	for range coldStarts {
		t := newTransport()
		dialer := &net.Dialer{}
		t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == dead {
				dials.Add(1)
			}
			return dialer.DialContext(ctx, network, address)
		}
		p, err := m.make(config{endpoints: append(slices.Clone(s.endpoints), "http://"+dead), transport: t})
		if err != nil {
			return deadResult{}, err
		}
		slowest, err := timed(func() error { return p.get(ctx, smallKey) })
		if err != nil {
			return deadResult{}, err
		}
		if dials.Load() == 0 {
			t.CloseIdleConnections()
			continue
		}
		dials.Store(0)
		r, err := crowdFor(length, func() error { return p.get(ctx, smallKey) })
		r.dials = float64(dials.Load()) / length.Seconds()
		r.slowest = max(r.slowest, slowest)
		t.CloseIdleConnections()
		return r, err
	}
	return deadResult{}, errors.New("no client began with the endpoint that is down")
}

// crowdFor lets a crowd do it again and again for so long.
func crowdFor(length time.Duration, do func() error) (deadResult, error) {
	var requests, slowest atomic.Int64
	began := time.Now()
	err := measure.Share(crowd, crowd, func() error {
		for time.Since(began) < length {
			took, err := timed(do)
			if err != nil {
				return err
			}
			requests.Add(1)
			for old := slowest.Load(); old < int64(took) && !slowest.CompareAndSwap(old, int64(took)); {
				old = slowest.Load()
			}
		}
		return nil
	})
	return deadResult{rate: float64(requests.Load()) / time.Since(began).Seconds(), slowest: time.Duration(slowest.Load())}, err
}

func timed(do func() error) (time.Duration, error) {
	began := time.Now()
	err := do()
	return time.Since(began), err
}

// freeAddress is one that nothing listens at.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
