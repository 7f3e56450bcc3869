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

	mu    sync.Mutex // guards the fields below
	phase phase
	over  bool
	armed *tripEnd   // nil until the transport wants to know of the end
	trace *sendTrace // nil until the transport looks for hooks
}

// tripEnd is what can end a trip.
type tripEnd struct {
	context.Context

	cancel      context.CancelCauseFunc
	guard       *stallGuard // nil: none
	headerTimer *time.Timer // nil: none
}

// Deadline implements context.Context.
func (t *trip) Deadline() (time.Time, bool) { return t.parent.Deadline() }

// Done implements context.Context.
func (t *trip) Done() <-chan struct{} { return t.arm().Done() }

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
	if t.armed != nil {
		return t.armed
	}
	return t.parent
}

// arm makes what can end the trip, and begins to watch it.
func (t *trip) arm() *tripEnd {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.armed != nil {
		return t.armed
	}
	ctx, cancel := context.WithCancelCause(t.parent)
	t.armed = &tripEnd{Context: ctx, cancel: cancel}
	if t.over {
		cancel(nil)
		return t.armed
	}
	t.armed.guard = t.exchange.stalls.watch(ctx, cancel, t.endpoint, t.terms, t.phase)
	if limit := t.exchange.headerTimeout; limit > 0 && !t.terms.longPoll && t.phase == awaitsHeader {
		t.armed.headerTimer = time.AfterFunc(limit, func() { cancel(ErrHeaderTimeout) })
	}
	return t.armed
}

// giveUp ends the trip for the reason.
func (t *trip) giveUp(reason error) { t.arm().cancel(reason) }

// enter says what is waited for from now on, and that something came.
func (t *trip) enter(p phase) {
	t.mu.Lock()
	t.phase = p
	armed := t.armed
	t.mu.Unlock()
	if armed == nil {
		return
	}
	if armed.headerTimer != nil {
		armed.headerTimer.Stop()
	}
	armed.guard.enter(p)
}

// end ends the trip: nothing of it is waited for any more.
func (t *trip) end() {
	t.mu.Lock()
	t.over, t.phase = true, awaitsNothing
	armed := t.armed
	t.mu.Unlock()
	if armed == nil {
		return
	}
	if armed.headerTimer != nil {
		armed.headerTimer.Stop()
	}
	armed.guard.end()
	armed.cancel(nil)
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

// sendTrace learns from the transport whether a request can have left.
//
// net/http asks for a connection (GetConn) and gets one (GotConn) before it
// writes. It asks a second time for the same write only when the first
// connection took not one byte, a stale idle one for instance. So the last of
// the two events tells.
type sendTrace struct {
	hooks httptrace.ClientTrace
	all   *httptrace.ClientTrace // with those of the caller
	last  atomic.Int32
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
	if t.trace == nil {
		trace := &sendTrace{}
		trace.hooks.GetConn = func(string) { trace.last.Store(wantsConn) }
		trace.hooks.GotConn = func(httptrace.GotConnInfo) { trace.last.Store(hasConn) }
		trace.all = &trace.hooks
		if httptrace.ContextClientTrace(t.parent) != nil {
			trace.all = httptrace.ContextClientTrace(httptrace.WithClientTrace(t.parent, &trace.hooks))
		}
		t.trace = trace
	}
	return t.trace.all
}

// sent reports, of a trip that failed with err, whether a part of the request may
// have left. What the transport does not tell counts as sent, save that a failed
// dial or look-up says enough.
func (t *trip) sent(err error) bool {
	t.mu.Lock()
	trace := t.trace
	t.mu.Unlock()
	if trace != nil {
		switch trace.last.Load() {
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
