package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// position is how far a watch has come.
type position struct {
	next      uint64 // the first index of interest; 0: not known yet, from now
	last      uint64 // the index of the last event; 0: none yet
	events    int    // how many there were
	clusterID string // empty: not known yet
}

// watch is the watch of one key. One goroutine at a time uses it.
type watch struct {
	position

	path      string // escaped
	dir       string // what the server calls the key, ending in a slash; empty: not known
	recursive bool
	hidden    bool // hidden nodes are reported, where the server does

	taken   uint64 // the index at which a server took the last request; 0: not known
	noIndex bool   // replies have no index: somebody in between drops it
	header  bool   // the header of the last request came
}

// isAtHead reports whether nothing that is of interest now had happened when the
// last request was taken.
func (w *watch) isAtHead() bool { return w.taken < w.next || w.next == 0 }

// query returns the query of a request, in the order of its names.
func (w *watch) query(next uint64, stream bool) string {
	q := "wait=true"
	switch {
	case w.recursive && stream:
		q = "recursive=true&stream=true&wait=true"
	case w.recursive:
		q = "recursive=true&wait=true"
	case stream:
		q = "stream=true&wait=true"
	}
	if next == 0 {
		return q
	}
	var digits [20]byte
	return q + "&waitIndex=" + string(strconv.AppendUint(digits[:0], next, 10))
}

