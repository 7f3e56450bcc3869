package measure

import (
	"fmt"
	"runtime"
	"time"
)

// A Game is rounds that contestants play in turns.
type Game struct {
	// Rounds is how many rounds each contestant plays.
	Rounds int
	// RoundTime is how long a round takes at least.
	RoundTime time.Duration
}

// A Contestant does the same work as others, by its own means.
type Contestant struct {
	Name string
	Work func(n int) error // n operations
	// Least is how many operations a round has at least.
	Least int
}

// maxOperations bounds a round of work that takes no time at all.
const maxOperations = 1 << 24

// Play plays rounds of the contestants in turns, and gives what each took. A
// round of one is so many operations as take the time of a round. Each begins
// with no garbage of others', and another one begins each turn.
func (g Game) Play(contestants []Contestant) ([]Series, error) {
	operations := make([]int, len(contestants))
	for i, c := range contestants {
		n, err := g.calibrate(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		operations[i] = n
	}
	taken := make([]Series, len(contestants))
	for round := range g.Rounds {
		for turn := range contestants {
			i := (round + turn) % len(contestants)
			runtime.GC()
			c, err := Work(operations[i], contestants[i].Work)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", contestants[i].Name, err)
			}
			taken[i] = append(taken[i], c)
		}
	}
	return taken, nil
}

// calibrate finds how many operations a round has. It warms up on the way: a
// number that took long enough but once may have taken it to dial.
func (g Game) calibrate(c Contestant) (int, error) {
	const confirmed = 2
	enough := 0
	for n := max(c.Least, 1); ; {
		began := time.Now()
		if err := c.Work(n); err != nil {
			return 0, err
		}
		took := time.Since(began)
		if took >= g.RoundTime || n >= maxOperations {
			if enough++; enough == confirmed {
				return n, nil
			}
			continue
		}
		enough = 0
		// What the last try says, and a tenth for good measure; at most five times more.
		more := 5 * n
		if took > 0 {
			more = min(more, int(1.1*float64(n)*float64(g.RoundTime)/float64(took)))
		}
		n = max(n+1, more)
	}
}
