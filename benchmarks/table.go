package benchmarks

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

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
			cells[i] = cmp.Or(c, measure.None)
		}
		verdict := l.Verdict
		if verdict == Missed {
			verdict = "**" + verdict + "**"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(cells, " | "), verdict)
	}
	return b.String()
}

// A quantity is what three subjects took of something.
type quantity struct {
	work, measured        string
	unit                  measure.Unit
	ours, historic, other measure.Spread
}

func (q quantity) line() Line {
	return Line{
		Work: q.work, Measured: q.measured,
		Ours: q.ours.With(q.unit), Historic: q.historic.With(q.unit), Other: q.other.With(q.unit),
		Medians: &Medians{Ours: q.ours.Median(), Historic: q.historic.Median(), Other: q.other.Median()},
	}
}

// atMost wants ours to be no more than limit.
func (q quantity) atMost(limit float64) Line {
	l := q.line()
	l.Limit = "≤ " + q.unit(limit)
	l.Verdict = verdict(q.ours.Median() <= limit)
	return l
}

// atMostMore wants ours to be no more than what the bare client took, and more.
func (q quantity) atMostMore(more float64) Line {
	l := q.line()
	limit := q.other.Median() + more
	l.Limit = fmt.Sprintf("≤ bare + %s", q.unit(more))
	l.Ratio = fmt.Sprintf("%.2f", q.ours.Median()/q.other.Median())
	l.Verdict = verdict(q.ours.Median() <= limit)
	return l
}

// against wants ours to be no more than limit times what peer took.
func (q quantity) against(peer measure.Spread, limit float64) Line {
	l := q.line()
	ratio := q.ours.Median() / peer.Median()
	l.Ratio = fmt.Sprintf("%.2f", ratio)
	l.Limit = fmt.Sprintf("≤ %.2f", limit)
	l.Verdict = verdict(ratio <= limit)
	return l
}
