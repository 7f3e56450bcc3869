package measure

import (
	"fmt"
	"runtime"
	"time"
)

// A Runner runs interleaved rounds of several subjects.
type Runner struct {
	// Rounds is how many rounds each subject has.
	Rounds int
	// RoundTime is how long a round takes at least.
	RoundTime time.Duration
}

// A Subject does the same work as others, by its own means.
type Subject struct {
	Name string
	Work func(n int) error // n operations
	// Least is how many operations a round has at least.
	Least int
}

// maxOperations bounds a round of work that takes no time at all.
const maxOperations = 1 << 24

// Run runs interleaved rounds of the subjects, and returns what each took. A
// round of one is so many operations as take the time of a round. Each begins
// with no garbage of others. A different subject begins each time.
func (r Runner) Run(subjects []Subject) ([]Series, error) {
	operations := make([]int, len(subjects))
	for i, c := range subjects {
		n, err := r.calibrate(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		operations[i] = n
	}
	taken := make([]Series, len(subjects))
	for round := range r.Rounds {
		for place := range subjects {
			i := (round + place) % len(subjects)
			runtime.GC()
			c, err := Work(operations[i], subjects[i].Work)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", subjects[i].Name, err)
			}
			taken[i] = append(taken[i], c)
		}
	}
	return taken, nil
}

// calibrate finds how many operations a round has. It warms up on the way: a
// number that took long enough but once may have taken it to dial.
func (r Runner) calibrate(c Subject) (int, error) {
	const confirmed = 2
	enough := 0
	for n := max(c.Least, 1); ; {
		began := time.Now()
		if err := c.Work(n); err != nil {
			return 0, err
		}
		took := time.Since(began)
		if took >= r.RoundTime || n >= maxOperations {
			if enough++; enough == confirmed {
				return n, nil
			}
			continue
		}
		enough = 0
		// What the last try says, and a tenth for good measure; at most five times more.
		more := 5 * n
		if took > 0 {
			more = min(more, int(1.1*float64(n)*float64(r.RoundTime)/float64(took)))
		}
		n = max(n+1, more)
	}
}
