package measure_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

func TestRunner_InterleavesRounds(t *testing.T) {
	runner := measure.Runner{Rounds: 3, RoundTime: time.Nanosecond}
	var order []string
	var all []measure.Subject
	for _, name := range []string{"a", "b", "c"} {
		all = append(all, measure.Subject{Name: name, Work: func(int) error {
			order = append(order, name)
			return nil
		}})
	}
	taken, err := runner.Run(all)
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

func TestRunner_EndsWithAnError(t *testing.T) {
	boom := errors.New("boom")
	tries := 0
	runner := measure.Runner{Rounds: 3, RoundTime: time.Nanosecond}
	_, err := runner.Run([]measure.Subject{{Name: "a", Work: func(int) error {
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
		err := measure.Share(goroutines, 1000, func() error {
			done.Add(1)
			return nil
		})
		if err != nil || done.Load() != 1000 {
			t.Errorf("%d goroutines: %d operations, %v", goroutines, done.Load(), err)
		}
		boom := errors.New("boom")
		if err = measure.Share(goroutines, 1000, func() error { return boom }); !errors.Is(err, boom) {
			t.Errorf("%d goroutines: %v", goroutines, err)
		}
	}
}

func TestSpread(t *testing.T) {
	s := measure.NewSpread([]float64{5, 1, 4, 2, 3})
	if got := []float64{s.At(0), s.At(0.25), s.Median(), s.At(0.75), s.At(1)}; !slices.Equal(got, []float64{1, 2, 3, 4, 5}) {
		t.Errorf("got %v", got)
	}
	if got := measure.NewSpread([]float64{1, 2}).Median(); got != 1.5 {
		t.Errorf("median of 1 and 2: %v", got)
	}
	if got := measure.NewSpread(nil).Median(); got != 0 {
		t.Errorf("median of nothing: %v", got)
	}
}

func TestUnits(t *testing.T) {
	for v, want := range map[float64]string{0: "0 B", 950: "950 B", 1000: "1.00 kB", 12345: "12.3 kB", 11.5e6: "11.5 MB"} {
		if got := measure.Bytes(v); got != want {
			t.Errorf("%v bytes: %q, want %q", v, got, want)
		}
	}
}
