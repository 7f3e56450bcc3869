package dump

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"
)

// writer writes the lines of a dump. It remembers its first error.
type writer struct {
	out  *bufio.Writer
	json *json.Encoder
	sum  *digest
	node Node // the one on its way, so that lines need no memory
	line Record
}

func newWriter(w io.Writer) *writer {
	out := bufio.NewWriterSize(w, 64<<10)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	return &writer{out: out, json: enc}
}

func (w *writer) header(h *Header) error {
	w.sum = newDigest()
	return w.json.Encode(Record{Header: h})
}

func (w *writer) writeNode(n Node) error {
	if !utf8.ValidString(n.Key) || !utf8.ValidString(n.Value) {
		return fmt.Errorf("dump: %q is not valid UTF-8, in its key or its value", n.Key)
	}
	w.sum.add(n.Key, n.Dir, n.Value)
	w.node = n
	w.line.Node = &w.node
	return w.json.Encode(&w.line)
}

// trailer ends a snapshot, and sees that it is out.
func (w *writer) trailer() (Counts, error) {
	counts := w.sum.counts()
	if err := w.json.Encode(Record{Trailer: &counts}); err != nil {
		return counts, err
	}
	return counts, w.out.Flush()
}

// change writes a change, and sees that it is out.
func (w *writer) change(c *Change) error {
	if err := w.json.Encode(Record{Change: c}); err != nil {
		return err
	}
	return w.out.Flush()
}
