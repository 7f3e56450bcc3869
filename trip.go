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
	"time"
)

// trip is one request to one endpoint and the reading of its reply. It is the
// request's context as well: one that can be ended, with a cause, before the
// caller's own. What that takes (a context, a timer, hooks) is put in place when
// the transport asks for it, which every transport does that can be told to stop:
// one that answers at once costs nothing.
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
	armed bool  // kit's context ends with the trip
	phase phase // what is waited for
	mu    sync.Mutex
	kit   *tripKit // nil until the transport asks for any of it
}

// Deadline implements context.Context.
func (t *trip) Deadline() (time.Time, bool) { return t.parent.Deadline() }

// Done implements context.Context.
func (t *trip) Done() <-chan struct{} { return t.arm().ctx.Done() }

// Err implements context.Context.
func (t *trip) Err() error {
	if err := t.parent.Err(); err != nil {
		return err
	}
	if kit := t.armedKit(); kit != nil {
		return kit.ctx.Err()
	}
	return nil
}

// Value implements context.Context.
func (t *trip) Value(key any) any {
	switch key {
	case traceKey:
		return t.hooks()
	case cancelKey:
		// Contexts below this one are ended with the kit's.
		if kit := t.armedKit(); kit != nil {
			return kit.ctx.Value(key)
		}
	}
	return t.parent.Value(key)
}

// armedKit gives what ends the trip, or nil when nobody has asked for the end.
func (t *trip) armedKit() *tripKit {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.armed {
		return nil
	}
	return t.kit
}

// tools gives the trip's kit. The caller holds mu.
func (t *trip) tools() *tripKit {
	if t.kit == nil {
		t.kit = t.exchange.kits.get()
	}
	return t.kit
}

// arm makes it possible to end the trip, and begins to watch it.
func (t *trip) arm() *tripKit {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.armed {
		return t.kit
	}
	t.armed = true
	if t.over {
		t.kit = newTripKit() // the one it had may be another trip's
		t.kit.cancel(nil)
		return t.kit
	}
	kit := t.tools()
	if t.parent.Done() != nil {
		parent := t.parent
		kit.leave = context.AfterFunc(parent, func() { kit.cancel(context.Cause(parent)) })
	}
	t.exchange.stalls.watch(t.parent, &kit.guard, t.endpoint, t.terms, t.phase)
	if limit := t.exchange.headerTimeout; limit > 0 && !t.terms.longPoll && t.phase == awaitsHeader {
		kit.headerTimer = time.AfterFunc(limit, func() { kit.cancel(ErrHeaderTimeout) })
	}
	return kit
}

// giveUp ends the trip for the reason.
func (t *trip) giveUp(reason error) { t.arm().cancel(reason) }

// enter says what is waited for from now on, and that something came.
func (t *trip) enter(p phase) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.phase = p
	if !t.armed {
		return
	}
	if t.kit.headerTimer != nil {
		t.kit.headerTimer.Stop()
	}
	t.kit.guard.enter(p)
}

// end ends the trip: nothing of it is waited for any more. whole is true when
// the reply has been read to its end.
func (t *trip) end(whole bool) {
	t.mu.Lock()
	t.over, t.phase = true, awaitsNothing
	kit, armed := t.kit, t.armed
	t.mu.Unlock()
	switch {
	case kit == nil:
	case !armed:
		t.exchange.kits.put(kit)
	case kit.disarm() && whole:
		// The transport may still ask the trip for the kit's context, to leave
		// it. One that was not ended may have another trip's requests below it.
		t.exchange.kits.put(kit)
	default:
		kit.cancel(nil)
	}
}

// why gives the reason for which the client itself ended the trip, or err where
// it did not.
func (t *trip) why(err error) error {
	kit := t.armedKit()
	if kit == nil {
		return err
	}
	if cause := context.Cause(kit.ctx); cause != nil && !isContextError(cause) {
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

// hooks gives the transport the hooks of this trip, and those of the caller.
func (t *trip) hooks() *httptrace.ClientTrace {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return httptrace.ContextClientTrace(t.parent)
	}
	kit := t.tools()
	if httptrace.ContextClientTrace(t.parent) == nil {
		return &kit.hooks
	}
	if kit.all == nil {
		both := kit.hooks // of its own, for it becomes what both are
		kit.all = httptrace.ContextClientTrace(httptrace.WithClientTrace(t.parent, &both))
	}
	return kit.all
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
	kit := t.kit
	t.mu.Unlock()
	if kit != nil {
		switch kit.told.Load() {
		case wantsConn:
			return false
		case hasConn:
			return true
		}
	}
	var op *net.OpError
	var dns *net.DNSError
	return !errors.Is(err, ErrTransportClosed) && !errors.As(err, &dns) && (!errors.As(err, &op) || op.Op != "dial")
}
