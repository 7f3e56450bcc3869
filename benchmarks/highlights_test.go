package benchmarks

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// highlighted returns results that have every line which the chart shows; each client
// takes longer than the one before.
func highlighted() Results {
	r := sample()
	for i, h := range highlights() {
		ours := float64(1000 * (i + 1))
		q := quantity{
			work: h.work, measured: processorTime, unit: measure.Nanoseconds,
			ours:     measure.Spread{0.75 * ours, 0.75 * ours, ours, 1.25 * ours, 1.25 * ours},
			historic: measure.Spread{2 * ours}, other: measure.Spread{4 * ours},
		}
		r.Lines = append(r.Lines, q.line())
	}
	return r
}

func TestReadmeRows(t *testing.T) {
	got, err := highlighted().ReadmeRows()
	if err != nil {
		t.Fatal(err)
	}
	want := "| work (processor time) | ours | historic client | net/http + encoding/json |\n" +
		"|---|--:|--:|--:|\n" +
		"| `Get` of a small key | 1.00 µs ± 25 % | 2.00 µs | 4.00 µs |\n" +
		"| recursive `Get` of 100,000 nodes | 5.00 µs ± 25 % | 10.0 µs | 20.0 µs |\n" +
		"| an event: ours of an `Events` stream, the others' by a long poll | 7.00 µs ± 25 % | 14.0 µs | 28.0 µs |\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// Neither the chart nor README's rows leave out what is missing.
func TestHighlights_MissingLine(t *testing.T) {
	outputs := map[string]func(Results) (string, error){"chart": Results.Chart, "readme": Results.ReadmeRows}
	for _, h := range highlights() {
		at := func(r Results) int {
			return slices.IndexFunc(r.Lines, func(l Line) bool { return l.Work == h.work })
		}
		missing := highlighted()
		missing.Lines = slices.Delete(missing.Lines, at(missing), at(missing)+1)
		twice := highlighted()
		twice.Lines = append(twice.Lines, twice.Lines[at(twice)])
		noMedians := highlighted()
		noMedians.Lines[at(noMedians)].Medians = nil
		noFigure := highlighted()
		noFigure.Lines[at(noFigure)].Medians.Historic = 0 // where processor time is not known
		noFigure.Lines[at(noFigure)].Historic = measure.Nanoseconds(0)
		differs := highlighted()
		differs.Lines[at(differs)].Other = "1.00 s"
		for fault, r := range map[string]Results{
			"missing": missing, "twice": twice, "no medians": noMedians, "no figure": noFigure, "a cell that differs": differs,
		} {
			for name, write := range outputs {
				if name == "readme" && h.readme == "" {
					continue
				}
				_, err := write(r)
				if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", h.work)) {
					t.Errorf("%s, %s, %s: got %v", name, h.work, fault, err)
				}
			}
		}
	}
}
