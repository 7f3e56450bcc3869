package benchmarks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

func TestEveryRowMeasures(t *testing.T) {
	b := New(Options{Rounds: 1, RoundTime: time.Nanosecond, Short: true})
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range Contests() {
		for _, r := range c.Rows {
			t.Run(r.Name, func(t *testing.T) {
				lines, err := r.Measure(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				if len(lines) == 0 {
					t.Error("no lines")
				}
				for _, l := range lines {
					wantMeasured(t, l, len(c.Contestants))
				}
			})
		}
	}
}

func wantMeasured(t *testing.T, l Line, contestants int) {
	t.Helper()
	if len(l.Taken) != contestants || len(l.Ratios) != contestants-1 {
		t.Errorf("%s, %s: %d contestants", l.Work, l.Measured, len(l.Taken))
		return
	}
	for i, ratio := range l.Ratios {
		tookPart := l.Taken[i+1] != measure.None
		// A short round may take less processor time than the clock's tick.
		if l.Measured != "processor time" && !(ratio > 0) == tookPart {
			t.Errorf("%s, %s: %s by %s", l.Work, l.Measured, l.Taken[0], l.Taken[i+1])
		}
	}
	if withoutV2 := strings.Contains(l.Work, "etcd 3.7"); l.Taken[0] == measure.None || withoutV2 != slices.Contains(l.Taken, measure.None) {
		t.Errorf("%s, %s: %v", l.Work, l.Measured, l.Taken)
	}
}

// The rows show time, which depends on the machine; allocations hardly do.
func TestCallsAllocateLessThanTodays(t *testing.T) {
	s, err := startStub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, leave, err := peers(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for what, do := range map[string]func(context.Context, peer) error{
		"get": getOf, "put": putOf, "txn": txnOf,
	} {
		var allocations []float64
		for _, p := range all {
			allocations = append(allocations, allocationsOf(t, 1000, func(ctx context.Context) error { return do(ctx, p) }))
		}
		if allocations[0] >= allocations[1] {
			t.Errorf("%s: %.0f allocations, and %.0f of today's client", what, allocations[0], allocations[1])
		}
	}
	if err = errors.Join(leave(), s.close()); err != nil {
		t.Error(err)
	}
}

func TestFailuresOfTheServerAreTold(t *testing.T) {
	s, err := startStub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, leave, err := peers(s.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if err = s.close(); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for i, p := range all {
		for what, err := range map[string]error{
			"get": p.get(ctx), "put": p.put(ctx), "txn": p.txn(ctx),
			"watch": p.watch(ctx, watchKey(1), 1), "keepalive": p.keepAlive(ctx, 1, 1),
		} {
			if err == nil {
				t.Errorf("%s, %s: no error", makers()[i].name, what)
			}
		}
	}
	if err = leave(); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestTable(t *testing.T) {
	taken := []measure.Series{
		{{Wall: 1000, CPU: 2000, Bytes: 300, Allocs: 4}},
		{{Wall: 2000, CPU: 1000, Bytes: 300, Allocs: 8}},
	}
	two := Contest{Contestants: []string{"ours", "today's"}}
	got := two.Table(append(compare("Get", taken, equal), compare("Put", taken, noLimit)[0]))
	want := `| work | measured | ours | today's | ratio | limit | |
|---|---|--:|--:|--:|--:|---|
| Get | time | 1.00 µs | 2.00 µs | 0.50 | ≤ 1.00 | met |
| Get | processor time | 2.00 µs | 1.00 µs | 2.00 | ≤ 1.00 | **missed** |
| Get | allocations | 4 | 8 | 0.50 | ≤ 1.00 | met |
| Get | bytes | 300 B | 300 B | 1.00 | ≤ 1.00 | met |
| Put | time | 1.00 µs | 2.00 µs | 0.50 | – | |
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	three := Contest{Contestants: []string{"a", "b", "c"}}
	got = three.Table(compare("Get", []measure.Series{taken[0], nil, taken[1]}, noLimit)[:1])
	want = `| work | measured | a | b | ratio | c | ratio |
|---|---|--:|--:|--:|--:|--:|
| Get | time | 1.00 µs | – | – | 2.00 µs | 0.50 |
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
