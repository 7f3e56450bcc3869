package client

import (
	"fmt"
	"io"
	"strings"
)

const (
	smallestChunk = 512
	largestChunk  = 256 << 10
)

// chunks collects bytes whose number is not known beforehand. They are copied once, at
// the end: that allocates about twice their number, and not up to four times as much,
// which doubling a buffer takes.
type chunks struct {
	first  int // the size of the first chunk; 0: small
	list   [][]byte
	length int
}

// room returns memory for the next bytes, and how much was allocated for it.
func (c *chunks) room() (room []byte, allocated int) {
	last := len(c.list) - 1
	if last < 0 || len(c.list[last]) == cap(c.list[last]) {
		allocated = max(c.first, smallestChunk)
		if last >= 0 {
			allocated = min(2*cap(c.list[last]), largestChunk)
		}
		c.list = append(c.list, make([]byte, 0, allocated))
		last++
	}
	chunk := c.list[last]
	return chunk[len(chunk):cap(chunk)], allocated
}

// add adds the first n bytes of the last room.
func (c *chunks) add(n int) {
	last := len(c.list) - 1
	c.list[last] = c.list[last][:len(c.list[last])+n]
	c.length += n
}

// write adds p.
func (c *chunks) write(p []byte) {
	for len(p) > 0 {
		room, _ := c.room()
		n := copy(room, p)
		c.add(n)
		p = p[n:]
	}
}

// text returns all bytes as a string.
func (c *chunks) text() string {
	var b strings.Builder
	b.Grow(c.length)
	for _, chunk := range c.list {
		b.Write(chunk)
	}
	return b.String()
}

// bytes returns all bytes.
func (c *chunks) bytes() []byte {
	if len(c.list) == 1 {
		return c.list[0]
	}
	all := make([]byte, 0, c.length)
	for _, chunk := range c.list {
		all = append(all, chunk...)
	}
	return all
}

// readWithin reads a body to its end. Of a longer one than limit it returns the first
// limit bytes and an ErrResponseTooLarge, of one that breaks off what came and a
// bodyReadError. declared is the length that the header declares, or -1; it is trusted
// for small bodies only. It allocates at most 2.2 times limit, or a chunk.
func readWithin(body io.Reader, declared, limit int64) ([]byte, error) {
	var c chunks
	if 0 < declared && declared < largestChunk {
		c.first = int(declared) + 1 // to see the end without another chunk
	}
	for empty := 0; ; {
		room, _ := c.room()
		n, err := body.Read(room)
		if over := int64(c.length+n) - limit; over > 0 {
			c.add(n - int(over))
			return c.bytes(), fmt.Errorf("%w (%d)", ErrResponseTooLarge, limit)
		}
		c.add(n)
		switch {
		case err == io.EOF:
			return c.bytes(), nil
		case err != nil:
			return c.bytes(), &bodyReadError{err}
		case n > 0:
			empty = 0
		default:
			if empty++; empty == maxEmptyReads {
				return c.bytes(), &bodyReadError{io.ErrNoProgress}
			}
		}
	}
}
