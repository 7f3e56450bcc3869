package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// trip is one request to one endpoint and the reading of its reply. It is the
// request's context as well: one that can be ended, with a cause, before the
// caller's own. What that takes (a context below the caller's, timers, hooks) is
// made when the transport asks for it, which every transport does that can be
// told to stop: one that answers at once costs nothing.
type trip struct {
	parent   context.Context // the caller's
	exchange *exchange
	endpoint *endpoint // who is asked, and probed
	terms    stallTerms

	url   url.URL // the request's
	reply reply   // what has come of it

	body    io.ReadCloser // the reply's, as the transport gave it
	between phase         // what is waited for when a part of it has come

	over  bool  // guarded by mu, as the fields below
	phase phase // what is waited for
	mu    sync.Mutex
	asked *tripExtras // nil until the transport asks for any of it
}

// tripExtras is what a transport may ask a request's context for.
type tripExtras struct {
	// What can end the trip; nil until the transport wants to know of the end.
	ctx         context.Context
	cancel      context.CancelCauseFunc
	guard       *stallGuard // nil: none
	headerTimer *time.Timer // nil: none

	// What the transport tells of the trip; nil until it looks for hooks.
	hooks *httptrace.ClientTrace
	own   httptrace.ClientTrace
	last  atomic.Int32 // of the events, see sent
}

// Deadline implements context.Context.
func (t *trip) Deadline() (time.Time, bool) { return t.parent.Deadline() }

// Done implements context.Context.
func (t *trip) Done() <-chan struct{} { return t.arm().ctx.Done() }

// Err implements context.Context.
func (t *trip) Err() error { return t.context().Err() }

// Value implements context.Context.
func (t *trip) Value(key any) any {
	if key == traceKey {
		return t.hooks()
	}
	return t.context().Value(key)
}

// context gives the context that the trip ends with.
func (t *trip) context() context.Context {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asked != nil && t.asked.ctx != nil {
		return t.asked.ctx
	}
	return t.parent
}

// extras gives what has been asked for. The caller holds mu.
func (t *trip) extras() *tripExtras {
	if t.asked == nil {
		t.asked = &tripExtras{}
	}
	return t.asked
}

// arm makes what can end the trip, and begins to watch it.
func (t *trip) arm() *tripExtras {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.extras()
	if x.ctx != nil {
		return x
	}
	x.ctx, x.cancel = context.WithCancelCause(t.parent)
	if t.over {
		x.cancel(nil)
		return x
	}
	x.guard = t.exchange.stalls.watch(x.ctx, x.cancel, t.endpoint, t.terms, t.phase)
	if limit := t.exchange.headerTimeout; limit > 0 && !t.terms.longPoll && t.phase == awaitsHeader {
		x.headerTimer = time.AfterFunc(limit, func() { x.cancel(ErrHeaderTimeout) })
	}
	return x
}

// giveUp ends the trip for the reason.
func (t *trip) giveUp(reason error) { t.arm().cancel(reason) }

// enter says what is waited for from now on, and that something came.
func (t *trip) enter(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase = p
	if t.asked == nil || t.asked.ctx == nil {
		return
	}
	if t.asked.headerTimer != nil {
		t.asked.headerTimer.Stop()
	}
	t.asked.guard.enter(p)
}

// end ends the trip: nothing of it is waited for any more.
func (t *trip) end() {
	t.enter(awaitsNothing)
	t.mu.Lock()
	t.over = true
	x := t.asked
	t.mu.Unlock()
	if x != nil && x.cancel != nil {
		x.cancel(nil)
	}
}

// why gives the reason for which the client itself ended the trip, or err where
// it did not.
func (t *trip) why(err error) error {
	if cause := context.Cause(t.context()); cause != nil && !isContextError(cause) {
		return cause
	}
	return err
}

// Read implements io.Reader: the body of the reply. Every part that comes is a
// sign of life.
func (t *trip) Read(p []byte) (int, error) {
	n, err := t.body.Read(p)
	if n > 0 {
		t.enter(t.between)
	}
	return n, err
}

// Close implements io.Closer.
func (t *trip) Close() error { return t.body.Close() }

// takeHeader takes the header of the reply.
func (t *trip) takeHeader(resp *http.Response) {
	t.reply = reply{endpoint: t.endpoint.name, status: resp.StatusCode, header: resp.Header, http: resp}
	if resp.Body == nil {
		return
	}
	waitsFor := awaitsBody
	t.between = awaitsBody
	if t.terms.longPoll && isSuccess(resp.StatusCode) {
		waitsFor = awaitsEvent
	}
	if t.terms.streams {
		t.between = waitsFor // after one event comes the wait for the next
	}
	t.body, resp.Body = resp.Body, t
	t.enter(waitsFor)
}

const (
	toldNothing = iota
	wantsConn
	hasConn
)

// hooks gives the transport the hooks of this trip, and those of the caller.
func (t *trip) hooks() *httptrace.ClientTrace {
	t.mu.Lock()
	defer t.mu.Unlock()
	x := t.extras()
	if x.hooks != nil {
		return x.hooks
	}
	x.own.GetConn = func(string) { x.last.Store(wantsConn) }
	x.own.GotConn = func(httptrace.GotConnInfo) { x.last.Store(hasConn) }
	x.hooks = &x.own
	if httptrace.ContextClientTrace(t.parent) != nil {
		x.hooks = httptrace.ContextClientTrace(httptrace.WithClientTrace(t.parent, &x.own))
	}
	return x.hooks
}

// sent reports, of a trip that failed with err, whether a part of the request may
// have left.
//
// net/http asks for a connection (GetConn) and gets one (GotConn) before it
// writes. It asks a second time for the same write only when the first
// connection took not one byte, a stale idle one for instance. So the last of
// the two events tells. What the transport does not tell counts as sent, save
// that a failed dial or look-up says enough.
func (t *trip) sent(err error) bool {
	t.mu.Lock()
	x := t.asked
	t.mu.Unlock()
	if x != nil {
		switch x.last.Load() {
		case wantsConn:
			return false
		case hasConn:
			return true
		}
	}
	var op *net.OpError
	var dns *net.DNSError
	return !errors.As(err, &dns) && (!errors.As(err, &op) || op.Op != "dial")
}

// traceKey is what httptrace looks its hooks up by. It is not exported, and the
// exported way makes a context and hooks for each request whether or not they are
// looked for. If it could not be learnt, failed dials would still be known by
// their errors.
var traceKey = learnTraceKey() //nolint:gochecknoglobals // a constant that must be asked for

func learnTraceKey() any {
	asked := &keyRecorder{Context: context.Background()}
	httptrace.ContextClientTrace(asked)
	return asked.key
}

// keyRecorder is a context that keeps the key of the last value asked for.
type keyRecorder struct {
	context.Context

	key any
}

// Value implements context.Context.
func (r *keyRecorder) Value(key any) any {
	r.key = key
	return nil
}
