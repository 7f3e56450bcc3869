package benchmarks

import (
	"context"
	"fmt"
	"strings"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// decoding compares the client's decoder with others. It is not exported, so what
// is measured of ours is a whole recursive Get of a canned reply, while the others
// decode bytes that are in memory.
func decoding(ctx context.Context, b *Bench) ([]Line, error) {
	sizes := []struct {
		nodes int
		speed float64
	}{{100, 1.8}, {100000, 2.5}}
	var lines []Line
	for _, size := range long(b, sizes, sizes[:1]) {
		body := tree(size.nodes)
		o, err := newOurs(config{endpoints: []string{cannedEndpoint}, transport: newCanned(body)})
		if err != nil {
			return nil, err
		}
		all := []measure.Subject{{Name: oursName, Work: func(n int) error {
			return measure.Share(1, n, func() error { return o.getTree(ctx, treeKey) })
		}}}
		for _, d := range decoders() {
			all = append(all, measure.Subject{Name: d.name, Work: func(n int) error {
				return measure.Share(1, n, func() error { return d.decode(body, &document{}) })
			}})
		}
		taken, err := b.runRounds(all)
		if err != nil {
			return nil, err
		}
		call, err := callAllocs(ctx)
		if err != nil {
			return nil, err
		}
		for i := range taken[0] {
			taken[0][i].Allocs -= call
		}
		work := fmt.Sprintf("decode %s nodes (ours: Get, canned reply)", thousands(size.nodes))
		lines = append(lines, speedLine(work, all, taken, size.speed), allocsLine(work, all, taken, size.nodes))
	}
	return lines, nil
}

// callAllocs is how many allocations a Get has besides those of decoding: one
// without a node decodes into one.
func callAllocs(ctx context.Context) (float64, error) {
	const decoding = 1
	o, err := newOurs(config{endpoints: []string{cannedEndpoint}, transport: newCanned([]byte(`{"action":"get","node":{"dir":true}}`))})
	if err != nil {
		return 0, err
	}
	get := func(n int) error { return measure.Share(1, n, func() error { return o.getTree(ctx, treeKey) }) }
	if err = get(1); err != nil {
		return 0, err
	}
	const calls = 1000
	c, err := measure.Work(calls, get)
	return c.Allocs - decoding, err
}

// others names all but ours, with what each took.
func others(all []measure.Subject, taken []measure.Series, what func(measure.Series) measure.Spread, u measure.Unit) string {
	var cells []string
	for i, c := range all[1:] {
		cells = append(cells, c.Name+" "+u(what(taken[i+1]).Median()))
	}
	return strings.Join(cells, cellBreak)
}

// speedLine wants ours to be so many times as fast as the faster json-iterator.
func speedLine(work string, all []measure.Subject, taken []measure.Series, limit float64) Line {
	ours := taken[0].Wall()
	fastest := min(taken[1].Wall().Median(), taken[2].Wall().Median())
	speed := fastest / ours.Median()
	return Line{
		Work: work, Measured: "time", Ours: ours.With(measure.Nanoseconds),
		Other: others(all, taken, measure.Series.Wall, measure.Nanoseconds),
		Ratio: fmt.Sprintf("%.2f × as fast as json-iterator", speed), Limit: fmt.Sprintf("≥ %.1f", limit), Verdict: verdict(speed >= limit),
	}
}

func allocsLine(work string, all []measure.Subject, taken []measure.Series, nodes int) Line {
	const hundred, limit = 100, 14
	per := func(s measure.Series) measure.Spread {
		return s.Of(func(c measure.Cost) float64 { return c.Allocs * hundred / float64(nodes) })
	}
	ours := per(taken[0])
	return Line{
		Work: work, Measured: "allocations per 100 nodes, without the call's own", Ours: ours.With(measure.Count),
		Other: others(all, taken, per, measure.Count),
		Limit: fmt.Sprintf("≤ %d", limit), Verdict: verdict(ours.Median() <= limit),
	}
}
