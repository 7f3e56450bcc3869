package client

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestClassify(t *testing.T) {
	var (
		refused  = errors.New("connection refused")
		reset    = errors.New("connection reset")
		no       = Error{Code: ErrorCodeKeyNotFound}
		page     = &ReplyError{StatusCode: 404}
		brokeOff = &ReplyError{Err: &bodyReadError{io.ErrUnexpectedEOF}}
		tooLarge = &ReplyError{Err: fmt.Errorf("%w (9)", ErrResponseTooLarge)}
		badJSON  = &ReplyError{Err: ErrInvalidJSON}
	)
	const (
		once       = classOnce
		idempotent = classIdempotent
		read       = classRead
	)
	tests := []struct {
		why string
		a   attempt
		is  verdict
	}{
		{"an answer to a read ends it", attempt{class: read, sent: true, status: 200}, verdictDone},
		{"an answer to a write ends it", attempt{class: once, sent: true, status: 201}, verdictDone},
		{"what the action takes for an answer is one, a refusal too", attempt{class: once, sent: true, status: 410}, verdictDone},
		{"nor does strictness change that", attempt{class: idempotent, strict: true, sent: true, status: 200}, verdictDone},

		{"a read that was not sent can be sent", attempt{class: read, err: refused}, verdictNext},
		{"a repeatable write that was not sent can be sent", attempt{class: idempotent, err: refused}, verdictNext},
		{"strictness is about what was sent", attempt{class: idempotent, strict: true, err: refused}, verdictNext},
		{"what must happen once has not happened when it was not sent", attempt{class: once, err: refused}, verdictNext},
		{"a redirect that was refused did nothing", attempt{class: once, err: ErrRedirectRefused}, verdictNext},

		{"the others would refuse a read as well", attempt{class: read, sent: true, status: 404, err: no}, verdictDone},
		{"the others would refuse a write as well", attempt{class: once, sent: true, status: 412, err: no}, verdictDone},
		{"a refusal need not be in etcd's words", attempt{class: idempotent, sent: true, status: 404, err: page}, verdictDone},
		{"the last of the refusals is 499", attempt{class: read, sent: true, status: 499, err: page}, verdictDone},
		{"a refusal that broke off may be anything, so a read goes on", attempt{class: read, sent: true, status: 404, err: brokeOff}, verdictNext},
		{"a refusal that broke off may be anything, so once is once", attempt{class: once, sent: true, status: 404, err: brokeOff}, verdictStop},

		{"a redirect to nowhere did nothing to a read", attempt{class: read, sent: true, status: 302, err: page}, verdictNext},
		{"a redirect to nowhere did nothing to a write", attempt{class: once, sent: true, status: 304, err: page}, verdictNext},

		{"others would send as much again", attempt{class: read, sent: true, status: 200, err: tooLarge}, verdictDone},
		{"a large answer to a repeatable write is not asked for again", attempt{class: idempotent, sent: true, status: 200, err: tooLarge}, verdictStop},
		{"a large answer does not tell that the write was applied", attempt{class: once, sent: true, status: 200, err: tooLarge}, verdictStop},

		{"a read goes on after a reset", attempt{class: read, sent: true, err: reset}, verdictNext},
		{"a read goes on after a time-out", attempt{class: read, sent: true, err: ErrHeaderTimeout}, verdictNext},
		{"a read goes on after a failing server", attempt{class: read, sent: true, status: 500, err: no}, verdictNext},
		{"a read goes on after a bad body", attempt{class: read, sent: true, status: 200, err: badJSON}, verdictNext},
		{"strictness is about writes", attempt{class: read, strict: true, sent: true, err: reset}, verdictNext},

		{"a repeatable write goes on after a reset", attempt{class: idempotent, sent: true, err: reset}, verdictNext},
		{"a repeatable write goes on after a failing server", attempt{class: idempotent, sent: true, status: 503, err: page}, verdictNext},
		{"a repeatable write goes on after a bad body", attempt{class: idempotent, sent: true, status: 200, err: badJSON}, verdictNext},
		{"twice is twice to the strict", attempt{class: idempotent, strict: true, sent: true, err: reset}, verdictStop},
		{"twice is twice to the strict, whatever broke", attempt{class: idempotent, strict: true, sent: true, status: 500, err: no}, verdictStop},

		{"once is once after a reset", attempt{class: once, sent: true, err: reset}, verdictStop},
		{"once is once after a time-out", attempt{class: once, sent: true, err: ErrHeaderTimeout}, verdictStop},
		{"once is once after a failing server", attempt{class: once, sent: true, status: 500, err: no}, verdictStop},
		{"once is once after a bad body", attempt{class: once, sent: true, status: 200, err: badJSON}, verdictStop},
		// A watch takes the 504 of a proxy that lost its patience for its end.
		{"what the action takes for an answer is one", attempt{class: once, sent: true, status: 500}, verdictDone},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			if is := classify(tt.a); is != tt.is {
				t.Errorf("classify(%+v) = %d, want %d", tt.a, is, tt.is)
			}
		})
	}
}
