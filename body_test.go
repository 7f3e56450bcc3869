package client

import (
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
)

func TestReadBodyIsBounded(t *testing.T) {
	endless := func() io.Reader { return &endlessReader{} }
	tests := []struct {
		why    string
		status int
		body   io.Reader
		length int64
		limit  int64
		read   int
		is     error
	}{
		{why: "a body at the limit", status: 200, body: strings.NewReader("12345"), length: -1, limit: 5, read: 5},
		{why: "one byte over the limit", status: 200, body: strings.NewReader("123456"), length: -1, limit: 5, is: ErrResponseTooLarge},
		{why: "an endless body", status: 200, body: endless(), length: -1, limit: 1 << 20, is: ErrResponseTooLarge},
		{why: "an endless redirect is cut", status: 302, body: endless(), length: -1, limit: 1 << 30, read: 64 << 10},
		{why: "an endless error is cut", status: 500, body: endless(), length: -1, limit: 1 << 30, read: 64 << 10},
		{why: "an error at its limit", status: 400, body: io.LimitReader(endless(), 64<<10), length: 64 << 10, limit: 1 << 30, read: 64 << 10},
		{why: "a limit below that holds for errors too", status: 404, body: endless(), length: -1, limit: 5, read: 5},
		{why: "an empty body", status: 200, body: strings.NewReader(""), length: 0, limit: 5},
		{why: "a length that is too much to believe", status: 200, body: strings.NewReader("12345"), length: math.MaxInt64, limit: math.MaxInt64 - 1, read: 5},
		{why: "the largest of limits", status: 200, body: strings.NewReader("12345"), length: 5, limit: math.MaxInt64, read: 5},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			body := &closeCounter{Reader: tt.body}
			got, err := readBody(&http.Response{StatusCode: tt.status, Body: body, ContentLength: tt.length}, tt.limit)
			if len(got) != tt.read || !errors.Is(err, tt.is) || tt.is == nil && err != nil {
				t.Errorf("read %d bytes, %v, want %d, %v", len(got), err, tt.read, tt.is)
			}
			if body.closed != 1 {
				t.Errorf("closed %d times", body.closed)
			}
		})
	}
	if got, err := readBody(&http.Response{StatusCode: http.StatusOK}, 5); got != nil || err != nil {
		t.Errorf("no body: got %q, %v", got, err)
	}
}

func TestReadBodyKeepsWhatCame(t *testing.T) {
	body := io.NopCloser(io.MultiReader(strings.NewReader("half"), brokenReader{}))
	got, err := readBody(&http.Response{StatusCode: http.StatusOK, Body: body, ContentLength: -1}, 100)
	if !bytes.Equal(got, []byte("half")) || !isReadError(err) || !strings.Contains(err.Error(), "body broke off: broken") {
		t.Errorf("got %q, %v", got, err)
	}
}

// endlessReader never ends.
type endlessReader struct{}

func (*endlessReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
