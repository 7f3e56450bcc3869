package benchmarks

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A cost is what one operation took.
type cost struct {
	wall, cpu     float64 // nanoseconds; cpu is of all threads of this process
	bytes, allocs float64 // of all goroutines of this process
}

// measure does work, which is n operations, and says what each of them took.
func measure(n int, work func(n int) error) (cost, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processorTime()
	began := time.Now()
	err := work(n)
	wall := time.Since(began)
	cpu = processorTime() - cpu
	runtime.ReadMemStats(&after)
	each := func(total float64) float64 { return total / float64(n) }
	return cost{
		wall: each(float64(wall)), cpu: each(float64(cpu)),
		bytes: each(float64(after.TotalAlloc - before.TotalAlloc)),
		// Rounded down, as package testing does: what is over is the runtime's own.
		allocs: math.Floor(each(float64(after.Mallocs - before.Mallocs))),
	}, err
}

// A spread is what was measured in many rounds, in ascending order.
type spread []float64

func newSpread(values []float64) spread {
	s := slices.Clone(values)
	slices.Sort(s)
	return s
}

// at gives the value below which that part of all values is.
func (s spread) at(part float64) float64 {
	if len(s) == 0 {
		return 0
	}
	place := part * float64(len(s)-1)
	low := int(place)
	high := min(low+1, len(s)-1)
	return s[low] + (s[high]-s[low])*(place-float64(low))
}

func (s spread) median() float64 { return s.at(0.5) }

// A series is what the rounds of one contestant took.
type series []cost

func (s series) of(what func(cost) float64) spread {
	values := make([]float64, len(s))
	for i, c := range s {
		values[i] = what(c)
	}
	return newSpread(values)
}

func (s series) wall() spread   { return s.of(func(c cost) float64 { return c.wall }) }
func (s series) cpu() spread    { return s.of(func(c cost) float64 { return c.cpu }) }
func (s series) bytes() spread  { return s.of(func(c cost) float64 { return c.bytes }) }
func (s series) allocs() spread { return s.of(func(c cost) float64 { return c.allocs }) }

// share does n operations on so many goroutines and gives the first error.
func share(goroutines, n int, do func() error) error {
	if goroutines == 1 {
		for range n {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	}
	var left atomic.Int64
	var failed atomic.Pointer[error]
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for left.Add(-1) >= 0 && failed.Load() == nil {
				if err := do(); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}
