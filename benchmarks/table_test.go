package benchmarks

import (
	"testing"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

func TestTable(t *testing.T) {
	q := quantity{
		"Get", "time", measure.Nanoseconds,
		measure.NewSpread([]float64{1000, 2000, 3000}), measure.NewSpread([]float64{8000}), measure.NewSpread([]float64{999.4}),
	}
	got := Table([]Line{q.against(q.historic, 0.20), q.atMost(2000), q.line()})
	want := `| work | measured | ours | historic | bare net/http | ratio | limit | |
|---|---|--:|--:|--:|--:|--:|---|
| Get | time | 2.00 µs ± 25 % | 8.00 µs | 999 ns | 0.25 | ≤ 0.20 | **missed** |
| Get | time | 2.00 µs ± 25 % | 8.00 µs | 999 ns | – | ≤ 2.00 µs | met |
| Get | time | 2.00 µs ± 25 % | 8.00 µs | 999 ns | – | – |  |
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
