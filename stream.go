package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

const (
	// serverBuffer is how many events etcd holds for a stream. When there is one
	// more it drops the stream without a word: what it held still comes, the
	// reply stays open, and nothing comes any more (measured on 3.4 and 3.5).
	serverBuffer = 100
	// A stream that may have been dropped, since it has given as many events, may
	// be silent for so long before it is made again.
	shortestSilence = 20 * time.Millisecond
	longestSilence  = 250 * time.Millisecond
	// streamBuffer holds most events; longer ones are put together.
	streamBuffer = 4 << 10
)

// stream is a poll that takes more than one event of a reply.
type stream struct {
	*poll
	deliver func(*Response) bool // false: that is enough
}

func (s *stream) isStream() bool  { return true }
func (s *stream) takesBody() bool { return true }

// accept takes a whole reply. Of a success, consume has taken everything.
func (s *stream) accept(r *reply) error {
	if isSuccess(r.status) {
		s.accepted = true
		return nil
	}
	return s.poll.accept(r)
}

// consume reads the events as they come.
func (s *stream) consume(r *reply, body *trip, limit int64) error {
	silence := time.AfterFunc(longestSilence, func() { body.giveUp(errPollRemade) })
	silence.Stop()
	defer silence.Stop()
	lines := bufio.NewReaderSize(body, streamBuffer)
	began := time.Now()
	for taken := 0; ; {
		waits := taken >= serverBuffer && lines.Buffered() == 0
		if waits {
			silence.Reset(silenceOf(taken, time.Since(began)))
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
		taken++
		goOn, err := s.take(r, line)
		if err != nil || !goOn {
			return err
		}
	}
}

// take delivers one event, and reports whether to go on.
func (s *stream) take(r *reply, line []byte) (goOn bool, err error) {
	r.body = line
	event, err := decodeTreeBytes(line)
	if event, err = finishResponse(r, event, err, true); err != nil {
		return false, err
	}
	// An event of the history is the only one: now the stream would jump.
	goOn = event.Node.ModifiedIndex > s.index
	if event = s.pass(event); event != nil && !s.deliver(event) {
		return false, nil
	}
	return goOn, nil
}

// silenceOf is how long a stream that has given so many events within a time may
// be silent before it is made again: as long as a few events take, for behind a
// stream that was dropped the history goes by.
func silenceOf(events int, within time.Duration) time.Duration {
	const few = 10
	return min(max(few*within/time.Duration(events), shortestSilence), longestSilence)
}

// readLine reads up to a line break, which JSON text has none of. What comes
// before an error is the beginning of an event, and of no use.
func readLine(lines *bufio.Reader, limit int64) ([]byte, error) {
	var long []byte
	for {
		part, err := lines.ReadSlice('\n')
		if int64(len(long)+len(part)) > limit {
			return nil, ErrResponseTooLarge
		}
		switch {
		case err == nil && long == nil:
			return bytes.TrimSpace(part), nil
		case err == nil:
			return bytes.TrimSpace(append(long, part...)), nil
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, part...)
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		default:
			return nil, &bodyReadError{err}
		}
	}
}

// pollSource follows by polls of its own: one event at a time while it catches
// up with the history, since a stream would give one event of it and then jump
// to new ones, and by a stream once it is at the head.
type pollSource struct {
	client   Client
	poll     *poll
	heldBack bool // somebody on the way holds replies back until they are whole: no streams
	dense    int  // how many events of the history have come one behind the other
}

// follow implements eventSource.
func (s *pollSource) follow(ctx context.Context, take func(*Response) bool) error {
	var rearm pace
	atHead := true // until the server says otherwise
	for {
		rearm.start()
		before := s.poll.events
		asStream := atHead && !s.heldBack
		var err error
		if asStream {
			s.dense = 0
			err = s.request(ctx, true, take)
		} else {
			err = s.catchUp(ctx, take)
		}
		if asStream && err == nil && s.poll.opened.IsZero() {
			s.heldBack = true // a server sends the header at once
		}
		if IsEventIndexCleared(err) {
			err = s.poll.goOnAfterLoss(ctx, s.client, err)
		}
		if err != nil {
			return err
		}
		atHead = s.poll.isCaughtUp()
		if s.poll.events > before {
			continue
		}
		if err := rearm.keep(ctx, s.client, s.poll.path, nil); err != nil {
			return err
		}
	}
}

// request makes one request, for a stream of events or for one.
func (s *pollSource) request(ctx context.Context, asStream bool, take func(*Response) bool) error {
	s.poll.stream = asStream
	var event *Response
	var err error
	if asStream {
		event, err = s.poll.once(ctx, s.client, &stream{poll: s.poll, deliver: take})
	} else {
		event, err = s.poll.once(ctx, s.client, s.poll)
	}
	if event != nil {
		take(event)
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}
