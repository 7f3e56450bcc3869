package client

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// quickRoom is what readQuickly wants to have at hand behind a string: more than
// all names and numbers up to the next one take.
const quickRoom = windowPad

// readQuickly reads as much of o as is written exactly as servers write it: the
// fields in their order, no white space, plain strings. It stops between two
// fields at whatever is different, and is false if that is the first one: read
// takes what is left, and knows all forms.
func (d *treeDecoder) readQuickly(o *openNode) bool {
	const (
		beginning     = `{"key":"`
		value         = `,"value":"`
		modifiedIndex = `,"modifiedIndex"`
		createdIndex  = `,"createdIndex":`
		expiration    = `,"expiration":`
	)
	data, i := d.data, d.pos
	if len(data)-i < quickRoom || string(data[i:i+len(beginning)]) != beginning || d.depth >= maxDepth {
		return false
	}
	from, to := d.shareQuickly(i + len(beginning))
	if to < 0 {
		return false
	}
	d.depth++
	d.setKey(o, from, to, "")
	i = d.pos
	if len(data)-i < quickRoom {
		return true
	}
	if string(data[i:i+len(value)]) == value {
		if from, to = d.shareQuickly(i + len(value)); to < 0 {
			return true
		}
		d.setValue(o, from, to, "")
		i = d.pos
		if len(data)-i < quickRoom {
			return true
		}
	}
	if string(data[i:i+len(expiration)]) == expiration {
		d.pos = i + len(expiration)
		if !d.leaseQuickly(o) {
			d.pos = i
			return true
		}
		i = d.pos
		if len(data)-i < quickRoom {
			return true
		}
	}
	if string(data[i:i+len(modifiedIndex)]) == modifiedIndex && data[i+len(modifiedIndex)] == ':' {
		from := i + len(modifiedIndex) + 1
		v, end := digitsAt(data, from)
		if end == from {
			return true
		}
		o.ModifiedIndex = v
		i = end
	}
	if string(data[i:i+len(createdIndex)]) == createdIndex {
		from := i + len(createdIndex)
		v, end := digitsAt(data, from)
		if end == from {
			d.pos = i
			return true
		}
		o.CreatedIndex = v
		i = end
	}
	d.pos = i
	return true
}

// shareQuickly copies the string whose first byte is at i into the block, without
// its escapes, and goes behind its end. If it is long, not all at hand, or not
// right, it goes nowhere, and to is -1.
func (d *treeDecoder) shareQuickly(i int) (from, to int) {
	data, from, to := d.data, d.used, d.used
	var all uint64
	// Whole words are written, though only what is before the quote counts.
	for last := min(from+maxShared, len(d.block)) - 8; to <= last && i+8 <= len(data); {
		word := binary.LittleEndian.Uint64(data[i : i+8])
		binary.LittleEndian.PutUint64(d.block[to:to+8], word)
		all |= word
		marks := special(word)
		if marks == 0 {
			i += 8
			to += 8
			continue
		}
		n := bits.TrailingZeros64(marks) >> 3
		i += n
		to += n
		if data[i] == '"' {
			if all&highBits != 0 && !utf8.Valid(d.block[from:to]) {
				break
			}
			d.used, d.pos = to, i+1
			return from, to
		}
		r, size := escape(data[i:])
		if size == 0 || r == utf8.RuneError { // which may be half of a pair
			break
		}
		i += size
		to += utf8.EncodeRune(d.block[to:], r)
	}
	return 0, -1
}

// readActionQuickly reads the beginning of the document up to the node, and is
// false if that is not as servers write it.
func (d *treeDecoder) readActionQuickly() bool {
	const beginning = `{"action":"`
	if len(d.data)-d.pos < quickRoom || string(d.data[d.pos:d.pos+len(beginning)]) != beginning {
		return false
	}
	from := d.pos + len(beginning)
	to := plainEnd(d.data, from)
	if to == len(d.data) || d.data[to] != '"' {
		return false
	}
	d.setAction(d.data[from:to])
	d.pos = to + 1
	d.depth++
	return true
}

// leaseQuickly reads the time at which a node goes away, and how long that is.
// It is false if the time is not right or not all at hand.
func (d *treeDecoder) leaseQuickly(o *openNode) bool {
	const ttl = `,"ttl":`
	data, from := d.data, d.pos
	end := plainEnd(data, from+1)
	if len(data)-end < quickRoom || data[from] != '"' || data[end] != '"' {
		return false
	}
	o.Expiration = d.newTime()
	if o.Expiration.UnmarshalJSON(data[from:end+1]) != nil {
		return false
	}
	d.pos = end + 1
	if string(data[d.pos:d.pos+len(ttl)]) == ttl {
		from = d.pos + len(ttl)
		if v, end := digitsAt(data, from); end > from && v <= math.MaxInt64 {
			o.TTL = int64(v)
			d.pos = end
		}
	}
	return true
}
