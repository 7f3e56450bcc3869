package client

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	// windowSize is how much of a body is held at a time. No token but a string
	// may be longer than half of it.
	windowSize = 64 << 10

	// maxPooledScratch is the largest buffer worth keeping for the next body.
	maxPooledScratch = 64 << 10

	// maxEmptyReads is how often a reader may return nothing, as in package bufio.
	maxEmptyReads = 100

	// maxDepth is how deep arrays and objects may be nested, as in encoding/json.
	maxDepth = 10_000

	// maxEscape is the length of the longest escape: a surrogate pair.
	maxEscape = len(`\ud83d\ude00`)
)

// scanner reads JSON tokens through a window over a body.
//
// Only refill moves the window. A token begins at pos and stays whole in data
// until it is taken: refill keeps everything from pos on. Slices of data are valid
// until then. The window never grows with a token: strings that do not fit are read
// part by part, see longText.
type scanner struct {
	data []byte // what of the body is at hand; data[:pos] has been read
	pos  int

	window  []byte    // what data is a part of, unless the whole body is at hand
	source  io.Reader // nil when the whole body is at hand
	pending error     // what source returned along with its last bytes
	limit   int64     // of the body, in bytes
	unread  int64     // how much of limit is left
	budget  int64     // how much memory the result may take yet
	err     error     // why reading stopped, unless the body just ended

	head    []byte // the beginning of the body, once it has left the window
	scratch []byte // a string without its escapes
	depth   int
}

// open starts reading a body of at most limit bytes.
func (s *scanner) open(source io.Reader, limit int64) {
	s.source, s.limit, s.unread, s.budget = source, limit, limit, budgetFor(limit)
	s.data, s.pos = s.window[:0], 0
}

// openBytes starts reading a body that is at hand. Its result is not bounded: the
// body itself was.
func (s *scanner) openBytes(body []byte) {
	s.data, s.pos, s.budget = body, 0, math.MaxInt64
}

// budgetFor returns how much memory may be allocated for what a body of at most
// limit bytes holds. The nodes of a real server stay below twice their JSON, see
// TestTreeDecoder_MemoryOfNodes; `{"key":"a"},` takes 9 times as much.
func budgetFor(limit int64) int64 {
	const slack = 64 << 10 // of small bounds, for slabs that are not full
	if limit > math.MaxInt64/4 {
		return math.MaxInt64
	}
	return 2*limit + limit/10 + slack
}

// charge takes n bytes off the budget. It reports false, and reading stops, when
// that is used up.
func (s *scanner) charge(n int) bool {
	s.budget -= int64(n)
	if s.budget < 0 && s.err == nil {
		s.err = fmt.Errorf("%w (%d): its nodes would take more than twice as much memory", ErrResponseTooLarge, s.limit)
	}
	return s.budget >= 0
}

// forget drops the body, and a buffer that one large token made grow.
func (s *scanner) forget() {
	if cap(s.scratch) > maxPooledScratch {
		s.scratch = nil
	}
	s.data, s.pos, s.source, s.pending, s.err = nil, 0, nil, nil, nil
	s.head, s.depth = s.head[:0], 0
}

// refill appends at least one byte to data and keeps what is behind pos. It reports
// false when there is no more: then err has the reason, or the body has ended, or
// the token at pos is too long.
func (s *scanner) refill() bool {
	if s.source == nil || s.err != nil || !s.makeRoom() {
		return false
	}
	for range maxEmptyReads {
		if s.pending != nil {
			break
		}
		var n int
		n, s.pending = s.source.Read(s.window[len(s.data):])
		if s.unread -= int64(n); s.unread < 0 {
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
		return false
	case nil:
		s.pending = io.ErrNoProgress
	}
	s.err = &bodyReadError{s.pending}
	return false
}

// makeRoom moves what is behind pos to the beginning of the window if that is full.
// It moves at most half of the window at a time, so that a token that comes byte by
// byte is not moved for each of them.
func (s *scanner) makeRoom() bool {
	if len(s.data) < len(s.window) {
		return true
	}
	if len(s.head) == 0 {
		s.head = append(s.head, s.data[:min(len(s.data), maxBodyInError)]...)
	}
	remaining := s.data[s.pos:]
	if len(remaining) > len(s.window)/2 {
		return false
	}
	s.data, s.pos = s.window[:copy(s.window, remaining)], 0
	return true
}

// want reads until n bytes are at hand, or all that there are.
func (s *scanner) want(n int) bool {
	for len(s.data)-s.pos < n {
		if !s.refill() {
			return false
		}
	}
	return true
}

// remaining returns how much of the body is left, or a number below zero if that is
// not known.
func (s *scanner) remaining() int {
	if s.source != nil {
		return -1
	}
	return len(s.data) - s.pos
}

// failure returns why reading had to stop.
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
	return bytes.Clone(s.data[:min(len(s.data), maxBodyInError)]) // it has not left the window
}

