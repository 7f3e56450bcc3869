package benchmarks

import (
	"cmp"
	"fmt"
	"math"
	"strings"
)

// none stands in cells of which there is nothing to say.
const none = "–"

// cellBreak begins a new line within a cell.
const cellBreak = "<br>"

// Table is the lines as a Markdown table.
func Table(lines []Line) string {
	var b strings.Builder
	b.WriteString("| work | measured | ours | historic | bare net/http | ratio | limit | |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|--:|---|\n")
	for _, l := range lines {
		cells := []string{l.Work, l.Measured, l.Ours, l.Historic, l.Other, l.Ratio, l.Limit}
		for i, c := range cells {
			cells[i] = cmp.Or(c, none)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(cells, " | "), l.Verdict)
	}
	return b.String()
}

// A unit writes a value in words.
type unit func(float64) string

// nanoseconds writes a time.
func nanoseconds(v float64) string {
	switch {
	case v < 1e3:
		return figures(v) + " ns"
	case v < 1e6:
		return figures(v/1e3) + " µs"
	case v < 1e9:
		return figures(v/1e6) + " ms"
	}
	return figures(v/1e9) + " s"
}

// bytesOf writes an amount of memory.
func bytesOf(v float64) string {
	switch {
	case v < 1e3:
		return figures(v) + " B"
	case v < 1e6:
		return figures(v/1e3) + " kB"
	}
	return figures(v/1e6) + " MB"
}

// count writes a number of things, of which there may be many or parts.
func count(v float64) string {
	if v >= 100 || v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return figures(v)
}

// figures writes three of them.
func figures(v float64) string {
	switch {
	case v >= 99.95 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case v >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// with writes the median, and half the distance between the quartiles in percent of it.
func (s spread) with(u unit) string {
	if len(s) == 0 {
		return none
	}
	const percent = 100
	around := math.Round((s.at(0.75) - s.at(0.25)) / 2 / s.median() * percent)
	if !(around >= 1) { // not a number, where all is zero
		return u(s.median())
	}
	return fmt.Sprintf("%s ± %.0f %%", u(s.median()), around)
}

// A measured quantity is what three contestants took of it.
type quantity struct {
	work, measured        string
	unit                  unit
	ours, historic, other spread
}

func (q quantity) line() Line {
	return Line{
		Work: q.work, Measured: q.measured,
		Ours: q.ours.with(q.unit), Historic: q.historic.with(q.unit), Other: q.other.with(q.unit),
	}
}

// atMost wants ours to be no more than limit.
func (q quantity) atMost(limit float64) Line {
	l := q.line()
	l.Limit = "≤ " + q.unit(limit)
	l.Verdict = verdict(q.ours.median() <= limit)
	return l
}

// against wants ours to be no more than limit times what peer took.
func (q quantity) against(peer spread, limit float64) Line {
	l := q.line()
	ratio := q.ours.median() / peer.median()
	l.Ratio = fmt.Sprintf("%.2f", ratio)
	l.Limit = fmt.Sprintf("≤ %.2f", limit)
	l.Verdict = verdict(ratio <= limit)
	return l
}
