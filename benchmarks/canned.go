package benchmarks

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
)

// A canned transport answers every request with the same bytes, in process. It
// allocates nothing, and is for one request at a time; only what a client asks in
// the background, such as GET /health, may come at any time.
type canned struct {
	response http.Response
	header   http.Header
	body     cannedBody
	answer   []byte
	status   int
	length   int64     // Content-Length; -1 where the body is chunked, as etcd's long ones are
	scratch  [256]byte // request bodies are read into it
	requests int
	sampling bool // look at what each request starts
	most     int  // goroutines seen in a request
}

// chunkedFrom is the length from which net/http servers that are told no
// Content-Length, such as etcd, send an answer in chunks.
const chunkedFrom = 2048

// raftEvery is after how many requests the raft index moves on, as it does where
// anybody writes: clients may take one that stands still for a sign of trouble.
const raftEvery = 4096

// wellBody is the answer to GET /health.
const wellBody = `{"health":"true"}`

func newCanned(answer []byte) *canned {
	c := &canned{header: etcdHeader(bodyIndex), answer: answer, status: http.StatusOK, length: int64(len(answer))}
	if len(answer) >= chunkedFrom {
		c.length = -1
	}
	return c
}

// RoundTrip implements http.RoundTripper.
func (c *canned) RoundTrip(req *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(req.URL.Path, "/v2/keys") {
		return wellAnswer(req), nil
	}
	if c.requests++; c.requests%raftEvery == 0 {
		c.header["X-Raft-Index"][0] = strconv.Itoa(bodyIndex + c.requests/raftEvery)
	}
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
		Status: http.StatusText(c.status), StatusCode: c.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: c.header, Body: &c.body, ContentLength: c.length, Request: req,
	}
	return &c.response, nil
}

// wellAnswer returns the reply of a healthy server.
func wellAnswer(req *http.Request) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(wellBody)), ContentLength: int64(len(wellBody)), Request: req,
	}
}

// CancelRequest is what the historic client asks of a transport.
func (c *canned) CancelRequest(*http.Request) {}

// cannedBody can be read again and again.
type cannedBody struct{ bytes.Reader }

// Close implements io.Closer.
func (b *cannedBody) Close() error { return nil }
