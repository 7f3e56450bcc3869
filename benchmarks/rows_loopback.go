package benchmarks

import (
	"context"
	"errors"
	"fmt"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// loopbackGet is a Get over the loopback interface, where a server that has
// nothing to do answers: what remains is net/http's cost, which all pay.
func loopbackGet(ctx context.Context, b *Bench) ([]Line, error) {
	return loopback(ctx, b, "Get", func(ctx context.Context, p peer) error { return p.get(ctx, smallKey) })
}

// loopbackSet is the same of a Set.
func loopbackSet(ctx context.Context, b *Bench) ([]Line, error) {
	return loopback(ctx, b, "Set", func(ctx context.Context, p peer) error { return p.set(ctx, smallKey, "10.0.42.17:8080") })
}

func loopback(ctx context.Context, b *Bench, verb string, do func(context.Context, peer) error) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // as most benchmarks have it: nothing to wait for
	var lines []Line
	for _, goroutines := range []int{1, 8, 64} {
		all, leave, err := guests(s.endpoints[0], wireMakers())
		if err != nil {
			return nil, err
		}
		taken, err := b.runRounds(asSubjects(all, goroutines, func(p peer) error { return do(ctx, p) }))
		leave()
		if err != nil {
			return nil, err
		}
		work := loopbackWork(verb)
		if goroutines > 1 {
			work += fmt.Sprintf(", %d at a time", goroutines)
		}
		wall := of(work, "time", measure.Nanoseconds, taken, measure.Series.Wall)
		cpu := of(work, processorTime, measure.Nanoseconds, taken, measure.Series.CPU)
		reading := []measure.Series{taken[0], taken[1], taken[3]}
		wire := of(work, processorTime+readingOnly, measure.Nanoseconds, reading, measure.Series.CPU)
		// The time has no limit: it depends on what else the machine does.
		timed := wall.line()
		timed.Ratio = fmt.Sprintf("%.2f", wall.ours.Median()/wall.other.Median())
		lines = append(lines, timed, cpu.against(cpu.other, wireLimit), wire.against(wire.other, wireLimit))
		if goroutines > 1 {
			continue
		}
		allocs := of(work, "allocations", measure.Count, taken, measure.Series.Allocs)
		lines = append(lines, allocs.atMostMore(extraAllocs))
	}
	return lines, nil
}

// loopbackWork returns what the lines of a verb call their work.
func loopbackWork(verb string) string { return verb + ", loopback" }

// leastShare is how many operations of a round each goroutine has, so that most of
// the time all are at work.
const leastShare = 16

func asSubjects(all []guest, goroutines int, do func(peer) error) []measure.Subject {
	least := 1
	if goroutines > 1 {
		least = leastShare * goroutines
	}
	var made []measure.Subject
	for _, g := range all {
		made = append(made, measure.Subject{Name: g.name, Work: func(n int) error {
			return measure.Share(goroutines, n, func() error { return do(g.peer) })
		}, Least: least})
	}
	return made
}

const (
	// crowd is how many goroutines share a client.
	crowd = 64
	// maxConnectionRounds bounds the connections that are left in TIME_WAIT.
	maxConnectionRounds = 8
)

// connections counts how many a crowd on one client needs where the caller leaves
// the transport to the client.
func connections(ctx context.Context, b *Bench) ([]Line, error) {
	s, err := b.stub(ctx)
	if err != nil {
		return nil, err
	}
	requests := long(b, 2000, 200)
	taken := make([]measure.Series, len(makers()))
	accepted := make([]measure.Spread, len(makers()))
	for range min(b.options.Rounds, maxConnectionRounds) {
		for i, m := range makers() {
			c, n, err := crowded(ctx, s, m, requests)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", m.name, err)
			}
			taken[i] = append(taken[i], c)
			accepted[i] = append(accepted[i], float64(n))
		}
	}
	for i, a := range accepted {
		accepted[i] = measure.NewSpread(a)
	}
	work := fmt.Sprintf("%d Gets, %d at a time, default transport", requests, crowd)
	rate := func(s measure.Series) measure.Spread {
		return s.Of(func(c measure.Cost) float64 { return 1e9 / c.Wall })
	}
	rates := of(work, "requests per second", measure.Count, taken, rate)
	line := rates.line()
	ratio := rates.ours.Median() / rates.historic.Median()
	line.Ratio, line.Limit, line.Verdict = fmt.Sprintf("%.2f", ratio), "≥ 2", verdict(ratio >= 2)
	return []Line{
		quantity{work, "connections", measure.Count, accepted[0], accepted[1], accepted[2]}.atMost(crowd),
		line,
	}, nil
}

// crowded sends that many requests by a new client on its own default transport,
// which has no connections yet.
func crowded(ctx context.Context, s *stub, m maker, requests int) (measure.Cost, int, error) {
	t, ok := defaultTransportOf(m.name)
	if !ok {
		return measure.Cost{}, 0, errors.New("the default transport is not an http.Transport")
	}
	t.CloseIdleConnections()
	defer t.CloseIdleConnections()
	p, err := m.make(config{endpoints: s.endpoints[:1]})
	if err != nil {
		return measure.Cost{}, 0, err
	}
	if _, err = s.accepted(); err != nil {
		return measure.Cost{}, 0, err
	}
	c, err := measure.Work(requests, func(n int) error {
		return measure.Share(crowd, n, func() error { return p.get(ctx, smallKey) })
	})
	if err != nil {
		return measure.Cost{}, 0, err
	}
	n, err := s.accepted()
	return c, n, err
}
