package benchmarks

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
)

// A canned transport answers every request with the same bytes, in process. It
// allocates nothing, and is for one request at a time.
type canned struct {
	response http.Response
	header   http.Header
	body     cannedBody
	answer   []byte
	length   int64     // Content-Length; -1 where the body is chunked, as etcd's long ones are
	scratch  [256]byte // request bodies are read into it
	sampling bool      // look at what each request starts
	most     int       // goroutines seen in a request
}

// chunkedFrom is the length from which net/http servers that are told no
// Content-Length, such as etcd, send an answer in chunks.
const chunkedFrom = 2048

func newCanned(answer []byte) *canned {
	c := &canned{header: etcdHeader(bodyIndex), answer: answer, length: int64(len(answer))}
	if len(answer) >= chunkedFrom {
		c.length = -1
	}
	return c
}

// RoundTrip implements http.RoundTripper.
func (c *canned) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.sampling {
		c.most = max(c.most, runtime.NumGoroutine())
	}
	if req.Body != nil {
		for {
			_, err := req.Body.Read(c.scratch[:])
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
		}
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
	}
	c.body.Reset(c.answer)
	c.response = http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.header, Body: &c.body, ContentLength: c.length, Request: req,
	}
	return &c.response, nil
}

// CancelRequest is what the historic client asks of a transport.
func (c *canned) CancelRequest(*http.Request) {}

// cannedBody can be read again and again.
type cannedBody struct{ bytes.Reader }

// Close implements io.Closer.
func (b *cannedBody) Close() error { return nil }
