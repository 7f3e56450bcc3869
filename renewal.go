package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// A long poll that nothing comes on may be idle, or its connection may swallow
// everything: HTTP/1.1 has no way to ask. So an idle poll is renewed now and then:
// a second request is made from the same index, and the first is ended once a
// server has taken the second. Nothing is missed, for until then both are there.

const (
	// An idle poll is renewed after a time at random between these two, so that
	// many watches do not do so at once.
	earliestRenewal = 25 * time.Second
	latestRenewal   = 35 * time.Second
	// longestRenewalPause bounds how rarely it is tried where it does not succeed.
	longestRenewalPause = 5 * time.Minute
	// witnessGrace is how long the first request may take to bring what another
	// one has brought.
	witnessGrace = 5 * time.Second
)

// pollRun is a pollCall under way.
type pollRun struct {
	poll   *pollCall
	ctx    context.Context
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed when the field below is set
	err    error
}

// newRun returns a run that ends with ctx or with end.
func newRun(ctx context.Context, p *pollCall) *pollRun {
	ctx, cancel := context.WithCancel(ctx)
	p.stop = ctx.Done()
	return &pollRun{poll: p, ctx: ctx, began: time.Now(), cancel: cancel, done: make(chan struct{})}
}

// do sends the request.
func (run *pollRun) do(own *httpClusterClient) {
	defer close(run.done)
	_, run.err = own.do(run.ctx, run.poll)
}

// launch sends the request in a goroutine, which ends with the run.
func launch(ctx context.Context, own *httpClusterClient, p *pollCall) *pollRun {
	run := newRun(ctx, p)
	go run.do(own)
	return run
}

// end ends the poll and waits until it has.
func (run *pollRun) end() {
	if run != nil {
		run.cancel()
		<-run.done
	}
}

// isIdleSince reports whether the poll waits, and nothing has come on it since t.
func (run *pollRun) isIdleSince(t time.Time) bool {
	since, silent := run.poll.silence()
	return silent && !since.After(t)
}

// renewal sends one request of a watch, and renews it while it is idle.
//
// The first request is made on the caller's goroutine. A timer looks after it, on a
// goroutine that is there only while a second request is under way.
type renewal struct {
	watch  *watch
	client *httpClusterClient
	stream bool
	take   func(*Response) bool

	current *pollRun
	next    *pollRun  // takes the place of current when its header comes; nil: none
	witness *pollRun  // where the history is gone: sees what current should see
	loss    error     // why there is a witness
	seen    time.Time // when the witness saw an event; zero: it has not
	pause   time.Duration
	second  bool // the renewal under way is tried again, on a new connection

	wait  time.Duration // until the next look
	timer *time.Timer   // of run; nil: it does not run

	mu      sync.Mutex    // guards the fields below
	looks   *time.Timer   // starts look; nil: never
	over    bool          // the first request has ended
	looking chan struct{} // closed when look ends; nil: it does not run
	handed  bool          // the first request was replaced: the caller goes on with run
	outcome *pollOutcome  // what look has come to; nil: nothing
}

// pollOutcome is what a request of a watch has come to.
type pollOutcome struct {
	event *Response
	err   error
}

// request sends one request of w, for an event or for a stream of them, and
// returns the event, or nil for an idle end.
func (w *watch) request(ctx context.Context, own *httpClusterClient, stream bool, take func(*Response) bool) (*Response, error) {
	r := &renewal{watch: w, client: own, stream: stream, take: take, pause: renewalPause()}
	p := w.newPoll(stream)
	p.deliver = take
	first := newRun(ctx, p)
	r.current = first
	if own.exchange.liveness.interval > 0 {
		r.wait = r.headerWait()
		r.looks = time.AfterFunc(r.wait, func() { r.look(ctx) })
	}
	defer func() {
		r.next.end()
		r.witness.end()
		r.current.end()
	}()
	first.do(own)
	defer first.cancel()
	if !r.stopLooking() {
		return r.result()
	}
	switch {
	case r.outcome != nil:
		return r.outcome.event, r.outcome.err
	case r.handed:
		out := r.run(ctx, true)
		return out.event, out.err
	default:
		return r.result()
	}
}

