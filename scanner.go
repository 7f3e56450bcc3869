package client

import (
	"bytes"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	// windowSize is how much of a body is held at a time.
	windowSize = 32 << 10

	// A body that is longer than longBody is read through a wide window, which
	// takes fewer reads and wake-ups, and less of what it is read from.
	longBody   = 512 << 10
	wideWindow = 128 << 10

	// maxPooledWindow is the largest buffer worth keeping for the next body.
	maxPooledWindow = 64 << 10

	// minNodeRoom is how much is at hand where a node begins, so that most nodes
	// are in one piece.
	minNodeRoom = 1 << 10

	// windowPad is the white space put behind a body. It changes no document,
	// and lets everything that looks ahead a little do so up to the very end.
	windowPad = len(pad)

	pad = "                                                                                                "

	// maxEmptyReads is how often a reader may give nothing, as in package bufio.
	maxEmptyReads = 100
)

// scanner reads JSON tokens through a window over a body.
//
// Only refill moves the window, and only refill knows whether there is a reader
// behind it. A token begins at pos and stays whole in data until it is taken:
// refill keeps everything from pos on. Slices of data are good until then.
type scanner struct {
	data []byte // what of the body is at hand; data[:pos] is done with
	pos  int

	window  []byte    // what data is a part of, unless the whole body was at hand
	source  io.Reader // nil when the whole body was at hand
	pending error     // what source said along with its last bytes
	ended   bool      // windowPad is behind the body, and nothing more comes
	limit   int64
	left    int64 // of limit
	err     error // why refill gave up, unless the body just ended

	head    []byte // the beginning of the body, once it has left the window
	scratch []byte // a string without its escapes
	depth   int
}

// open starts on a body to read.
func (s *scanner) open(source io.Reader, limit int64) {
	s.source, s.limit, s.left = source, limit, limit
	s.data, s.pos = s.window[:0], 0
}

// openBytes starts on a body at hand.
func (s *scanner) openBytes(body []byte) {
	s.data, s.pos = body, 0
	if len(body) <= 2*minNodeRoom {
		s.refill() // the tail of such a body is most of it
	}
}

// forget lets go of the body, and of what one large token made grow.
func (s *scanner) forget() {
	if len(s.window) > maxPooledWindow {
		s.window = make([]byte, windowSize)
	}
	if cap(s.scratch) > maxPooledWindow {
		s.scratch = nil
	}
	// One by one, which is less than all at once.
	s.data, s.pos, s.source, s.pending, s.ended, s.err = nil, 0, nil, nil, false, nil
	s.head, s.depth = s.head[:0], 0
}

// refill puts at least one more byte behind data and keeps what is behind pos.
// It is false when there is no more: then err says why, or the body has ended.
func (s *scanner) refill() bool {
	if s.ended || s.err != nil {
		return false
	}
	if s.source == nil {
		rest := s.data[s.pos:]
		if len(rest) > len(s.window)-windowPad {
			return false // a token as long as that, and it does not end
		}
		s.data, s.pos = s.window[:copy(s.window, rest)], 0
		return s.end()
	}
	s.makeRoom()
	for range maxEmptyReads {
		if s.pending != nil {
			break
		}
		var n int
		n, s.pending = s.source.Read(s.window[len(s.data) : len(s.window)-windowPad])
		if s.left -= int64(n); s.left < 0 {
			s.err = fmt.Errorf("%w (%d)", ErrResponseTooLarge, s.limit)
			return false
		}
		if n > 0 {
			s.data = s.window[:len(s.data)+n]
			return true
		}
	}
	switch s.pending {
	case io.EOF: //nolint:errorlint // a reader's end is io.EOF itself and no error that wraps it
		return s.end()
	case nil:
		s.pending = io.ErrNoProgress
	}
	s.err = &bodyReadError{s.pending}
	return false
}

// end puts the white space behind the body.
func (s *scanner) end() bool {
	from := len(s.data)
	s.data = s.window[:from+windowPad]
	copy(s.data[from:], pad)
	s.ended = true
	return true
}

