package dump

import "time"

// progressInterval is how long a phase goes on before it is told of again.
const progressInterval = 100 * time.Millisecond

// reporter tells a caller how far things have come. It is for one goroutine.
type reporter struct {
	tell func(Progress) // nil: nobody
	now  Progress
	last time.Time
}

// begin begins a phase; total is 0 where it is not known.
func (r *reporter) begin(phase Phase, total int64) {
	r.now = Progress{Phase: phase, Total: total}
	r.report(time.Now())
}

// step counts one node, or change.
func (r *reporter) step(key string) {
	r.now.Done++
	r.now.Key = key
	if r.tell == nil {
		return
	}
	if now := time.Now(); now.Sub(r.last) >= progressInterval {
		r.report(now)
	}
}

// end ends the phase.
func (r *reporter) end() { r.report(time.Now()) }

func (r *reporter) report(now time.Time) {
	if r.tell != nil {
		r.last = now
		r.tell(r.now)
	}
}
