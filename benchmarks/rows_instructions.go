package benchmarks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// counted counts the instructions of each work, or returns a line with the reason why not.
func counted(ctx context.Context, name string, n int, works ...Work) ([]float64, []Line, error) {
	var counts []float64
	for _, w := range works {
		one, err := Instructions(ctx, w, n)
		if errors.Is(err, ErrNoValgrind) {
			return nil, []Line{{Work: name, Measured: "instructions", Ours: "not measured: no valgrind"}}, nil
		}
		if err != nil {
			return nil, nil, err
		}
		counts = append(counts, one)
	}
	return counts, nil, nil
}

// callInstructions is the work of getSmall and setSmall, counted: it does not depend
// on what else the machine does. It has no limit, since the one in time is not known
// in instructions.
func callInstructions(ctx context.Context, b *Bench) ([]Line, error) {
	var all []Line
	for _, verb := range []string{"Get", "Set"} {
		name := verb + ", canned reply"
		var works []Work
		for _, m := range wireMakers() {
			works = append(works, Work{Client: m.name, Verb: strings.ToLower(verb)})
		}
		counts, lines, err := counted(ctx, name, long(b, 3000, 500), works...)
		if counts == nil {
			return lines, err
		}
		for i, note := range []string{"", readingOnly} {
			other := counts[2+i]
			line := quantity{name, "instructions (callgrind)" + note, measure.Count, counts[:1], counts[1:2], measure.Spread{other}}.line()
			line.Ratio = fmt.Sprintf("%.2f", counts[0]/other)
			all = append(all, line)
		}
	}
	return all, nil
}

// decodeInstructions is the work of decoding, counted. Of the larger tree, which
// takes valgrind long, json-iterator is the only other.
func decodeInstructions(ctx context.Context, b *Bench) ([]Line, error) {
	const limit = 0.40
	sizes := []struct{ nodes, times int }{{100, 400}, {10000, 4}}
	var all []Line
	for _, size := range long(b, sizes, sizes[:1]) {
		name := fmt.Sprintf("decode %s nodes (ours: Get, canned reply)", thousands(size.nodes))
		works := []Work{{Client: oursName, Verb: "tree", Nodes: size.nodes}}
		compared := decoders()
		if size.nodes > sizes[0].nodes {
			compared = compared[:2]
		}
		for _, d := range compared {
			works = append(works, Work{Client: d.name, Verb: "decode", Nodes: size.nodes})
		}
		counts, lines, err := counted(ctx, name, long(b, size.times, 20), works...)
		if counts == nil {
			return lines, err
		}
		var other []string
		for i, d := range compared {
			other = append(other, d.name+" "+measure.Count(counts[i+1]))
		}
		ratio := counts[0] / min(counts[1], counts[2])
		all = append(all, Line{
			Work: name, Measured: "instructions (callgrind)", Ours: measure.Count(counts[0]), Other: strings.Join(other, cellBreak),
			Ratio: fmt.Sprintf("%.2f of json-iterator", ratio), Limit: fmt.Sprintf("≤ %.2f", limit), Verdict: verdict(ratio <= limit),
		})
	}
	return all, nil
}
