package client

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// denseRun is how many events of the history must have come one behind the
	// other before several are asked for at a time.
	denseRun = 8
	// mostAtATime is how many requests ask at a time.
	mostAtATime = 8

	// Where the header of a stream is held back until there is a body, the watch
	// goes on by single requests for a time that grows from the first to the last.
	firstStreamPause = time.Minute
	lastStreamPause  = time.Hour
)

// pollSource follows by requests of its own: one event at a time while it catches
// up with the history, since a stream would bring one event of it and then jump
// to new ones, and by a stream once it is at the head.
//
// A store may be written faster than the history can be read one event at a time.
// So a stream that begins now is opened before a long run of the history is read.
// It waits, its events in the buffers of its connection, until the history up to
// its beginning has been delivered.
type pollSource struct {
	client Client
	watch  *watch
	ahead  *pollRun // the stream that waits; nil: none

	streamPause time.Duration
	streamAfter time.Time // no stream before; zero: any time
	dense       int       // how many events of the history have come one behind the other
}

// mayStream reports whether the next request may be for a stream.
func (s *pollSource) mayStream() bool {
	return s.watch.isAtHead() && !s.watch.noIndex && !time.Now().Before(s.streamAfter)
}

// follow implements eventSource.
func (s *pollSource) follow(ctx context.Context, take func(*Response) bool) error {
	var pacer restartPacer
	own, _ := s.client.(*httpClusterClient) // nil: it opens no stream ahead
	defer s.endAhead()
	for {
		pacer.start()
		before := s.watch.events
		var err error
		switch {
		case s.isAheadReached():
			err = s.streamAhead(ctx, own)
		case s.mayStream():
			s.endAhead()
			err = s.stream(ctx, take)
		default:
			s.openAhead(ctx, take)
			err = s.catchUp(ctx, take)
		}
		if IsEventIndexCleared(err) {
			err = s.watch.goOnAfterLoss(ctx, s.client, err)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if s.watch.events > before {
			continue
		}
		if err := pacer.wait(ctx, s.client, s.watch.path, nil); err != nil {
			return err
		}
	}
}

// stream makes one request for a stream of events.
func (s *pollSource) stream(ctx context.Context, take func(*Response) bool) (err error) {
	s.dense = 0
	if own, ok := s.client.(*httpClusterClient); ok {
		_, err = s.watch.request(ctx, own, true, take)
	} else if s.client == nil {
		err = errNilClient
	} else {
		err = s.watch.streamBy(ctx, s.client, take)
	}
	s.noteStream(s.watch.header, err)
	return err
}

// noteStream notes how a request for a stream has ended, and whether its header
// came: a server sends it at once.
func (s *pollSource) noteStream(header bool, err error) {
	switch {
	case header:
		s.streamPause = 0
	case err == nil:
		s.streamPause = min(max(2*s.streamPause, firstStreamPause), lastStreamPause)
		s.streamAfter = time.Now().Add(s.streamPause)
	}
}

// openAhead opens a stream that begins now, where a long run of the history is
// about to be read.
func (s *pollSource) openAhead(ctx context.Context, take func(*Response) bool) {
	own, ok := s.client.(*httpClusterClient)
	if !ok || s.ahead != nil || s.dense < denseRun || s.watch.noIndex || time.Now().Before(s.streamAfter) {
		return
	}
	p := s.watch.newPoll(true)
	p.at.next, p.deliver = 0, take
	p.gate, p.held = make(chan struct{}), make(chan struct{})
	s.ahead = launch(ctx, own, p)
}

// isAheadReached reports whether all has been delivered that happened before the
// stream that waits.
func (s *pollSource) isAheadReached() bool {
	if s.ahead == nil {
		return false
	}
	select {
	case <-s.ahead.done: // the requests for the history show why
		s.noteStream(false, s.ahead.err)
		s.endAhead()
		s.dense = 0
		return false
	case <-s.ahead.poll.held:
		if s.ahead.poll.from == 0 { // it is not known where it begins
			s.endAhead()
			s.dense = 0
			return false
		}
		return s.watch.next > s.ahead.poll.from
	default:
		return false
	}
}

// streamAhead goes on by the stream that waits.
func (s *pollSource) streamAhead(ctx context.Context, own *httpClusterClient) error {
	run := s.ahead
	s.ahead, s.dense = nil, 0
	run.poll.at = s.watch.position
	close(run.poll.gate)
	_, err := s.watch.follow(ctx, own, run)
	s.noteStream(s.watch.header, err)
	return err
}

// endAhead closes the stream that waits, if there is one.
func (s *pollSource) endAhead() {
	s.ahead.end()
	s.ahead = nil
}

// single makes one request for an event.
func (s *pollSource) single(ctx context.Context, take func(*Response) bool) error {
	before := s.watch.next
	event, err := s.watch.once(ctx, s.client)
	s.noteDense(before)
	if event != nil {
		take(event)
	}
	return err
}

// catchUp asks for the next events of the history, several at a time while they
// are close together: one after the other would be no faster than a busy store
// writes them. A request brings the first event at or behind its index, so that
// those of consecutive indexes, in their order, leave nothing out.
func (s *pollSource) catchUp(ctx context.Context, take func(*Response) bool) error {
	own, ok := s.client.(*httpClusterClient)
	if s.dense < denseRun || !ok {
		return s.single(ctx, take)
	}
	var (
		polls [mostAtATime]*pollCall
		errs  [mostAtATime]error
		all   sync.WaitGroup
	)
	for i := range polls {
		p := s.watch.newPoll(false)
		p.at.next += uint64(i)
		p.endAtHead = true // or it would wait for what is to come
		polls[i] = p
		all.Go(func() { _, errs[i] = own.do(ctx, p) })
	}
	all.Wait()
	for i, p := range polls {
		before := s.watch.next
		if errs[i] != nil && i == 0 {
			s.dense = 0
			return errs[i]
		}
		if before != p.asked || errs[i] != nil {
			return nil //nolint:nilerr // that is for the next request to find out
		}
		s.watch.clusterID = cmp.Or(s.watch.clusterID, p.at.clusterID)
		s.watch.taken = p.index
		if p.event == nil {
			s.dense = 0
			break
		}
		event := s.watch.pass(&s.watch.position, p.event, p.asked)
		s.noteDense(before)
		if event != nil && !take(event) {
			break
		}
	}
	return nil
}

// noteDense counts how many events have come one behind the other.
func (s *pollSource) noteDense(before uint64) {
	if s.watch.noIndex || s.watch.isAtHead() || s.watch.next != before+1 {
		s.dense = 0
		return
	}
	s.dense++
}

var errNoEvent = errors.New("client: the Watcher returned neither event nor error")
