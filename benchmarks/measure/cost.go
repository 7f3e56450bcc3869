package measure

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A Cost is what one operation took.
type Cost struct {
	Wall, CPU     float64 // nanoseconds; CPU is of all threads of this process
	Bytes, Allocs float64 // of all goroutines of this process
}

// Work does work, which is n operations, and returns what each of them took.
func Work(n int, work func(n int) error) (Cost, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	cpu := processorTime()
	began := time.Now()
	err := work(n)
	wall := time.Since(began)
	cpu = processorTime() - cpu
	runtime.ReadMemStats(&after)
	each := func(total float64) float64 { return total / float64(n) }
	return Cost{
		Wall: each(float64(wall)), CPU: each(float64(cpu)),
		Bytes: each(float64(after.TotalAlloc - before.TotalAlloc)),
		// Rounded down, as package testing does: what is over is the runtime's own.
		Allocs: math.Floor(each(float64(after.Mallocs - before.Mallocs))),
	}, err
}

// A Spread is what was measured in many rounds, in ascending order.
type Spread []float64

// NewSpread returns the spread of values, which it does not change.
func NewSpread(values []float64) Spread {
	s := slices.Clone(values)
	slices.Sort(s)
	return s
}

// At returns the value below which that part of all values is.
func (s Spread) At(part float64) float64 {
	if len(s) == 0 {
		return 0
	}
	place := part * float64(len(s)-1)
	low := int(place)
	high := min(low+1, len(s)-1)
	return s[low] + (s[high]-s[low])*(place-float64(low))
}

// Median returns the value in the middle.
func (s Spread) Median() float64 { return s.At(0.5) }

// A Series is what the rounds of one [Subject] took.
type Series []Cost

// Of returns the spread of what it finds in the cost of each round.
func (s Series) Of(what func(Cost) float64) Spread {
	values := make([]float64, len(s))
	for i, c := range s {
		values[i] = what(c)
	}
	return NewSpread(values)
}

// Wall returns the time that passed, in nanoseconds.
func (s Series) Wall() Spread { return s.Of(func(c Cost) float64 { return c.Wall }) }

// CPU returns the processor time, in nanoseconds.
func (s Series) CPU() Spread { return s.Of(func(c Cost) float64 { return c.CPU }) }

// Bytes returns what was allocated.
func (s Series) Bytes() Spread { return s.Of(func(c Cost) float64 { return c.Bytes }) }

// Allocs returns how many allocations there were.
func (s Series) Allocs() Spread { return s.Of(func(c Cost) float64 { return c.Allocs }) }

// Share does n operations on so many goroutines and returns the first error.
func Share(goroutines, n int, do func() error) error {
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
