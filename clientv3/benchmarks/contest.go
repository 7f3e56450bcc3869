package benchmarks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// A Contest is a table: who is compared, and in what.
type Contest struct {
	// Contestants are the names of those who are compared; the first is compared
	// with each of the others.
	Contestants []string
	Rows        []Row
}

// A Row is a piece of work that the contestants are compared in.
type Row struct {
	// Name selects the row.
	Name string
	// Measure does the work. Its error says why nothing was measured; a missed
	// limit is no error.
	Measure func(context.Context, *Bench) ([]Line, error)
}

// Contests are all tables.
func Contests() []Contest {
	return []Contest{
		{Contestants: []string{"ours", "today's"}, Rows: clientRows()},
		{Contestants: []string{"bridge", "v2 API", "clientv3"}, Rows: bridgeRows()},
	}
}

// A Line is one comparison of a row.
type Line struct {
	// Work says what was done, and Measured what of it.
	Work, Measured string
	// Taken says what it came to, by contestant.
	Taken []string
	// Ratios are those of the first to each of the others; zero where one took no
	// part.
	Ratios []float64
	// Limit is the highest ratio that is wanted, or zero.
	Limit float64
}

// The limits of ratios.
const (
	noLimit = 0
	equal   = 1
)

// compare makes the lines of what each took, or of nothing for one that took no part.
func compare(work string, taken []measure.Series, limit float64) []Line {
	var lines []Line
	for _, q := range []struct {
		measured string
		unit     measure.Unit
		of       func(measure.Series) measure.Spread
	}{
		{"time", measure.Nanoseconds, measure.Series.Wall},
		{"processor time", measure.Nanoseconds, measure.Series.CPU},
		{"allocations", measure.Count, measure.Series.Allocs},
		{"bytes", measure.Bytes, measure.Series.Bytes},
	} {
		l := Line{Work: work, Measured: q.measured, Limit: limit}
		for i, s := range taken {
			spread := q.of(s)
			l.Taken = append(l.Taken, spread.With(q.unit))
			switch {
			case i > 0 && len(s) > 0:
				l.Ratios = append(l.Ratios, q.of(taken[0]).Median()/spread.Median())
			case i > 0:
				l.Ratios = append(l.Ratios, 0)
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// Table is the lines of its rows as a Markdown table, with limits if there are any.
func (c Contest) Table(lines []Line) string {
	header, rule := []string{"work", "measured", c.Contestants[0]}, "|---|---|--:|"
	for _, name := range c.Contestants[1:] {
		header, rule = append(header, name, "ratio"), rule+"--:|--:|"
	}
	limited := slices.ContainsFunc(lines, func(l Line) bool { return l.Limit != noLimit })
	if limited {
		header, rule = append(header, "limit", ""), rule+"--:|---|"
	}
	var b strings.Builder
	writeRow(&b, header)
	b.WriteString(rule + "\n")
	for _, l := range lines {
		cells := []string{l.Work, l.Measured, l.Taken[0]}
		for i, ratio := range l.Ratios {
			written := measure.None
			if ratio != 0 {
				written = fmt.Sprintf("%.2f", ratio)
			}
			cells = append(cells, l.Taken[i+1], written)
		}
		if limited {
			cells = append(cells, l.verdict()...)
		}
		writeRow(&b, cells)
	}
	return b.String()
}

func writeRow(b *strings.Builder, cells []string) {
	for _, cell := range cells {
		b.WriteString(strings.TrimSuffix("| "+cell, " ") + " ")
	}
	b.WriteString("|\n")
}

// verdict gives the limit and whether it is met.
func (l *Line) verdict() []string {
	switch {
	case l.Limit == noLimit:
		return []string{measure.None, ""}
	case slices.Max(l.Ratios) > l.Limit:
		return []string{fmt.Sprintf("≤ %.2f", l.Limit), "**missed**"}
	}
	return []string{fmt.Sprintf("≤ %.2f", l.Limit), "met"}
}
