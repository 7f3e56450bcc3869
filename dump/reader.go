package dump

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/internal/keypath"
)

// maxLine bounds what is held of a dump. No server takes a value that long.
const maxLine = 64 << 20

// Reader reads a dump line by line and checks it on the way: the form of each
// line, the order of the nodes, and at each trailer counts and sum. It holds one
// line. It is for one goroutine at a time.
type Reader struct {
	in    *bufio.Reader
	long  []byte // a line that is longer than in's buffer
	line  int64
	root  string
	sum   *digest // of the snapshot; nil: none is open
	begun bool    // there was a header
	last  string  // the key of the node before
	index uint64  // of the header or change before
	err   error
}

// NewReader reads a dump from r.
func NewReader(r io.Reader) *Reader { return &Reader{in: bufio.NewReaderSize(r, 64<<10)} }

// Next gives the next line. Behind the last one it is io.EOF, or [ErrTruncated] if
// a snapshot or a line is not complete. A line that is no dump's is a
// [*FormatError]; errors of reading come as they are. After an error there is no
// next line: Next repeats the error.
func (r *Reader) Next() (Record, error) {
	if r.err != nil {
		return Record{}, r.err
	}
	rec, err := r.next()
	r.err = err
	return rec, err
}

func (r *Reader) next() (Record, error) {
	line, err := r.readLine()
	last := errors.Is(err, io.EOF)
	switch {
	case last && len(line) == 0 && r.begun && r.sum == nil:
		return Record{}, io.EOF
	case last && len(line) == 0:
		return Record{}, ErrTruncated
	case err != nil && !last:
		return Record{}, err
	}
	r.line++
	var rec Record
	err = json.Unmarshal(line, &rec)
	switch isText := utf8.Valid(line); {
	case last && (err != nil || !isText):
		return Record{}, ErrTruncated
	case err != nil:
		return Record{}, r.wrong("it is not the JSON of a dump", err)
	case !isText:
		return Record{}, r.wrong("it is not valid UTF-8", nil)
	}
	return rec, r.check(&rec)
}

// readLine gives the next line, which the buffer holds until the one after it.
func (r *Reader) readLine() ([]byte, error) {
	r.long = r.long[:0]
	for {
		part, err := r.in.ReadSlice('\n')
		if len(r.long)+len(part) > maxLine {
			return nil, &FormatError{Line: r.line + 1, Reason: fmt.Sprintf("it is longer than %d bytes", maxLine)}
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			r.long = append(r.long, part...)
			continue
		case len(r.long) > 0:
			r.long = append(r.long, part...)
			part = r.long
		}
		return bytes.TrimSuffix(part, []byte("\n")), err
	}
}

func (r *Reader) wrong(reason string, err error) error {
	return &FormatError{Line: r.line, Reason: reason, Err: err}
}

// check sees whether the line may stand where it does.
func (r *Reader) check(rec *Record) error {
	named := 0
	for _, there := range []bool{rec.Header != nil, rec.Node != nil, rec.Trailer != nil, rec.Change != nil} {
		if there {
			named++
		}
	}
	switch {
	case named != 1:
		return r.wrong("it is not one of header, node, trailer and change", nil)
	case rec.Header != nil:
		return r.header(rec.Header)
	case !r.begun:
		return r.wrong("the header is missing", nil)
	case rec.Change != nil && r.sum == nil:
		return r.change(rec.Change)
	case rec.Node != nil && r.sum != nil:
		return r.node(rec.Node)
	case rec.Trailer != nil && r.sum != nil:
		return r.trailer(rec.Trailer)
	case r.sum != nil:
		return r.wrong("a change before the trailer", nil)
	default:
		return r.wrong("a node or a trailer outside of a snapshot", nil)
	}
}

func (r *Reader) header(h *Header) error {
	switch {
	case h.Format != Format:
		return r.wrong(fmt.Sprintf("the format is %q and not %q", h.Format, Format), nil)
	case h.Version != Version:
		return r.wrong(fmt.Sprintf("version %d of the format is not known", h.Version), nil)
	case !isClean(h.Root):
		return r.wrong(fmt.Sprintf("the root %q is no key", h.Root), nil)
	case h.Resync != r.begun || r.sum != nil:
		return r.wrong("a header that does not belong here", nil)
	case r.begun && h.Root != r.root:
		return r.wrong("the root changes", nil)
	}
	r.begun, r.root, r.index, r.last, r.sum = true, h.Root, h.Index, "", newDigest()
	return nil
}

func (r *Reader) node(n *Node) error {
	if err := r.checkNode(n); err != nil {
		return err
	}
	if r.last != "" && compareKeys(r.last, n.Key) >= 0 {
		return r.wrong(fmt.Sprintf("%q does not come after %q", n.Key, r.last), nil)
	}
	r.last = n.Key
	r.sum.add(n.Key, n.Dir, n.Value)
	return nil
}

func (r *Reader) checkNode(n *Node) error {
	switch {
	case !isClean(n.Key) || strings.IndexByte(n.Key, 0) >= 0:
		return r.wrong(fmt.Sprintf("%q is no key", n.Key), nil)
	case n.Key == "/" || !keypath.IsWithin(n.Key, r.root):
		return r.wrong(fmt.Sprintf("%q is not within the root %q", n.Key, r.root), nil)
	case n.Dir && n.Value != "":
		return r.wrong(fmt.Sprintf("the directory %q has a value", n.Key), nil)
	}
	return nil
}

func (r *Reader) trailer(t *Trailer) error {
	got := r.sum.counts()
	if *t != got {
		return r.wrong(fmt.Sprintf("the trailer says %d keys, %d directories, sum %.12q, but there are %d, %d, %.12q",
			t.Keys, t.Directories, t.SHA256, got.Keys, got.Directories, got.SHA256), nil)
	}
	r.sum = nil
	return nil
}

func (r *Reader) change(c *Change) error {
	event := client.Event{Kind: c.Kind}
	switch {
	case !event.IsWrite() && !event.IsDelete():
		return r.wrong(fmt.Sprintf("%q is no kind of change", c.Kind), nil)
	case c.Index < r.index:
		return r.wrong(fmt.Sprintf("index %d comes after %d", c.Index, r.index), nil)
	}
	r.index = c.Index
	return r.checkNode(&c.Node)
}