// makeRoom sees that something can be read behind data. It moves at most half of
// the window at a time, so that a token that comes byte by byte is not moved for
// each of them.
func (s *scanner) makeRoom() {
	if len(s.data) < len(s.window)-windowPad {
		return
	}
	if len(s.head) == 0 {
		s.head = append(s.head, s.data[:min(len(s.data), maxBodyInError)]...)
	}
	rest := s.data[s.pos:]
	switch {
	case len(s.window) < wideWindow && s.limit-s.left > longBody:
		s.window = make([]byte, wideWindow)
	case len(rest) > len(s.window)/2:
		s.window = make([]byte, 2*len(s.window))
	}
	s.data, s.pos = s.window[:copy(s.window, rest)], 0
}

// want sees that n bytes are at hand, or all that there are.
func (s *scanner) want(n int) bool {
	for len(s.data)-s.pos < n {
		if !s.refill() {
			return false
		}
	}
	return true
}

// peek goes to the next byte that is not white space, and gives 0, with which
// nothing begins, where there is none.
func (s *scanner) peek() byte {
	for {
		for ; s.pos < len(s.data); s.pos++ {
			if c := s.data[s.pos]; !isSpace(c) {
				return c
			}
		}
		if !s.refill() {
			return 0
		}
	}
}

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\r' || c == '\t') }

// take goes behind the next byte that is not white space if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// literal goes behind word, whose first byte is at pos.
func (s *scanner) literal(word string) bool {
	if !s.want(len(word)) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return false
	}
	s.pos += len(word)
	return true
}

// null goes behind a null if that comes next. A word that only begins like it is
// left for the caller, who can make nothing of it.
func (s *scanner) null() bool { return s.peek() == 'n' && s.literal("null") }

// quoted goes behind the string that comes next, and gives what is between its
// quotes. It says what of that has still to be looked at: whether there are
// escapes, and whether there may be bytes that are not ASCII.
func (s *scanner) quoted() (raw []byte, escaped, wide, ok bool) {
	if s.peek() != '"' {
		return nil, false, false, false
	}
	length := 1
	for {
		end, isWide := stringEnd(s.data, s.pos+length)
		length = end - s.pos
		wide = wide || isWide
		switch {
		case end == len(s.data), s.data[end] == '\\' && end+1 == len(s.data):
			if !s.refill() {
				return nil, false, false, false
			}
		case s.data[end] == '"':
			raw = s.data[s.pos+1 : end]
			s.pos = end + 1
			return raw, escaped, wide, true
		case s.data[end] == '\\':
			escaped = true
			length += 2
		default: // a control character
			return nil, false, false, false
		}
	}
}

// text goes behind the string that comes next, and gives what it says.
func (s *scanner) text() ([]byte, bool) {
	raw, escaped, wide, ok := s.quoted()
	if !ok || !escaped && (!wide || utf8.Valid(raw)) {
		return raw, ok
	}
	if cap(s.scratch) < len(raw) {
		s.scratch = make([]byte, 0, len(raw))
	}
	s.scratch, ok = appendUnquoted(s.scratch[:0], raw)
	return s.scratch, ok
}

// ends reports whether nothing but white space follows, all of which it reads.
func (s *scanner) ends() bool {
	for {
		end := len(s.data)
		if s.ended {
			end -= windowPad // which would take longer to look at than many a body
		}
		for ; s.pos < end; s.pos++ {
			if !isSpace(s.data[s.pos]) {
				return false
			}
		}
		if s.ended || !s.refill() {
			return s.ended
		}
	}
}

// rest gives how much of the body is left, or a number below zero if that is not
// known yet.
func (s *scanner) rest() int {
	if s.source != nil && !s.ended {
		return -1
	}
	return len(s.data) - s.pos
}

// failure says why reading had to stop.
func (s *scanner) failure() error {
	if s.err != nil {
		return s.err
	}
	return ErrInvalidJSON
}

// quote copies the beginning of the body for an error.
func (s *scanner) quote() []byte {
	if len(s.head) > 0 {
		return bytes.Clone(s.head)
	}
	body := s.data // it has not left the window
	if s.ended {
		body = body[:len(body)-windowPad]
	}
	return bytes.Clone(body[:min(len(body), maxBodyInError)])
}
