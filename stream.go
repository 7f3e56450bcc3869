package client

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

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