// pass takes an event for delivery, and returns nil where it was delivered before,
// or is hidden from this watch: servers hide it as long as it is new. asked is the
// index that the request had.
func (w *watch) pass(at *position, event *Response, asked uint64) *Response {
	index := event.Node.ModifiedIndex
	if index < asked || index <= at.last {
		return nil
	}
	at.last, at.next = index, index+1
	at.events++
	if w.dir != "" && (!isRelated(w.dir, event.Node.Key) || w.recursive && !w.hidden && isHiddenBelow(w.dir, event.Node.Key)) {
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

// checkCluster refuses events of another cluster: its indexes mean nothing here.
func (at *position) checkCluster(r *reply) error {
	id := r.get(headerClusterID)
	switch {
	case id == "", id == at.clusterID:
	case at.clusterID == "":
		at.clusterID = id
	default:
		return &ReplyError{
			Endpoint: r.endpoint, StatusCode: r.status, Err: ErrClusterIDChanged,
			Message: "cluster ID was " + at.clusterID + " and is " + id,
		}
	}
	return nil
}

// idleProof is how long the header of a poll must have been there without a byte
// of a body before it may show that the history holds nothing: a server writes
// what has already happened right behind the header.
const idleProof = 5 * time.Second

// pollCall is one request for the events of a watch: for one event, or for a
// stream of them.
type pollCall struct {
	watch     *watch // not to be changed
	stream    bool
	endAtHead bool                 // it is for the history only
	deliver   func(*Response) bool // of a stream; false: that is enough

	shared *streamAction // of a stream that a Client of the caller's own passed on; nil: it did not

	gate chan struct{}   // nil, or closed when the poll may go on behind its header
	held chan struct{}   // closed when the header waits at the gate
	from uint64          // set before held is closed: X-Etcd-Index of the header that waits
	stop <-chan struct{} // closed when the poll is to end

	at    position  // how far it has come, from where the watch was
	event *Response // of the attempt; nil: none came
	err   error     // why it could not be decoded

	mu       sync.Mutex // guards the fields below, of the attempt under way
	endpoint *endpoint
	asked    uint64    // the waitIndex it has; 0: none
	opened   time.Time // when its header came; zero before
	index    uint64    // X-Etcd-Index in it: where the server took the watch
	direct   bool      // the endpoint itself has answered, without a redirect
	http1    bool      // by HTTP/1: nothing but a renewal shows that the connection is alive
	hasBytes bool      // a part of the body has come
	active   time.Time // when something last came, or was delivered
	busy     bool      // an event is being delivered
	progress position  // at, as others may read it
}

func (w *watch) newPoll(stream bool) *pollCall {
	return &pollCall{watch: w, stream: stream, at: w.position, progress: w.position, active: time.Now()}
}

func (p *pollCall) info() callInfo {
	return callInfo{method: http.MethodGet, path: p.watch.path, class: classRead, longPoll: !p.endAtHead, stream: p.stream}
}

func (p *pollCall) request(ctx context.Context, ep *endpoint, u *url.URL) *http.Request {
	if p.shared != nil {
		p.at = p.shared.position()
	}
	p.mu.Lock()
	p.endpoint, p.asked, p.opened, p.index, p.hasBytes = ep, p.at.next, time.Time{}, 0, false
	p.mu.Unlock()
	p.event, p.err = nil, nil
	spec := requestSpec{method: http.MethodGet, path: p.watch.path, query: p.watch.query(p.at.next, p.stream)}
	return spec.request(ctx, ep, u)
}

// errAtHead is how a poll ends that is for the history only when it has come to
// the end of that.
var errAtHead = errors.New("client: the history has ended")

// onHeader takes the header of a reply, which a server sends as soon as it has
// taken the watch. From then on the start of a watch from now is known.
func (p *pollCall) onHeader(r *reply) error {
	if !isSuccess(r.status) {
		return nil
	}
	index, err := indexOf(r)
	if err != nil {
		return err
	}
	if p.gate != nil {
		p.from = index
		close(p.held)
		select {
		case <-p.gate:
		case <-p.stop:
			return context.Canceled
		}
		p.gate = nil
	}
	if err := p.at.checkCluster(r); err != nil {
		return err
	}
	if p.at.next == 0 && index > 0 {
		p.at.next = index + 1
	}
	if p.shared != nil {
		p.shared.onHeader(index, p.at.clusterID)
	}
	p.mu.Lock()
	p.opened, p.index, p.http1 = time.Now(), index, r.http.ProtoMajor == 1
	p.direct = r.endpoint == p.endpoint.name
	p.active, p.progress = p.opened, p.at
	p.mu.Unlock()
	if p.endAtHead && index > 0 && index < p.at.next {
		return errAtHead
	}
	return nil
}

// readBody reads the event, or the events of a stream.
func (p *pollCall) readBody(r *reply, body *attempt, limit int64) (bool, error) {
	in := &pollReader{poll: p, body: body}
	if p.stream {
		return true, p.readStream(r, body, in, limit)
	}
	// A decoder is large, and polls that wait are many.
	if err := in.await(); err != nil {
		return true, err
	}
	event, head, err := decodeTreeFrom(in, limit)
	r.body = head
	if isReadError(err) || isTooLarge(err) {
		return true, err
	}
	p.event, p.err = event, err
	return true, nil
}

// onReply judges the whole reply.
func (p *pollCall) onReply(r *reply) (err error) {
	switch {
	case !isSuccess(r.status):
		return pollError(r)
	case p.stream, errors.Is(p.err, ErrEmptyBody):
		return nil // whoever is in between has ended the reply
	case r.http.Body == nil || p.event == nil && p.err == nil:
		return nil
	}
	p.event, err = finishResponse(r, p.event, p.err, true)
	return err
}

// pollError returns the error of a reply that is not a success; nil: it is an
// idle end.
func pollError(r *reply) error {
	err := keysError(r)
	if hasErrorCode(err, ErrorCodeWatcherCleared) {
		return nil // the server has dropped the watch, and nothing else
	}
	return err
}

// provenIdle returns the index up to which the poll has shown that there is
// nothing to deliver; 0: it has shown nothing.
//
// The header has been there for a while, nothing came behind it, and the same
// endpoint has answered another request that was made after the header had come:
// so it was not stopped in between.
func (p *pollCall) provenIdle() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.opened.IsZero() || p.hasBytes || !p.direct || time.Since(p.opened) < idleProof || !p.endpoint.health.hasAnsweredSince(p.opened) {
		return 0
	}
	return p.index
}

// isOpened reports whether the header of the reply has come, and whether by HTTP/1.
func (p *pollCall) isOpened() (opened, http1 bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.opened.IsZero(), p.http1
}

// silence returns since when nothing has come, and whether that is so: not while
// an event is being delivered.
func (p *pollCall) silence() (since time.Time, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.active, !p.busy
}

// merge has the watch go on where the poll has come to.
func (p *pollCall) merge() {
	w := p.watch
	w.position = p.at
	if idle := p.provenIdle(); idle > 0 && p.event == nil {
		w.next = max(w.next, idle+1)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	w.header = !p.opened.IsZero()
	w.noIndex = w.noIndex || w.header && p.index == 0
	w.taken = p.index
}

// pollReader reads the body of a poll, and notes what comes.
type pollReader struct {
	poll  *pollCall
	body  io.Reader
	first [1]byte
	held  int // how much of first has not been read
}

// await waits for the first byte. It returns an error only if the body broke off.
func (in *pollReader) await() error {
	var err error
	for in.held == 0 && err == nil {
		in.held, err = in.Read(in.first[:])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return &bodyReadError{err}
	}
	return nil
}

// Read implements io.Reader.
func (in *pollReader) Read(p []byte) (int, error) {
	if in.held > 0 && len(p) > 0 {
		p[0], in.held = in.first[0], 0
		return 1, nil
	}
	n, err := in.body.Read(p)
	if n > 0 {
		in.poll.mu.Lock()
		in.poll.hasBytes, in.poll.active = true, time.Now()
		in.poll.mu.Unlock()
	}
	return n, err
}

const (
	// serverBuffer is how many events etcd holds for a stream. When there is one
	// more it drops the stream: what it held still comes, the reply stays open,
	// and nothing comes any more (measured on 3.4 and 3.5).
	serverBuffer = 100
	// A stream that may have been dropped, since it has brought as many events,
	// may be silent for so long before the watch goes on by another request. That
	// request shows what is true; too early it costs a round trip.
	shortestSilence = 2 * time.Millisecond
	longestSilence  = 250 * time.Millisecond
	// silentGaps is how many gaps between events that is, and gapShare the share of
	// the latest gap in their average.
	silentGaps = 10
	gapShare   = 16
	// streamBuffer holds most events; longer ones are put together.
	streamBuffer = 4 << 10
)

// errStreamSilent is how a stream is ended that may have been dropped.
var errStreamSilent = errors.New("client: the stream of events may have been dropped")

// readStream delivers the events as they come.
func (p *pollCall) readStream(r *reply, a *attempt, body *pollReader, limit int64) error {
	silence := time.AfterFunc(longestSilence, func() { a.cancel(errStreamSilent) })
	silence.Stop()
	defer silence.Stop()
	lines := bufio.NewReaderSize(body, streamBuffer)
	last, gap := time.Now(), longestSilence/silentGaps
	for taken := 0; ; {
		waits := taken >= serverBuffer && lines.Buffered() == 0
		if waits {
			silence.Reset(min(max(silentGaps*gap, shortestSilence), longestSilence))
		}
		line, err := readLine(lines, limit)
		if waits {
			silence.Stop()
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case len(line) == 0:
			continue
		}
		now := time.Now()
		gap += (now.Sub(last) - gap) / gapShare
		last = now
		taken++
		goOn, err := p.take(r, line)
		if err != nil || !goOn {
			return err
		}
	}
}

// take delivers one event, and reports whether to go on.
func (p *pollCall) take(r *reply, line []byte) (goOn bool, err error) {
	r.body = line
	event, err := decodeTreeBytes(line)
	if event, err = finishResponse(r, event, err, true); err != nil {
		return false, err
	}
	// An event of the history is the only one: now the stream would jump. Where
	// no header says what is history, every event may be of it.
	goOn = p.index > 0 && event.Node.ModifiedIndex > p.index
	p.setBusy(true)
	defer p.setBusy(false)
	if p.shared != nil {
		return p.shared.pass(event, p.asked) && goOn, nil
	}
	event = p.watch.pass(&p.at, event, p.asked)
	return (event == nil || p.deliver(event)) && goOn, nil
}

// setBusy notes that an event is being delivered, or has been.
func (p *pollCall) setBusy(busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy, p.active, p.progress = busy, time.Now(), p.at
}

// readLine reads up to a line break, which JSON text has none of. What comes
// before an error is the beginning of an event, and of no use.
func readLine(lines *bufio.Reader, limit int64) ([]byte, error) {
	var long chunks
	for {
		part, err := lines.ReadSlice('\n')
		if int64(long.length+len(part)) > limit {
			return nil, ErrResponseTooLarge
		}
		switch {
		case err == nil && long.length == 0:
			return bytes.TrimSpace(part), nil
		case err == nil:
			long.write(part)
			return bytes.TrimSpace(long.bytes()), nil
		case errors.Is(err, bufio.ErrBufferFull):
			long.write(part)
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		default:
			return nil, &bodyReadError{err}
		}
	}
}