// peek moves to the next byte that is not white space, and returns it, or 0, with
// which nothing begins, where there is none.
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

// isAt reports whether c is at pos. It is peek() == c for the form that servers write,
// without white space, and without a call.
func (s *scanner) isAt(c byte) bool { return s.pos < len(s.data) && s.data[s.pos] == c }

// take moves behind the next byte that is not white space if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// literal moves behind word, whose first byte is at pos.
func (s *scanner) literal(word string) bool {
	if !s.want(len(word)) || string(s.data[s.pos:s.pos+len(word)]) != word {
		return false
	}
	s.pos += len(word)
	return true
}

// null moves behind a null if that comes next.
func (s *scanner) null() bool { return s.peek() == 'n' && s.literal("null") }

// ends reads white space, and reports whether nothing follows it.
func (s *scanner) ends() bool { return s.peek() == 0 && s.pos == len(s.data) && s.err == nil }

// enter moves into an array or an object, whose first byte is at pos.
func (s *scanner) enter() bool {
	s.pos++
	s.depth++
	return s.depth <= maxDepth
}

// quoted reads the string that comes next, and returns what is between its quotes,
// whether there are escapes in it, and whether there may be bytes that are not
// ASCII. Where isLong is true the string does not fit into the window, and pos is
// still in front of it.
func (s *scanner) quoted() (raw []byte, escaped, wide, isLong, ok bool) {
	if !s.isAt('"') && s.peek() != '"' {
		return nil, false, false, false, false
	}
	length := 1
	for {
		end, isWide := stringEnd(s.data, s.pos+length)
		length = end - s.pos
		wide = wide || isWide
		switch {
		case end == len(s.data), s.data[end] == '\\' && end+1 == len(s.data):
			if length > windowSize/2 && s.source != nil {
				return nil, false, false, true, false
			}
			if !s.refill() {
				return nil, false, false, false, false
			}
		case s.data[end] == '"':
			raw = s.data[s.pos+1 : end]
			s.pos = end + 1
			return raw, escaped, wide, false, true
		case s.data[end] == '\\':
			escaped = true
			length += 2
		default: // a control character
			return nil, false, false, false, false
		}
	}
}

// text reads the string that comes next. It is in short, which is valid until the
// next token is read, or in long if it did not fit into the window.
func (s *scanner) text() (short []byte, long string, ok bool) {
	raw, escaped, wide, isLong, ok := s.quoted()
	switch {
	case isLong:
		long, ok = s.longText()
		return nil, long, ok
	case !ok || !escaped && (!wide || utf8.Valid(raw)):
		return raw, "", ok
	}
	if cap(s.scratch) < len(raw) {
		s.scratch = make([]byte, 0, len(raw))
	}
	s.scratch, ok = appendUnquoted(s.scratch[:0], raw)
	return s.scratch, "", ok
}

// name reads a name of an object, and returns nil for one that is longer than any
// that is known.
func (s *scanner) name() ([]byte, bool) {
	raw, escaped, _, isLong, ok := s.quoted()
	if isLong {
		return nil, s.skipString()
	}
	if escaped {
		s.scratch, ok = appendUnquoted(s.scratch[:0], raw)
		raw = s.scratch
	}
	return raw, ok
}

// skipString reads a string that nobody wants, and checks it.
func (s *scanner) skipString() bool { return s.eachPart(func([]byte) bool { return true }) }

// longText reads a string of any length, in chunks.
func (s *scanner) longText() (string, bool) {
	c := chunks{first: windowSize / 2}
	ok := s.eachPart(func(part []byte) bool {
		for len(part) > 0 {
			room, allocated := c.room()
			if !s.charge(allocated) {
				return false
			}
			n := copy(room, part)
			c.add(n)
			part = part[n:]
		}
		return true
	})
	if !ok || !s.charge(c.length) {
		return "", false
	}
	return c.text(), true
}

