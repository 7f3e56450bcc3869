package benchmarks

import (
	"fmt"
	"runtime"
	"time"
)

// A contestant does the same work as others, by its own means.
type contestant struct {
	name string
	work func(n int) error // n operations
	// least is how many operations a round has at least.
	least int
}

// maxOperations bounds a round of work that takes no time at all.
const maxOperations = 1 << 24

// play plays rounds of the contestants in turns, and gives what each took. A
// round of one is so many operations as take the time of a round. Each begins
// with no garbage of others', and another one begins each turn.
func (b *Bench) play(contestants []contestant) ([]series, error) {
	operations := make([]int, len(contestants))
	for i, c := range contestants {
		n, err := b.calibrate(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		operations[i] = n
	}
	taken := make([]series, len(contestants))
	for round := range b.options.Rounds {
		for turn := range contestants {
			i := (round + turn) % len(contestants)
			runtime.GC()
			c, err := measure(operations[i], contestants[i].work)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contestants[i].name, err)
			}
			taken[i] = append(taken[i], c)
		}
	}
	return taken, nil
}

// calibrate finds how many operations a round has. It warms up on the way: a
// number that took long enough but once may have taken it to dial.
func (b *Bench) calibrate(c contestant) (int, error) {
	const confirmed = 2
	enough := 0
	for n := max(c.least, 1); ; {
		began := time.Now()
		if err := c.work(n); err != nil {
			return 0, err
		}
		took := time.Since(began)
		if took >= b.options.RoundTime || n >= maxOperations {
			if enough++; enough == confirmed {
				return n, nil
			}
			continue
		}
		enough = 0
		// What the last try says, and a tenth for good measure; at most five times more.
		more := 5 * n
		if took > 0 {
			more = min(more, int(1.1*float64(n)*float64(b.options.RoundTime)/float64(took)))
		}
		n = max(n+1, more)
	}
}
