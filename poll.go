package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// longEnough is how long a poll must have lasted to have been quiet rather than
// broken: then it is made again without a pause, and what went before it counts
// as seen.
const longEnough = time.Second

// poll is the watch of one key: the request, and how far it has come. One poll
// is used for all requests of a watch, one after the other, so that each begins
// where the one before has ended, on whatever endpoint.
type poll struct {
	plain

	path      string // escaped
	dir       string // what the server calls the key, ending in a slash; empty: not known
	recursive bool
	hidden    bool // what is hidden from the watch, and yet told, is an event
	stream    bool // ask for more than one event

	next      uint64 // the first index of interest; 0: not known yet, from now
	last      uint64 // the index of the last event; 0: none yet
	events    int    // how many there were
	clusterID string // empty: not known yet

	// Of the request on its way:
	began    time.Time // the attempt
	asked    uint64    // the waitIndex it has; 0: none
	opened   time.Time // when its header came; zero before
	index    uint64    // X-Etcd-Index in it: where the server took the watch
	event    *Response // nil: none came
	err      error     // why the reply is neither an event nor a quiet end
	accepted bool      // accept was called
	takes    bool      // the body may be decoded as it comes, for nobody else wants it
	taken    bool      // it was; event and err are what came of it
	lead     leadReader
}

// HTTPRequest implements HTTPAction.
func (p *poll) HTTPRequest(ep url.URL) *http.Request { return requestOf(p.demand(), ep) }

func (p *poll) demand() demand {
	p.began, p.opened, p.index, p.asked = time.Now(), time.Time{}, 0, p.next
	p.taken = false
	return demand{method: http.MethodGet, path: p.path, query: p.query()}
}

// query is the query in the order of its names.
func (p *poll) query() string {
	q := "wait=true"
	switch {
	case p.recursive && p.stream:
		q = "recursive=true&stream=true&wait=true"
	case p.recursive:
		q = "recursive=true&wait=true"
	case p.stream:
		q = "stream=true&wait=true"
	}
	if p.next == 0 {
		return q
	}
	var digits [20]byte
	return q + "&waitIndex=" + string(strconv.AppendUint(digits[:0], p.next, 10))
}

func (p *poll) describe() (method, path string) { return http.MethodGet, p.path }

func (p *poll) retryClass() retryClass { return classRead }
func (p *poll) isLongPoll() bool       { return true }

// isCaughtUp reports whether the server took the watch at the head: nothing that
// is to be delivered had happened before.
func (p *poll) isCaughtUp() bool { return p.index < p.next }

// begins takes the header of a reply, which a server sends as soon as it has
// taken the watch. From then on the start of a watch from now is known.
func (p *poll) begins(r *reply) error {
	if !isSuccess(r.status) {
		return nil
	}
	index, err := indexOf(r)
	if err != nil {
		return err
	}
	if err := p.checkCluster(r); err != nil {
		return err
	}
	p.opened, p.index = time.Now(), index
	if p.next == 0 && index > 0 {
		p.next = index + 1
	}
	return nil
}

// checkCluster refuses events of another cluster: its indexes mean nothing here.
func (p *poll) checkCluster(r *reply) error {
	id := r.get(headerClusterID)
	switch {
	case id == "", id == p.clusterID:
	case p.clusterID == "":
		p.clusterID = id
	default:
		return &ReplyError{
			Endpoint: r.endpoint, StatusCode: r.status, Err: ErrClusterIDChanged,
			Message: "cluster ID was " + p.clusterID + " and is " + id,
		}
	}
	return nil
}

// excuses reports whether an attempt that broke off was a quiet poll that has
// ended, and no failure. A poll that breaks soon is made again as well, but
// elsewhere if there is a choice.
func (p *poll) excuses(r *reply, sent bool, err error) (excused, elsewhere bool) {
	quiet := time.Since(p.began) >= longEnough
	switch {
	case errors.Is(err, errPollRemade):
		p.accepted = true
		return true, false
	case isAbandoned(err):
		return false, false
	case r == nil:
		// Some proxies hold the header back until there is a body.
		excused = sent && quiet
	default:
		excused = !p.opened.IsZero() && isReadError(err)
		if excused && quiet && errors.Is(err, io.ErrUnexpectedEOF) {
			// Whoever closes in an orderly way has passed on all that was
			// written before, and a server writes what has already happened
			// right behind the header.
			p.skipSeen()
		}
	}
	p.accepted = excused
	return excused, !quiet
}

// skipSeen moves the watch up to where the server has taken it: what matches and
// was before would have been sent.
func (p *poll) skipSeen() {
	if p.index > 0 {
		p.next = max(p.next, p.index+1)
	}
}

// errPollRemade is why the client itself ends a quiet poll, to make it again.
var errPollRemade = errors.New("client: the long poll is made again")

