package client

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// How a watch makes its requests by a Client of the caller's own. That may do with
// them what it likes: pass them on to the Client that it wraps, with a time-out,
// repeated or hedged; or make them itself. The watch moves only by events that it
// has delivered.

// taken is what is known of where a server has taken a watch.
type taken struct {
	mu        sync.Mutex // guards the fields below
	index     uint64     // the first X-Etcd-Index; 0: none came
	clusterID string
}

// note keeps what the header of a success says.
func (t *taken) note(r *reply) error {
	if !isSuccess(r.status) {
		return nil
	}
	index, err := indexOf(r)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.index == 0 {
		t.index, t.clusterID = index, r.get(headerClusterID)
	}
	return nil
}

// requestBy makes one request by a Client of the caller's own, which may do with
// it what it likes: repeat it, give it up, or make it itself. The watch moves only
// when that Client has returned an event.
func (w *watch) requestBy(ctx context.Context, c Client) (*Response, error) {
	if c == nil {
		return nil, errNilClient
	}
	var start taken
	asked := w.next
	act := &action{
		spec:  requestSpec{method: http.MethodGet, path: w.path, query: w.query(asked, false)},
		class: classRead, longPoll: true, taken: start.note,
		judge: func(r *reply) error {
			_, err := eventOf(r)
			return err
		},
	}
	began := time.Now()
	resp, body, err := c.Do(ctx, act) //nolint:bodyclose // Do has read and closed it
	start.mu.Lock()
	index, clusterID := start.index, start.clusterID
	start.mu.Unlock()
	if w.next == 0 && index > 0 {
		w.next = index + 1
	}
	w.clusterID = cmp.Or(w.clusterID, clusterID)
	if err != nil {
		return nil, err
	}
	return w.readForeign(replyOf(resp, body), asked, began)
}

// readForeign returns the event of a reply that a Client of the caller's own has
// returned, or nil for an idle end. asked and began are of the request.
func (w *watch) readForeign(r *reply, asked uint64, began time.Time) (*Response, error) {
	if !isSuccess(r.status) {
		if isIdleTimeout(r.status) && !speaksEtcd(r) && time.Since(began) >= minIdlePoll {
			return nil, nil
		}
		return nil, pollError(r)
	}
	if err := w.checkCluster(r); err != nil {
		return nil, err
	}
	index, err := indexOf(r)
	if err != nil {
		return nil, err
	}
	w.taken, w.noIndex = index, w.noIndex || index == 0
	if w.next == 0 && index > 0 {
		w.next = index + 1
	}
	event, err := eventOf(r)
	if event == nil || err != nil {
		return nil, err
	}
	return w.pass(&w.position, event, asked), nil
}

// eventOf returns the event of a whole reply, or nil for an idle end.
func eventOf(r *reply) (*Response, error) {
	if !isSuccess(r.status) {
		return nil, pollError(r)
	}
	event, err := decodeTreeBytes(r.body)
	if errors.Is(err, ErrEmptyBody) {
		return nil, nil
	}
	return finishResponse(r, event, err, true)
}

// streamAction is a request for a stream of events, which a Client of the caller's
// own may pass on. One that makes its requests itself would wait for the end of the
// stream, which does not come: it is told to make one for a single event.
type streamAction struct {
	watch   *watch // not to be changed
	deliver func(*Response) bool

	mu       sync.Mutex // guards the fields below, and delivering
	at       position
	over     bool // what comes from now on is for another request to bring
	passedOn bool // the action came back to a Client of this package
	header   bool // the header of a reply came
	index    uint64
}

// HTTPRequest implements HTTPAction.
func (s *streamAction) HTTPRequest(ep url.URL) *http.Request {
	s.mu.Lock()
	next := s.at.next
	s.mu.Unlock()
	spec := requestSpec{method: http.MethodGet, path: s.watch.path, query: s.watch.query(next, false)}
	return spec.httpRequest(ep)
}

// call returns the operation of one call that has come back.
func (s *streamAction) call(ctx context.Context) *pollCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passedOn = true
	return &pollCall{watch: s.watch, stream: true, at: s.at, progress: s.at, active: time.Now(), deliver: s.deliver, shared: s, stop: ctx.Done()}
}

// position returns how far the stream has come, by whatever call.
func (s *streamAction) position() position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.at
}

// onHeader notes where a server has taken the stream.
func (s *streamAction) onHeader(index uint64, clusterID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header, s.index = true, index
	if s.at.next == 0 && index > 0 {
		s.at.next = index + 1
	}
	if s.at.clusterID == "" {
		s.at.clusterID = clusterID
	}
}

// pass delivers an event, unless another call has done so.
func (s *streamAction) pass(event *Response, asked uint64) (goOn bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	event = s.watch.pass(&s.at, event, asked)
	return event == nil || s.deliver(event)
}

// streamBy makes one request for a stream by c.
func (w *watch) streamBy(ctx context.Context, c Client, take func(*Response) bool) error {
	act := &streamAction{watch: w, deliver: take, at: w.position}
	began := time.Now()
	resp, body, err := c.Do(ctx, act) //nolint:bodyclose // Do has read and closed it
	act.mu.Lock()
	act.over = true
	passedOn := act.passedOn
	w.position, w.header, w.taken = act.at, act.header, act.index
	w.noIndex = w.noIndex || act.header && act.index == 0
	asked := act.at.next
	act.mu.Unlock()
	if err != nil || passedOn {
		return err
	}
	w.header = true
	event, err := w.readForeign(replyOf(resp, body), asked, began)
	if event != nil {
		take(event)
	}
	return err
}
