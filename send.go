package client

import (
	"context"
	"errors"
)

// sending is one call on its way from endpoint to endpoint.
type sending struct {
	client *httpClusterClient
	view   *endpointView
	act    outgoing
	class  retryClass

	audience audience // of what becomes of it

	tried   tries
	overdue int           // the endpoint that was left though it is alive; -1: none
	gone    int           // how many have failed that are not in the view
	renewed bool          // the endpoints have been looked up again
	failed  *ClusterError // nil while no endpoint has failed
}

// do sends act as Do does.
func (c *httpClusterClient) do(ctx context.Context, act outgoing) (*reply, error) {
	if ctx == nil {
		return nil, errNilContext
	}
	if c.preferLeader && !c.knowsLeader() {
		c.pinLeader(ctx)
	}
	s := sending{client: c, view: c.pool.view(), act: act, class: act.retryClass(), overdue: -1, audience: c.sight.audienceOf(ctx)}
	c.sight.totals.calls.Add(1)
	c.recheckSuspects(s.view) //nolint:contextcheck // what it starts outlives the call
	return s.send(ctx)
}

// send tries the endpoints in turn until one answers, the verdict is to stop, or
// none is left.
func (s *sending) send(ctx context.Context) (*reply, error) {
	for i, ok := s.view.choose(&s.tried, s.client.isSuspect); ok; i, ok = s.view.choose(&s.tried, s.client.isSuspect) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.tried.mark(i)
		r, done, err := s.try(ctx, i)
		if done {
			return r, err
		}
		if s.overdue >= 0 && i != s.overdue && s.failures() == len(s.view.order) {
			s.tried.forget(s.overdue) // the others have failed: it was merely late
		}
	}
	if s.renew(ctx) {
		return s.send(ctx)
	}
	s.client.allFailed.tell()
	if err := ctx.Err(); err != nil && s.renewed {
		return nil, err
	}
	s.callFailed(ctx)
	return nil, s.failed
}

func (s *sending) failures() int {
	if s.failed == nil {
		return 0
	}
	return len(s.failed.Errors) - s.gone
}

// try asks the i-th endpoint. It is done when the call is.
func (s *sending) try(ctx context.Context, i int) (r *reply, done bool, err error) {
	c, ep := s.client, s.view.at(i)
	began := s.begin(ep)
	r, a, unread := s.ask(ctx, ep)
	if a.ended {
		s.finish(ctx, ep, began, &a, outcomeIdle)
		if a.elsewhere {
			s.leave(ctx, i, a.err)
		}
		return r, true, nil
	}
	if a.err == ErrNoRequest { //nolint:errorlint // made by the exchange itself
		s.finish(ctx, ep, began, &a, outcomeStop)
		return nil, true, ErrNoRequest
	}
	if unread && ctx.Err() != nil {
		// The caller's context explains the failure, not the socket. An endpoint
		// that owed an answer will not be the next one's first.
		a.err = ctx.Err()
		s.finish(ctx, ep, began, &a, outcomeCancelled)
		if !s.act.isLongPoll() {
			s.leave(ctx, i, a.err)
		}
		return nil, true, a.err
	}
	v := classify(a)
	s.finish(ctx, ep, began, &a, outcomeOf(v))
	if v == verdictDone {
		c.absolve(ctx, ep)
		c.pool.pin(s.view, i)
		c.noteTerm(r)
		c.noteIndex(ep, r) //nolint:contextcheck // what it starts outlives the call
		if unread {
			return nil, true, a.err
		}
		return r, true, nil
	}
	if errors.Is(a.err, ErrOverdue) {
		s.overdue = i
	} else {
		c.suspect(ctx, ep, a.err)
	}
	if s.failed == nil {
		s.failed = &ClusterError{}
	}
	s.failed.add(Attempt{Endpoint: ep.name, Sent: a.sent, StatusCode: a.status, Err: a.err})
	s.failed.OutcomeUnknown = s.failed.OutcomeUnknown || a.mayBeApplied() && s.class != classRead
	if v == verdictStop {
		c.pool.pin(s.view, i+1)
		s.callFailed(ctx)
		return nil, true, s.failed
	}
	return nil, false, nil
}

// leave makes the i-th endpoint a suspect and the one behind it the next call's
// first.
func (s *sending) leave(ctx context.Context, i int, why error) {
	s.client.suspect(ctx, s.view.at(i), why)
	s.client.pool.pin(s.view, i+1)
}

// ask makes one attempt. unread is true when no whole reply came of it.
func (s *sending) ask(ctx context.Context, ep *endpoint) (r *reply, a attempt, unread bool) {
	a = attempt{class: s.class, strict: s.client.strictWrites}
	r, a.sent, a.err = s.client.exchange.try(ctx, ep, s.act, s.terms(), s.view, &a.redirects)
	if r != nil {
		a.status = r.status
	}
	if a.err != nil && ctx.Err() == nil {
		if a.ended, a.elsewhere = s.act.excuses(r, a.sent, a.err); a.ended {
			return &reply{}, a, false
		}
	}
	unread = a.err != nil
	if !unread {
		r.repeated = s.failed != nil && s.failed.OutcomeUnknown
		a.err = s.act.accept(r)
	}
	if r != nil && a.err != nil {
		a.err = withReply(a.err, r)
	}
	return r, a, unread
}

// terms says what the next attempt may be given up for.
func (s *sending) terms() stallTerms {
	waits := s.act.isLongPoll()
	return stallTerms{
		reads:    s.class == classRead,
		streams:  s.act.isStream(),
		longPoll: waits,
		mayMove:  s.overdue < 0 && s.client.mayRepeat(s.class) && !waits && s.failures()+1 < len(s.view.order),
	}
}

// mayRepeat reports whether a call may be sent again when its outcome is unknown.
func (c *httpClusterClient) mayRepeat(class retryClass) bool {
	return class == classRead || class == classIdempotent && !c.strictWrites
}
