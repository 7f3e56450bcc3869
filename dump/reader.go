package dump

import "io"

// Reader reads a dump line by line and checks it on the way: the form of each
// line, the order of the nodes, and at each trailer counts and sum. It holds one
// line. It is for one goroutine at a time.
type Reader struct {
	in io.Reader
}

// NewReader reads a dump from r.
func NewReader(r io.Reader) *Reader { return &Reader{in: r} }

// Next gives the next line. Behind the last one it is io.EOF, or [ErrTruncated] if
// a snapshot is not complete. A line that is no dump's is a [*FormatError]; errors
// of reading come as they are. After an error there is no next line: Next repeats
// the error.
func (r *Reader) Next() (Record, error) { panic("not yet") }
