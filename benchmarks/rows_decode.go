package benchmarks

import (
	"context"
	"fmt"
	"strings"
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
		all := []contestant{{name: oursName, work: func(n int) error {
			return share(1, n, func() error { return o.getTree(ctx, treeKey) })
		}}}
		for _, d := range decoders() {
			all = append(all, contestant{name: d.name, work: func(n int) error {
				return share(1, n, func() error { return d.decode(body, &document{}) })
			}})
		}
		taken, err := b.play(all)
		if err != nil {
			return nil, err
		}
		call, err := callAllocs(ctx)
		if err != nil {
			return nil, err
		}
		for i := range taken[0] {
			taken[0][i].allocs -= call
		}
		work := fmt.Sprintf("decode %s nodes (ours: Get, canned reply)", thousands(size.nodes))
		lines = append(lines, speedLine(work, all, taken, size.speed), allocsLine(work, all, taken, size.nodes))
	}
	return lines, nil
}

// callAllocs is how many allocations a Get makes besides those of decoding: one
// without a node decodes into one.
func callAllocs(ctx context.Context) (float64, error) {
	const decoding = 1
	o, err := newOurs(config{endpoints: []string{cannedEndpoint}, transport: newCanned([]byte(`{"action":"get","node":{"dir":true}}`))})
	if err != nil {
		return 0, err
	}
	get := func(n int) error { return share(1, n, func() error { return o.getTree(ctx, treeKey) }) }
	if err = get(1); err != nil {
		return 0, err
	}
	const calls = 1000
	c, err := measure(calls, get)
	return c.allocs - decoding, err
}

// others names all but ours, with what each took.
func others(all []contestant, taken []series, what func(series) spread, u unit) string {
	var cells []string
	for i, c := range all[1:] {
		cells = append(cells, c.name+" "+u(what(taken[i+1]).median()))
	}
	return strings.Join(cells, cellBreak)
}

// speedLine wants ours to be so many times as fast as the faster json-iterator.
func speedLine(work string, all []contestant, taken []series, limit float64) Line {
	ours := taken[0].wall()
	fastest := min(taken[1].wall().median(), taken[2].wall().median())
	speed := fastest / ours.median()
	return Line{
		Work: work, Measured: "time", Ours: ours.with(nanoseconds),
		Other: others(all, taken, series.wall, nanoseconds),
		Ratio: fmt.Sprintf("%.2f × as fast as json-iterator", speed), Limit: fmt.Sprintf("≥ %.1f", limit), Verdict: verdict(speed >= limit),
	}
}

func allocsLine(work string, all []contestant, taken []series, nodes int) Line {
	const hundred, limit = 100, 14
	per := func(s series) spread {
		return s.of(func(c cost) float64 { return c.allocs * hundred / float64(nodes) })
	}
	ours := per(taken[0])
	return Line{
		Work: work, Measured: "allocations per 100 nodes, without the call's own", Ours: ours.with(count),
		Other: others(all, taken, per, count),
		Limit: fmt.Sprintf("≤ %d", limit), Verdict: verdict(ours.median() <= limit),
	}
}
