package client

import (
	"encoding/binary"
	"math/bits"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

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

// plainEnd gives the place of the first byte of text from i on that does not
// stand for itself alone, or its length: special ones, and all that is not ASCII.
func plainEnd(text []byte, i int) int {
	for ; i <= len(text)-8; i += 8 {
		word := binary.LittleEndian.Uint64(text[i : i+8])
		if marks := special(word) | word&highBits; marks != 0 {
			return i + bits.TrailingZeros64(marks)>>3
		}
	}
	for i < len(text) && text[i] >= ' ' && text[i] < 0x80 && text[i] != '"' && text[i] != '\\' {
		i++
	}
	return i
}

// stringEnd gives the place of the first quote, backslash or control character of
// text from i on, or its length. wide is true if there is a byte before that
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

// digitsAt reads the digits at i and gives the place behind them. That is i where
// the caller has to look closer: there is no digit, there are too many, the first
// of several is a zero, or the end of text is near. Whether the number goes on
// with something that is no digit shows in what follows.
func digitsAt(text []byte, i int) (v uint64, end int) {
	if len(text)-i <= maxDigits {
		return 0, i
	}
	word := binary.LittleEndian.Uint64(text[i : i+8])
	digits := word - '0'*eachByte
	others := (digits | (word + (0x80-'9'-1)*eachByte)) & highBits
	n := bits.TrailingZeros64(others) >> 3 // 8 if all are digits
	if digits&0xff == 0 && n > 1 {
		return 0, i
	}
	// Leading zeros in place of the rest; then pairs, fours and all eight.
	digits <<= 64 - 8*n
	digits = digits*10 + digits>>8
	const pairs = 0x000000ff000000ff
	v = (digits&pairs*(100+1_000_000<<32) + digits>>16&pairs*(1+10_000<<32)) >> 32
	end = i + n
	if n < 8 {
		return v, end
	}
	for ; text[end]-'0' <= 9; end++ {
		if end == i+maxDigits {
			return 0, i
		}
		v = v*10 + uint64(text[end]-'0')
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

// appendUnquoted appends what raw says, which is between quotes. Bytes that are
// not UTF-8 and surrogates without their other half become U+FFFD each.
func appendUnquoted(to, raw []byte) ([]byte, bool) {
	for i := 0; i < len(raw); {
		end := plainEnd(raw, i)
		to = append(to, raw[i:end]...)
		if i = end; i == len(raw) {
			break
		}
		if raw[i] >= 0x80 {
			r, size := utf8.DecodeRune(raw[i:])
			to = utf8.AppendRune(to, r)
			i += size
			continue
		}
		r, size := escape(raw[i:])
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
// together make one character. size is 0 if that is no such escape.
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

// hexEscape reads one \u, and gives -1 where there is none.
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
