package benchmarks

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/coreos/etcd/client/benchmarks/measure"
)

// newBench returns a Bench that measures as little as it can.
func newBench(t *testing.T) *Bench {
	t.Helper()
	b := New(Options{Rounds: 1, RoundTime: time.Millisecond, Short: true})
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestEveryRowMeasures(t *testing.T) {
	countable(t)
	b := newBench(t)
	var all []Line
	for _, r := range Rows() {
		t.Run(r.Name, func(t *testing.T) {
			lines, err := r.Measure(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if len(lines) == 0 {
				t.Error("no line")
			}
			for _, l := range lines {
				if l.Work == "" || l.Measured == "" || l.Ours == "" || l.Ours == measure.None {
					t.Errorf("an empty cell: %+v", l)
				}
				if (l.Limit == "") != (l.Verdict == NoLimit) {
					t.Errorf("a limit without a verdict, or the other way round: %+v", l)
				}
			}
			all = append(all, lines...)
		})
	}
	t.Logf("numbers that mean little:\n%s", Table(all))
}

// TestCounts asserts what does not depend on how busy the machine is.
func TestCounts(t *testing.T) {
	b := newBench(t)
	t.Run("no goroutine for a request", func(t *testing.T) {
		lines, err := getSmall(t.Context(), b)
		wantMet(t, lines, err, "goroutines started")
	})
	t.Run("goroutines of a watch that waits", func(t *testing.T) {
		lines, err := watcherIdle(t.Context(), b)
		wantMet(t, lines, err, "goroutines")
	})
	t.Run("every event", func(t *testing.T) {
		lines, err := etcdEvents(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if lines[1].Ours == "0" { // or history was lost, and Events has said so
			wantMet(t, lines, nil, "events seen, in order")
		}
	})
}

func wantMet(t *testing.T, lines []Line, err error, measured string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Measured != measured {
			continue
		}
		if l.Verdict != Met {
			t.Errorf("%+v", l)
		}
		return
	}
	t.Errorf("no line about %s", measured)
}

func TestConnectionsAreCounted(t *testing.T) {
	b := newBench(t)
	s, err := b.stub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range makers() {
		const requests = 200
		_, n, err := crowded(t.Context(), s, m, requests)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d connections", m.name, n)
		if n < 1 || n > requests {
			t.Errorf("%s: %d connections for %d requests", m.name, n, requests)
		}
	}
}

func TestEventsAreInOrder(t *testing.T) {
	b := newBench(t)
	s, err := b.stub(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, leave, err := guests(s.endpoints[0], makers())
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	for _, g := range all {
		if err = follow(t.Context(), g.peer)(50); err != nil {
			t.Errorf("%s: %v", g.name, err)
		}
	}
	kapi, err := keysOn(s.endpoints[0], all[0].transport)
	if err != nil {
		t.Fatal(err)
	}
	if err = streamed(t.Context(), kapi, 3000); err != nil {
		t.Error(err)
	}
	repeating := func(context.Context) (uint64, error) { return firstEvent + 1, nil }
	if err := follow(t.Context(), onlyWatch{repeating})(2); !errors.Is(err, errOutOfOrder) {
		t.Errorf("an event that comes twice: %v", err)
	}
}

// onlyWatch is a peer whose watch is given.
type onlyWatch struct {
	next func(context.Context) (uint64, error)
}

func (onlyWatch) get(context.Context, string) error         { return nil }
func (onlyWatch) getTree(context.Context, string) error     { return nil }
func (onlyWatch) set(context.Context, string, string) error { return nil }
func (onlyWatch) answer(context.Context, string, bool) (*document, error) {
	return nil, nil
}

func (o onlyWatch) watch(string, uint64) func(context.Context) (uint64, error) { return o.next }

// countable has instructions counted of a program that valgrind can run.
func countable(t *testing.T) {
	t.Helper()
	if !raceDetector {
		return
	}
	program := filepath.Join(t.TempDir(), "instructions")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/instructions")
	cmd.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Setenv(programVariable, program)
}

func TestInstructionsAreRepeatable(t *testing.T) {
	countable(t)
	_, missing := exec.LookPath("valgrind")
	var counts []float64
	for range 2 {
		n, err := Instructions(t.Context(), Work{Client: bareName, Verb: "get"}, 500)
		if missing != nil {
			if !errors.Is(err, ErrNoValgrind) {
				t.Errorf("without valgrind: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		counts = append(counts, n)
	}
	if counts[0] < 1000 || counts[0] > 1.5*counts[1] || counts[1] > 1.5*counts[0] {
		t.Errorf("%.0f instructions for the same work", counts)
	}
}
