package client

import "strconv"

// maxDepth is how deep arrays and objects may be nested, as in encoding/json.
const maxDepth = 10_000

// number goes behind the number that comes next, and gives its text.
func (s *scanner) number() ([]byte, bool) {
	s.peek()
	length := 0
	for {
		for s.pos+length < len(s.data) && isNumberByte(s.data[s.pos+length]) {
			length++
		}
		if s.pos+length < len(s.data) {
			break
		}
		if !s.refill() {
			return nil, false
		}
	}
	raw := s.data[s.pos : s.pos+length]
	s.pos += length
	return raw, isNumber(raw)
}

// uint64 reads a number into n; a null leaves it as it is.
func (s *scanner) uint64(n *uint64) bool {
	if c := s.peek(); c == 'n' {
		return s.null()
	}
	if v, end := digitsAt(s.data, s.pos); end > s.pos {
		*n, s.pos = v, end
		return true
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

// enter goes into an array or an object, whose first byte is at pos.
func (s *scanner) enter() bool {
	s.pos++
	s.depth++
	return s.depth <= maxDepth
}

// skip goes behind a value that nobody wants, and checks it.
func (s *scanner) skip() bool {
	switch s.peek() {
	case '"':
		_, ok := s.text()
		return ok
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

// skipNested goes behind an array or an object. It calls itself by skip, and no
// deeper than maxDepth.
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
		if isObject && (!s.skipName() || !s.take(':')) {
			return false
		}
		if !s.skip() {
			return false
		}
	}
	s.depth--
	return true
}

func (s *scanner) skipName() bool {
	_, ok := s.text()
	return ok
}