// eachPart reads the string that comes next, and calls add with one part of its
// text after the other, until add returns false.
func (s *scanner) eachPart(add func(part []byte) bool) bool {
	if !s.take('"') {
		return false
	}
	var escaped [utf8.UTFMax]byte
	for {
		end, wide := stringEnd(s.data, s.pos)
		isCut := end == len(s.data)
		if isCut && wide {
			end -= cutRune(s.data[s.pos:end])
		}
		part := s.data[s.pos:end]
		if wide && !utf8.Valid(part) {
			const longest = len(string(utf8.RuneError)) // of what stands for a byte
			s.scratch, _ = appendUnquoted(slices.Grow(s.scratch[:0], longest*len(part)), part)
			part = s.scratch
		}
		s.pos = end
		switch {
		case !add(part):
			return false
		case isCut:
			if !s.refill() {
				return false
			}
		case s.data[end] == '"':
			s.pos++
			return true
		default:
			s.want(maxEscape)
			r, size := escape(s.data[s.pos:])
			if size == 0 || !add(escaped[:utf8.EncodeRune(escaped[:], r)]) {
				return false
			}
			s.pos += size
		}
	}
}

// cutRune returns how many bytes at the end of text are the beginning of a
// character whose other bytes are missing.
func cutRune(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// number reads the number that comes next, and returns its text.
func (s *scanner) number() ([]byte, bool) {
	s.peek()
	length := 0
	for {
		for s.pos+length < len(s.data) && isNumberByte(s.data[s.pos+length]) {
			length++
		}
		if s.pos+length < len(s.data) || !s.refill() {
			break
		}
	}
	raw := s.data[s.pos : s.pos+length]
	s.pos += length
	return raw, s.err == nil && isNumber(raw)
}

// uint64 reads a number into n; a null leaves it as it is.
func (s *scanner) uint64(n *uint64) bool {
	if v, end := digitsAt(s.data, s.pos); end > s.pos { // as servers write it
		*n, s.pos = v, end
		return true
	}
	if s.peek() == 'n' {
		return s.null()
	}
	raw, ok := s.number()
	if !ok {
		return false
	}
	v, err := strconv.ParseUint(string(raw), 10, 64)
	*n = v
	return err == nil
}

// int64 reads a number into n; a null leaves it as it is.
func (s *scanner) int64(n *int64) bool {
	if s.peek() == 'n' {
		return s.null()
	}
	raw, ok := s.number()
	if !ok {
		return false
	}
	v, err := strconv.ParseInt(string(raw), 10, 64)
	*n = v
	return err == nil
}

// bool reads true or false into b; a null leaves it as it is.
func (s *scanner) bool(b *bool) bool {
	switch s.peek() {
	case 't':
		*b = true
		return s.literal("true")
	case 'f':
		*b = false
		return s.literal("false")
	}
	return s.null()
}

// string reads a string into to; a null leaves it as it is.
func (s *scanner) string(to *string) bool {
	if s.peek() == 'n' {
		return s.null()
	}
	short, long, ok := s.text()
	*to = long
	if len(short) > 0 {
		*to = string(short)
	}
	return ok
}

// skip reads a value that nobody wants, and checks it.
func (s *scanner) skip() bool {
	switch s.peek() {
	case '"':
		return s.skipString()
	case '{', '[':
		return s.skipNested()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	_, ok := s.number()
	return ok
}

// skipNested reads an array or an object. It calls itself by skip, and no deeper
// than maxDepth.
func (s *scanner) skipNested() bool {
	isObject := s.data[s.pos] == '{'
	closing := byte(']')
	if isObject {
		closing = '}'
	}
	if !s.enter() {
		return false
	}
	for first := true; !s.take(closing); first = false {
		if !first && !s.take(',') {
			return false
		}
		if isObject && (!s.skipString() || !s.take(':')) {
			return false
		}
		if !s.skip() {
			return false
		}
	}
	s.depth--
	return true
}

// isDocument reports whether body is one JSON document and nothing else.
func isDocument(body []byte) bool {
	var s scanner
	s.openBytes(body)
	return s.skip() && s.ends()
}

// The functions below look at eight bytes at a time, as one little-endian word:
// a byte's answer is its highest bit, and the first byte whose bit is set is the
// first of the text. Bits behind that one may be wrong: a subtraction borrows
// from the bytes behind.
const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

// special marks quotes, backslashes and control characters. With its second bit
// flipped a quote is the first byte behind the control characters.
func special(word uint64) uint64 {
	quotes := word ^ 0x02*eachByte
	backslashes := word ^ '\\'*eachByte
	return ((quotes-0x21*eachByte)&^quotes | (backslashes-eachByte)&^backslashes) & highBits
}

// stringEnd returns the position of the first quote, backslash or control character
// of text from i on, or its length. wide is true if there is a byte before that
// which is not ASCII, and may be if there is one soon after.
func stringEnd(text []byte, i int) (end int, wide bool) {
	var all uint64
	for ; i <= len(text)-8; i += 8 {
		word := binary.LittleEndian.Uint64(text[i : i+8])
		all |= word
		if marks := special(word); marks != 0 {
			return i + bits.TrailingZeros64(marks)>>3, all&highBits != 0
		}
	}
	for ; i < len(text) && text[i] >= ' ' && text[i] != '"' && text[i] != '\\'; i++ {
		all |= uint64(text[i])
	}
	return i, all&highBits != 0
}

// maxDigits is how many digits fit into 64 bits whatever they are.
const maxDigits = 19

// digitsAt reads the digits at i and returns the position behind them. That is i
// where the caller has to look closer: there is no digit, there are too many, the
// first of several is a zero, or they are the end of text.
func digitsAt(text []byte, i int) (v uint64, end int) {
	for end = i; end < len(text); end++ {
		digit := text[end] - '0'
		if digit > 9 {
			break
		}
		v = v*10 + uint64(digit)
	}
	if end-i > maxDigits || end == len(text) || end > i+1 && text[i] == '0' {
		return 0, i
	}
	return v, end
}

func isNumberByte(c byte) bool {
	return c-'0' <= 9 || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}

// isNumber reports whether text is a number by JSON's grammar.
func isNumber(text []byte) bool {
	digits := func() bool {
		from := len(text)
		for len(text) > 0 && text[0]-'0' <= 9 {
			text = text[1:]
		}
		return len(text) < from
	}
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	if len(text) > 0 && text[0] == '0' {
		text = text[1:]
	} else if !digits() {
		return false
	}
	if len(text) > 0 && text[0] == '.' {
		text = text[1:]
		if !digits() {
			return false
		}
	}
	if len(text) > 0 && text[0]|0x20 == 'e' {
		text = text[1:]
		if len(text) > 0 && (text[0] == '+' || text[0] == '-') {
			text = text[1:]
		}
		return digits() && len(text) == 0
	}
	return len(text) == 0
}

// appendUnquoted appends the text of raw, which is between quotes. Bytes that are
// not UTF-8 and surrogates without their other half become U+FFFD each.
func appendUnquoted(to, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); {
		if c := raw[i]; c < utf8.RuneSelf && c != '\\' {
			to = append(to, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(raw[i:])
		if raw[i] == '\\' {
			r, size = escape(raw[i:])
		}
		if size == 0 {
			return to, false
		}
		to = utf8.AppendRune(to, r)
		i += size
	}
	return to, true
}

// escape reads the escape with which raw begins. size is 0 if there is none.
func escape(raw []byte) (r rune, size int) {
	if len(raw) < 2 || raw[0] != '\\' {
		return 0, 0
	}
	switch c := raw[1]; c {
	case '"', '\\', '/':
		return rune(c), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		return unicodeEscape(raw)
	}
	return 0, 0
}

// unicodeEscape reads the \u with which raw begins, and a second one where both
// together are one character. size is 0 if that is no such escape.
func unicodeEscape(raw []byte) (r rune, size int) {
	r = hexEscape(raw)
	switch {
	case r < 0:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	}
	if r = utf16.DecodeRune(r, hexEscape(raw[6:])); r != unicode.ReplacementChar {
		return r, 12
	}
	return unicode.ReplacementChar, 6
}

// hexEscape reads one \u, and returns -1 where there is none.
func hexEscape(raw []byte) rune {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range raw[2:6] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
