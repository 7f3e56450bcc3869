package benchmarks

import (
	"fmt"
	"strings"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// A Line is one comparison of a row.
type Line struct {
	// Work says what was done, and Measured what of it.
	Work, Measured string
	// Ours and Todays say what it came to.
	Ours, Todays string
	// Ratio is ours by today's, and Limit the highest that is wanted, or zero.
	Ratio, Limit float64
}

// The limits of ratios.
const (
	noLimit = 0
	equal   = 1
)

// compare makes the lines of what ours and today's took.
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
		ours, todays := q.of(taken[0]), q.of(taken[1])
		lines = append(lines, Line{
			Work: work, Measured: q.measured, Ours: ours.With(q.unit), Todays: todays.With(q.unit),
			Ratio: ours.Median() / todays.Median(), Limit: limit,
		})
	}
	return lines
}

// Table is the lines as a Markdown table.
func Table(lines []Line) string {
	var b strings.Builder
	b.WriteString("| work | measured | ours | today's | ratio | limit | |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|---|\n")
	for _, l := range lines {
		limit, verdict := measure.None, ""
		if l.Limit != noLimit {
			limit, verdict = fmt.Sprintf("≤ %.2f", l.Limit), "met"
			if l.Ratio > l.Limit {
				verdict = "**missed**"
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2f | %s | %s |\n", l.Work, l.Measured, l.Ours, l.Todays, l.Ratio, limit, verdict)
	}
	return b.String()
}
