package client

import (
	"context"
	"errors"
	"math/rand/v2"
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
	client *httpClusterClient
	began  time.Time
	cancel context.CancelFunc
	done   chan struct{} // closed when the field below is set
	err    error
}

// launch starts a poll, which ends with ctx or with stop.
func launch(ctx context.Context, own *httpClusterClient, p *pollCall) *pollRun {
	ctx, cancel := context.WithCancel(ctx)
	run := &pollRun{poll: p, client: own, began: time.Now(), cancel: cancel, done: make(chan struct{})}
	p.stop = ctx.Done()
	go func() { // ends with its context
		defer close(run.done)
		_, run.err = own.do(ctx, p)
	}()
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

// renewal makes one request of a watch, and renews it while it is idle.
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
	timer   *time.Timer
	pause   time.Duration
	second  bool // the renewal under way is tried again, on a new connection
}

// request makes one request of w, for an event or for a stream of them, and
// returns the event, or nil for an idle end.
func (w *watch) request(ctx context.Context, own *httpClusterClient, stream bool, take func(*Response) bool) (*Response, error) {
	p := w.newPoll(stream)
	p.deliver = take
	return w.follow(ctx, launch(ctx, own, p))
}

// follow waits for what a poll of w brings, which is under way, and renews it.
func (w *watch) follow(ctx context.Context, run *pollRun) (*Response, error) {
	r := renewal{watch: w, client: run.client, stream: run.poll.stream, take: run.poll.deliver, current: run}
	defer func() {
		r.next.end()
		r.witness.end()
		r.current.end()
	}()
	if run.client.exchange.liveness.interval <= 0 {
		<-r.current.done
		return r.result()
	}
	r.pause = renewalPause()
	r.timer = time.NewTimer(r.headerWait())
	defer r.timer.Stop()
	return r.run(ctx)
}

func renewalPause() time.Duration {
	return earliestRenewal + rand.N(latestRenewal-earliestRenewal)
}

// headerWait returns how long a server may take to take a watch.
func (r *renewal) headerWait() time.Duration {
	return connectionFactor * r.client.exchange.liveness.interval
}

func (r *renewal) run(ctx context.Context) (*Response, error) {
	for {
		var held, nextDone, witnessDone <-chan struct{}
		if r.next != nil {
			held, nextDone = r.next.poll.held, r.next.done
		}
		if r.witness != nil && r.seen.IsZero() {
			witnessDone = r.witness.done
		}
		select {
		case <-r.current.done:
			return r.result()
		case <-held:
			if event, err, done := r.promote(); done {
				return event, err
			}
		case <-nextDone:
			r.onNextEnded(ctx)
		case <-witnessDone:
			r.onWitness()
		case <-r.timer.C:
			if !r.seen.IsZero() {
				if err := r.judgeWitness(); err != nil {
					return nil, err
				}
				continue
			}
			r.onTimer(ctx)
		}
	}
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
		r.timer.Reset(r.pause)
	case !silent:
		r.timer.Reset(r.pause)
	case left > 0:
		r.timer.Reset(left)
	default:
		r.second = false
		r.start(ctx)
	}
}

func (r *renewal) pauseLonger() {
	r.pause = min(2*r.pause, longestRenewalPause)
	r.timer.Reset(r.pause)
}

// start makes the request that is to take the place of the current one.
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
	r.timer.Reset(r.headerWait())
}

// promote makes the next poll the current one, whose header waits, unless
// something has come on the current one meanwhile: then it is alive.
func (r *renewal) promote() (event *Response, err error, done bool) {
	if !r.current.isIdleSince(r.next.began) {
		r.next.end()
		r.next = nil
		r.timer.Reset(r.pause)
		return nil, nil, false
	}
	r.current.end()
	if err := r.current.err; err == nil || !errors.Is(err, context.Canceled) {
		event, err = r.result() // it ended by itself just now
		return event, err, true
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
	r.timer.Reset(r.pause)
	return nil, nil, false
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
	r.timer.Reset(witnessGrace)
}

// judgeWitness returns the error of a watch whose connection is dead, and whose
// history is gone.
func (r *renewal) judgeWitness() error {
	began := r.witness.began
	r.witness.end()
	r.witness, r.seen = nil, time.Time{}
	if !r.current.isIdleSince(began) {
		r.pause = renewalPause()
		r.timer.Reset(r.pause)
		return nil
	}
	r.current.end()
	r.current.poll.merge()
	return r.loss
}
