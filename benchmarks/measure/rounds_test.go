package benchmarks

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestContestantsPlayInTurns(t *testing.T) {
	b := New(Options{Rounds: 3, RoundTime: time.Nanosecond})
	var order []string
	var all []contestant
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, contestant{name: name, work: func(int) error {
			order = append(order, name)
			return nil
		}})
	}
	taken, err := b.play(all)
	if err != nil {
		t.Fatal(err)
	}
	// First each is tried out.
	if got := strings.Join(order[len(order)-9:], ""); got != "abcbcacab" {
		t.Errorf("order %q", got)
	}
	for _, s := range taken {
		if len(s) != 3 {
			t.Errorf("%d rounds", len(s))
		}
	}
}

func TestAnErrorEndsTheGame(t *testing.T) {
	boom := errors.New("boom")
	tries := 0
	b := New(Options{Rounds: 3, RoundTime: time.Nanosecond})
	_, err := b.play([]contestant{{name: "a", work: func(int) error {
		if tries++; tries > 2 {
			return boom
		}
		return nil
	}}})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), "a: ") {
		t.Errorf("got %v", err)
	}
}

func TestShare(t *testing.T) {
	for _, goroutines := range []int{1, 8} {
		var done atomic.Int64
		err := share(goroutines, 1000, func() error {
			done.Add(1)
			return nil
		})
		if err != nil || done.Load() != 1000 {
			t.Errorf("%d goroutines: %d operations, %v", goroutines, done.Load(), err)
		}
		boom := errors.New("boom")
		if err = share(goroutines, 1000, func() error { return boom }); !errors.Is(err, boom) {
			t.Errorf("%d goroutines: %v", goroutines, err)
		}
	}
}

func TestSpread(t *testing.T) {
	s := newSpread([]float64{5, 1, 4, 2, 3})
	if got := []float64{s.at(0), s.at(0.25), s.median(), s.at(0.75), s.at(1)}; !slices.Equal(got, []float64{1, 2, 3, 4, 5}) {
		t.Errorf("got %v", got)
	}
	if got := newSpread([]float64{1, 2}).median(); got != 1.5 {
		t.Errorf("median of 1 and 2: %v", got)
	}
	if got := newSpread(nil).median(); got != 0 {
		t.Errorf("median of nothing: %v", got)
	}
}

func TestTable(t *testing.T) {
	q := quantity{
		"Get", "time", nanoseconds,
		newSpread([]float64{1000, 2000, 3000}), newSpread([]float64{8000}), newSpread([]float64{999.4}),
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
	for v, want := range map[float64]string{0: "0 B", 950: "950 B", 1000: "1.00 kB", 12345: "12.3 kB", 11.5e6: "11.5 MB"} {
		if got := bytesOf(v); got != want {
			t.Errorf("%v bytes: %q, want %q", v, got, want)
		}
	}
}