// follow waits for what a poll of w brings, which is under way on a goroutine of its
// own, and renews it.
func (w *watch) follow(ctx context.Context, own *httpClusterClient, run *pollRun) (*Response, error) {
	r := &renewal{watch: w, client: own, stream: run.poll.stream, take: run.poll.deliver, current: run, pause: renewalPause()}
	defer func() {
		r.next.end()
		r.witness.end()
		r.current.end()
	}()
	if own.exchange.liveness.interval <= 0 {
		<-run.done
		return r.result()
	}
	r.wait = r.headerWait()
	out := r.run(ctx, true)
	return out.event, out.err
}

// stopLooking ends the timer, and reports whether look has run at the end of the
// first request: it waits until it has ended.
func (r *renewal) stopLooking() bool {
	r.mu.Lock()
	r.over = true
	if r.looks != nil {
		r.looks.Stop()
	}
	looking := r.looking
	r.mu.Unlock()
	if looking == nil {
		return false
	}
	<-looking
	return true
}

// look looks after the first request, and after the one that is to replace it.
func (r *renewal) look(ctx context.Context) {
	r.mu.Lock()
	if r.over {
		r.mu.Unlock()
		return
	}
	ended := make(chan struct{})
	r.looking = ended
	r.mu.Unlock()
	r.wait = 0
	out := r.run(ctx, false)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(ended)
	switch {
	case out != nil:
		r.outcome = out
	case r.handed || r.over:
	default:
		r.looking = nil
		r.looks.Reset(r.wait)
	}
}

func renewalPause() time.Duration {
	return earliestRenewal + rand.N(latestRenewal-earliestRenewal)
}

// headerWait returns how long a server may take to take a watch.
func (r *renewal) headerWait() time.Duration {
	return connectionFactor * r.client.exchange.liveness.interval
}

// lookAfter sets the time of the next look.
func (r *renewal) lookAfter(d time.Duration) {
	r.wait = d
	if r.timer != nil {
		r.timer.Reset(d)
	}
}

// run looks after the requests until the current one ends. Unless it is to stay, it
// returns nil as soon as there is nothing to look after but the current one, or
// another goroutine's request has become the current one.
func (r *renewal) run(ctx context.Context, stay bool) *pollOutcome {
	r.timer = time.NewTimer(r.wait)
	defer func() {
		r.timer.Stop()
		r.timer = nil
	}()
	for first := true; stay || first || r.next != nil || r.witness != nil; first = false {
		var held, nextDone, witnessDone <-chan struct{}
		if r.next != nil {
			held, nextDone = r.next.poll.held, r.next.done
		}
		if r.witness != nil && r.seen.IsZero() {
			witnessDone = r.witness.done
		}
		select {
		case <-r.current.done:
			event, err := r.result()
			return &pollOutcome{event, err}
		case <-held:
			replaced, out := r.promote()
			if out != nil {
				return out
			}
			if replaced && !stay {
				r.handed = true
				return nil
			}
		case <-nextDone:
			r.onNextEnded(ctx)
		case <-witnessDone:
			r.onWitness()
		case <-r.timer.C:
			if r.seen.IsZero() {
				r.onTimer(ctx)
			} else if err := r.judgeWitness(); err != nil {
				return &pollOutcome{nil, err}
			}
		}
	}
	return nil
}

// result returns what the current poll has come to.
func (r *renewal) result() (*Response, error) {
	p := r.current.poll
	p.merge()
	if r.current.err != nil {
		return nil, r.current.err
	}
	if p.event == nil {
		return nil, nil
	}
	return r.watch.pass(&r.watch.position, p.event, p.asked), nil
}

