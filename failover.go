package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

const (
	// mostRepeats is how often a call is tried again where there is one endpoint
	// only, and repeatWithin for how long after the first failure that begins.
	mostRepeats  = 2
	repeatWithin = time.Second
	// firstRepeatPause grows by repeatFactor.
	firstRepeatPause = 100 * time.Millisecond
	repeatFactor     = 5
)

// callState is one call on its way from endpoint to endpoint.
type callState struct {
	client *httpClusterClient
	view   *endpointView
	op     operation
	info   callInfo

	tracers tracers // of the call

	tried        []bool        // by the place in the order of the view
	fewTried     [8]bool       // room for most
	overdue      int           // the endpoint that was left though it is alive; -1: none
	gone         int           // failures that are not of an endpoint to be left out
	rediscovered bool          // the endpoints have been looked up again
	again        int           // how often an endpoint was asked again, for its connection was silent
	repeats      int           // tries besides the first where there is one endpoint
	firstFailed  time.Time     // zero while no endpoint has failed
	failed       *ClusterError // nil while no endpoint has failed
}

// do sends op to the endpoints in turn until one answers, the verdict is to stop,
// or none is left. It returns a reply where one came whole, and with it the error
// by which op refuses it.
func (c *httpClusterClient) do(ctx context.Context, op operation) (*reply, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	if c.preferLeader && !c.knowsLeader() {
		c.pinLeader(ctx)
	}
	view := c.pool.view()
	s := callState{
		client: c, view: view, op: op, info: op.info(), overdue: -1,
		tracers: c.observer.tracersOf(ctx),
	}
	if s.tried = s.fewTried[:min(len(view.order), len(s.fewTried))]; len(s.tried) < len(view.order) {
		s.tried = make([]bool, len(view.order))
	}
	c.observer.totals.calls.Add(1)
	c.recheckUnhealthy(view) //nolint:contextcheck // what it starts outlives the call
	return s.send(ctx)
}