// isAbandoned is true for attempts that the client itself gave up or refused.
func isAbandoned(err error) bool {
	return slices.ContainsFunc([]error{
		ErrStalled, ErrNoQuorum, ErrClusterIDChanged, ErrResponseTooLarge, ErrTooManyRedirects, ErrRedirectRefused,
	}, func(reason error) bool { return errors.Is(err, reason) })
}

// accept takes a whole reply: an event, a quiet end, or an error.
func (p *poll) accept(r *reply) error {
	p.accepted = true
	p.event, p.err = p.read(r)
	return p.err
}

func (p *poll) read(r *reply) (*Response, error) {
	if isIdleTimeout(r.status) && time.Since(p.began) >= longEnough {
		return nil, nil
	}
	if !isSuccess(r.status) {
		err := keysError(r)
		if hasErrorCode(err, ErrorCodeWatcherCleared) {
			return nil, nil // the server has dropped the watch, and nothing else
		}
		return nil, err
	}
	if p.opened.IsZero() { // a Client of the caller's own did not say
		if err := p.begins(r); err != nil {
			return nil, err
		}
	}
	event, err := p.event, p.err
	if !p.taken {
		event, err = decodeTreeBytes(r.body)
	}
	if errors.Is(err, ErrEmptyBody) {
		// A server that has an event writes it right behind the header. But who
		// stands in between may give up at once, and say so by an empty reply.
		if time.Since(p.began) >= longEnough {
			p.skipSeen()
		}
		return nil, nil
	}
	if event, err = finishResponse(r, event, err, true); err != nil {
		return nil, err
	}
	return p.pass(event), nil
}

func (p *poll) takesBody() bool { return p.takes }

// consume decodes the event. It begins with that when there is something to
// decode, for a decoder is large, and polls that wait are many.
func (p *poll) consume(r *reply, body *trip, limit int64) error {
	if err := p.lead.await(body); err != nil {
		return err
	}
	var err error
	p.event, r.body, err = decodeTreeFrom(&p.lead, limit)
	if isReadError(err) || isTooLarge(err) {
		return err
	}
	p.taken, p.err = true, err
	return nil
}

// leadReader is a body whose first byte has been waited for.
type leadReader struct {
	body  io.Reader
	first [1]byte
	held  int // how much of first has not been read
}

// await waits for the first byte. It gives an error only if the body broke off.
func (l *leadReader) await(body io.Reader) error {
	l.body = body
	var err error
	for l.held = 0; l.held == 0 && err == nil; {
		l.held, err = body.Read(l.first[:])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return &bodyReadError{err}
	}
	return nil
}

// Read implements io.Reader.
func (l *leadReader) Read(p []byte) (int, error) {
	if l.held > 0 && len(p) > 0 {
		p[0], l.held = l.first[0], 0
		return 1, nil
	}
	return l.body.Read(p)
}

// isIdleTimeout is true for what proxies say when a reply takes them too long.
func isIdleTimeout(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusBadGateway ||
		status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
}

// pass takes an event for delivery, unless it was delivered before, or is hidden
// from this watch: servers hide it as long as it is new.
func (p *poll) pass(event *Response) *Response {
	index := event.Node.ModifiedIndex
	if index < p.asked || index <= p.last {
		return nil
	}
	p.last, p.next = index, index+1
	p.events++
	if p.dir != "" && (!isRelated(p.dir, event.Node.Key) || p.recursive && !p.hidden && isHiddenBelow(p.dir, event.Node.Key)) {
		return nil
	}
	return event
}

// isRelated reports whether key is dir, is below it, or is a directory that dir
// is in. Servers that look through the history take /a for one that /ab is in.
func isRelated(dir, key string) bool {
	return strings.HasPrefix(key+"/", dir) || strings.HasPrefix(dir, key+"/")
}

// isHiddenBelow reports whether an element of key below dir begins with "_".
func isHiddenBelow(dir, key string) bool {
	below, ok := strings.CutPrefix(key, dir)
	return ok && (strings.HasPrefix(below, "_") || strings.Contains(below, "/_"))
}

// once makes one request, as p itself or as a stream of it, and gives the event,
// or nil for a quiet end.
func (p *poll) once(ctx context.Context, c Client, as HTTPAction) (*Response, error) {
	p.event, p.err, p.accepted = nil, nil, false
	if own, ok := c.(*httpClusterClient); ok {
		p.takes = true
		if _, err := own.do(ctx, outgoingOf(as, own.pool.view().at(0).base)); err != nil {
			return nil, err
		}
		return p.event, p.err
	}
	resp, body, err := c.Do(ctx, as) //nolint:bodyclose // Do has read and closed it
	if err != nil {
		return nil, err
	}
	if !p.accepted { // c is a Client of the caller's own that did not pass p on
		return p.read(replyOf(resp, body))
	}
	return p.event, p.err
}
