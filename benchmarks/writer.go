package benchmarks

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
)

// A rawWriter sets keys over one connection, one request at a time. It writes and
// reads bytes, so that a machine of few cores has most of its time left for etcd
// and for the watch that is measured.
type rawWriter struct {
	conn  net.Conn
	in    *bufio.Reader
	out   []byte
	value []byte
}

func newRawWriter(ctx context.Context, endpoint string) (*rawWriter, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &rawWriter{conn: conn, in: bufio.NewReader(conn)}, nil
}

func (w *rawWriter) close() error { return w.conn.Close() }

// set sets key to n and waits for the reply, which has no nodes.
func (w *rawWriter) set(key string, n int) error {
	w.value = strconv.AppendInt(append(w.value[:0], "value="...), int64(n), 10)
	w.out = append(w.out[:0], "PUT /v2/keys"...)
	w.out = append(w.out, key...)
	w.out = append(w.out, "?noValueOnSuccess=true HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
	w.out = strconv.AppendInt(w.out, int64(len(w.value)), 10)
	w.out = append(w.out, "\r\n\r\n"...)
	w.out = append(w.out, w.value...)
	if _, err := w.conn.Write(w.out); err != nil {
		return err
	}
	return w.readReply()
}

var errRefusedWrite = errors.New("benchmarks: a write was refused")

const lengthField = "Content-Length:"

// readReply reads a reply of a success that has a Content-Length.
func (w *rawWriter) readReply() error {
	length := -1
	for first := true; ; first = false {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimSpace(line)
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 20")):
			return fmt.Errorf("%w: %s", errRefusedWrite, line)
		case len(line) == 0:
			if length < 0 {
				return fmt.Errorf("%w: no Content-Length", errRefusedWrite)
			}
			if _, err = w.in.Discard(length); errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		case bytes.HasPrefix(line, []byte(lengthField)):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthField):]))); err != nil {
				return err
			}
		}
	}
}