func (s *callState) send(ctx context.Context) (*reply, error) {
	for {
		i, ok := s.view.choose(s.tried, s.client.isUnhealthy)
		if !ok {
			if s.rediscover(ctx) {
				continue
			}
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.tried[i] = true
		r, done, err := s.try(ctx, i)
		if done {
			return r, err
		}
		if s.overdue >= 0 && i != s.overdue && s.failures() == len(s.view.order) {
			s.tried[s.overdue] = false // the others have failed: it was merely late
		}
	}
	s.client.allFailed.send()
	if err := ctx.Err(); err != nil && s.rediscovered {
		return nil, err
	}
	s.onFailed(ctx)
	return nil, s.failed
}

func (s *callState) failures() int {
	if s.failed == nil {
		return 0
	}
	return len(s.failed.Errors) - s.gone
}

// try asks the i-th endpoint, and reports whether the call is done.
func (s *callState) try(ctx context.Context, i int) (r *reply, done bool, err error) {
	c, ep := s.client, s.view.at(i)
	began := s.onStart(ep)
	e := c.exchange.do(ctx, ep, s.op, &s.info, s.terms(), s.view)
	if e.err == ErrNoRequest { //nolint:errorlint // made by the exchange itself
		s.onDone(ctx, ep, began, &result{err: e.err}, outcomeStop)
		return nil, true, ErrNoRequest
	}
	res := s.resultOf(&e)
	if end := endOf(ctx); !e.whole && end != nil {
		return nil, true, s.endedByCaller(ctx, end, i, began, &e, &res)
	}
	v := classify(res)
	if e.reply != nil && res.err != nil && v != verdictIdle {
		res.err = withReply(res.err, e.reply)
	}
	s.onDone(ctx, ep, began, &res, outcomeOf(v))
	switch v {
	case verdictIdle:
		switch {
		case isEndedByWatch(res.err):
		case res.lasted < minIdlePoll:
			s.leave(ctx, i, res.err)
		case !isSuccess(res.status) && !ep.health.hasAnsweredSince(e.began):
			// A proxy that holds headers back, or a dead member behind one that
			// does not wait for it any longer: it does not matter which.
			c.pool.pin(s.view, i+1)
		}
		return idleReply(e.reply), true, nil
	case verdictDone:
		s.onAnswer(ctx, i, &e, &res)
		if !e.whole {
			return nil, true, res.err
		}
		return e.reply, true, res.err
	}
	s.addFailure(ctx, ep, &res)
	if v == verdictStop {
		c.pool.pin(s.view, i+1)
		s.onFailed(ctx)
		return nil, true, s.failed
	}
	return s.afterFailure(ctx, i, &res)
}

// idleReply returns the reply of a long poll that has ended without an event: that
// of the server without what there is of a body, or an empty one.
func idleReply(r *reply) *reply {
	if r == nil || !isSuccess(r.status) {
		r = &reply{status: http.StatusOK, http: &http.Response{
			Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{}, Body: http.NoBody,
		}}
	}
	idle := *r
	idle.body = nil
	return &idle
}

// resultOf returns what is known after an exchange. It has the operation judge a
// reply that came whole.
func (s *callState) resultOf(e *exchanged) result {
	res := result{
		class: s.info.class, strict: s.client.strictWrites, longPoll: s.info.longPoll,
		sent: e.sent, err: e.err, whole: e.whole, header: -1, redirects: e.redirects,
	}
	now := time.Now()
	res.ended = now
	if !e.began.IsZero() {
		res.lasted = now.Sub(e.began)
	}
	r := e.reply
	if r == nil {
		return res
	}
	res.status = r.status
	if !e.header.IsZero() {
		res.header = now.Sub(e.header)
	}
	r.repeated = s.failed != nil && s.failed.OutcomeUnknown
	if res.err == nil {
		res.err = s.op.onReply(r)
	}
	res.etcd = s.isEtcd(r, res.err)
	return res
}

// isEtcd reports whether a reply, which the operation has judged by err, comes from
// etcd itself.
func (s *callState) isEtcd(r *reply, err error) bool {
	_, foreign := s.op.(*foreignCall)
	switch {
	case isSuccess(r.status):
		return err == nil && !foreign || saysApplied(r)
	case foreign:
		return speaksEtcd(r)
	default:
		return isEtcdError(r, err)
	}
}

// endedByCaller returns the error of the caller's context, which explains the
// failure better than the socket does. A context that was cancelled says nothing
// of the endpoint. A deadline does that passed while nothing had come from there for
// the stall interval, or while a probe was not answered in the time that one needs.
// Where only the connection was silent, which over HTTP/2 would be that of the next
// call too, the next call goes to another endpoint, and this one stays healthy.
func (s *callState) endedByCaller(ctx context.Context, end error, i int, began time.Time, e *exchanged, res *result) error {
	res.err = end
	s.onDone(ctx, s.view.at(i), began, res, outcomeCancelled)
	interval, health, now := s.client.exchange.liveness.interval, s.view.at(i).health, time.Now()
	if interval <= 0 || s.info.longPoll || !errors.Is(res.err, context.DeadlineExceeded) {
		return res.err
	}
	isSilent := e.waited >= interval
	switch {
	case isSilent && health.silence(now) >= interval, health.isUnanswered(now):
		s.leave(ctx, i, res.err)
	case isSilent:
		s.client.exchange.closeIdle()
		s.client.pool.pin(s.view, i+1)
	}
	return res.err
}

// onAnswer notes that the i-th endpoint has answered.
func (s *callState) onAnswer(ctx context.Context, i int, e *exchanged, res *result) {
	c, ep := s.client, s.view.at(i)
	if !res.etcd {
		// Whatever it is, it may be of use to a call of another package. A refusal
		// is no reason to come back.
		if isClientError(res.status) {
			i++
		}
		c.pool.pin(s.view, i)
		return
	}
	if e.redirects == 0 {
		ep.health.onAnswer(res.ended, e.began)
	}
	c.markHealthy(ctx, ep)
	c.pool.pin(s.view, i)
	c.noteTerm(e.reply)
	c.noteIndex(ep, e.reply, res.ended) //nolint:contextcheck // what it starts outlives the call
}

// addFailure notes that ep has failed.
func (s *callState) addFailure(ctx context.Context, ep *endpoint, res *result) {
	switch {
	case errors.Is(res.err, ErrOverdue), errors.Is(res.err, ErrStalled) && !ep.health.isUnanswered(time.Now()):
		// It is slow, or only this connection is dead.
	default:
		notEtcd := res.status
		if res.etcd {
			notEtcd = 0
		}
		s.client.markUnhealthy(ctx, ep, res.err, notEtcd)
	}
	if s.failed == nil {
		s.failed = &ClusterError{}
		s.firstFailed = time.Now()
	}
	s.failed.add(Attempt{Endpoint: ep.name, Sent: res.sent, StatusCode: res.status, Err: res.err})
	s.failed.OutcomeUnknown = s.failed.OutcomeUnknown || res.mayBeApplied() && s.info.class != classRead
}

// afterFailure decides whether the i-th endpoint is asked again after a failure.
func (s *callState) afterFailure(ctx context.Context, i int, res *result) (*reply, bool, error) {
	switch {
	case errors.Is(res.err, ErrOverdue), errors.Is(res.err, errConnectionSilent) && s.overdue < 0 && s.failures() < len(s.view.order):
		// It is alive: another endpoint is asked, on a new connection, for what has
		// swallowed this one may have swallowed older ones to there as well.
		s.overdue = i
		s.client.exchange.closeIdle()
	case errors.Is(res.err, errConnectionSilent):
		s.again++
		s.askAgain(i)
	case s.mayRepeat(res):
		pause := firstRepeatPause
		for range s.repeats {
			pause *= repeatFactor
		}
		if deadline, ok := ctx.Deadline(); time.Since(s.firstFailed)+pause > repeatWithin || ok && time.Until(deadline) <= pause {
			return nil, false, nil
		}
		s.repeats++
		if err := sleep(ctx, pause); err != nil {
			return nil, true, err
		}
		s.askAgain(i)
	}
	return nil, false, nil
}

// askAgain lets the i-th endpoint be asked again, on a new connection.
func (s *callState) askAgain(i int) {
	s.client.exchange.closeIdle()
	s.tried[i] = false
	s.gone++ // it has failed once more than the endpoints that have been asked
}

// mayRepeat reports whether a call is tried again at the only endpoint there is:
// after a connection that broke, and after a 5xx. A dial, a look-up or a handshake
// that failed is reported at once.
func (s *callState) mayRepeat(res *result) bool {
	switch {
	case len(s.view.order) != 1 || s.repeats >= mostRepeats || !s.isRepeatable() || s.info.noRepeat || !res.sent:
		return false
	case isAbandoned(res.err), errors.Is(res.err, ErrHeaderTimeout), errors.Is(res.err, ErrTransportClosed):
		return false
	case res.status == 0:
		return true
	default:
		return res.status >= http.StatusInternalServerError || isReadError(res.err)
	}
}

// leave marks the i-th endpoint unhealthy, and pins the one behind it for the next
// call.
func (s *callState) leave(ctx context.Context, i int, why error) {
	s.client.markUnhealthy(ctx, s.view.at(i), why, 0)
	s.client.pool.pin(s.view, i+1)
}

// terms returns what the next attempt may be given up for.
func (s *callState) terms() stallTerms {
	return stallTerms{
		repeatable: s.isRepeatable(),
		elsewhere:  s.overdue < 0 && s.failures()+1 < len(s.view.order),
		again:      s.again,
	}
}

// isRepeatable reports whether the call may be sent again when its outcome is
// unknown.
func (s *callState) isRepeatable() bool {
	return s.info.class == classRead || s.info.class == classIdempotent && !s.client.strictWrites
}

// closeIdle closes the connections on which nothing is under way, so that the next
// request makes a new one, where the transport knows how.
func (x *exchange) closeIdle() {
	if closer, ok := x.transport.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