// onTimer starts a renewal where it is time, or gives one up that gets no answer.
func (r *renewal) onTimer(ctx context.Context) {
	if r.next != nil {
		// Perhaps it was sent on another connection that swallows everything.
		r.next.end()
		r.next = nil
		if !r.second {
			r.second = true
			r.client.exchange.closeIdle()
			if opened, _ := r.current.poll.isOpened(); !opened {
				r.client.pool.pin(r.client.pool.view(), 1) // or the endpoint takes no watches
			}
			r.start(ctx)
			return
		}
		r.pauseLonger()
		return
	}
	opened, http1 := r.current.poll.isOpened()
	since, silent := r.current.poll.silence()
	wait := r.pause
	if !opened {
		wait = r.headerWait()
	}
	switch left := wait - time.Since(since); {
	case opened && !http1: // pings of HTTP/2 find a dead connection
		r.lookAfter(r.pause)
	case !silent:
		r.lookAfter(r.pause)
	case left > 0:
		r.lookAfter(left)
	default:
		r.second = false
		r.start(ctx)
	}
}

func (r *renewal) pauseLonger() {
	r.pause = min(2*r.pause, longestRenewalPause)
	r.lookAfter(r.pause)
}

// start sends the request that is to take the place of the current one.
func (r *renewal) start(ctx context.Context) {
	p := r.watch.newPoll(r.stream)
	r.current.poll.mu.Lock()
	p.at = r.current.poll.progress
	r.current.poll.mu.Unlock()
	if idle := r.current.poll.provenIdle(); idle > 0 {
		p.at.next = max(p.at.next, idle+1)
	}
	p.gate, p.held, p.deliver = make(chan struct{}), make(chan struct{}), r.take
	r.next = launch(ctx, r.client, p)
	r.lookAfter(r.headerWait())
}

// promote turns the next poll, whose header waits, into the current one, unless something
// has come on the current one meanwhile: then it is alive. The outcome is not nil
// where the current one has ended by itself just now.
func (r *renewal) promote() (replaced bool, out *pollOutcome) {
	if !r.current.isIdleSince(r.next.began) {
		r.next.end()
		r.next = nil
		r.lookAfter(r.pause)
		return false, nil
	}
	r.current.end()
	if err := r.current.err; err == nil || !errors.Is(err, context.Canceled) {
		event, err := r.result()
		return false, &pollOutcome{event, err}
	}
	// What it has delivered just before it ended is not delivered again.
	next := r.next.poll
	asked := next.at.next
	next.at = r.current.poll.at
	next.at.next = max(next.at.next, asked)
	r.watch.position = next.at
	r.current, r.next = r.next, nil
	r.witness.end()
	r.witness, r.seen = nil, time.Time{}
	close(next.gate)
	r.pause = renewalPause()
	r.lookAfter(r.pause)
	return true, nil
}

// onNextEnded decides what it means that the next poll has ended before it was
// taken.
func (r *renewal) onNextEnded(ctx context.Context) {
	err := r.next.err
	r.next.end()
	r.next = nil
	if IsEventIndexCleared(err) {
		// The store is busy: the history does not reach back to where the current
		// poll began. Another watch from now on shows whether it is alive.
		r.loss = err
		r.witness.end()
		p := r.watch.newPoll(false)
		p.at.next = 0
		r.witness, r.seen = launch(ctx, r.client, p), time.Time{}
	}
	r.pauseLonger()
}

// onWitness notes what the witness has seen: the current poll must bring it too.
func (r *renewal) onWitness() {
	if r.witness.err != nil || r.witness.poll.event == nil {
		r.witness = nil // a later renewal starts another
		return
	}
	r.seen = time.Now()
	r.lookAfter(witnessGrace)
}

// judgeWitness returns the error of a watch whose connection is dead, and whose
// history is gone. What the witness has seen comes behind the index of the error.
func (r *renewal) judgeWitness() error {
	began, event := r.witness.began, r.witness.poll.event
	r.witness.end()
	r.witness, r.seen = nil, time.Time{}
	if !r.current.isIdleSince(began) {
		r.pause = renewalPause()
		r.lookAfter(r.pause)
		return nil
	}
	r.current.end()
	r.current.poll.merge()
	var cleared Error
	if errors.As(r.loss, &cleared) {
		cleared.Index = max(cleared.Index, event.Node.ModifiedIndex-1)
		return cleared
	}
	return r.loss
}
