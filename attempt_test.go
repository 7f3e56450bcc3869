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
		r   result
		is  verdict
	}{
		{"an answer to a read ends it", result{class: read, sent: true, status: 200}, verdictDone},
		{"an answer to a write ends it", result{class: once, sent: true, status: 201}, verdictDone},
		{"what the action takes for an answer is one, a refusal too", result{class: once, sent: true, status: 410}, verdictDone},
		{"nor does strictness change that", result{class: idempotent, strict: true, sent: true, status: 200}, verdictDone},

		{"a read that was not sent can be sent", result{class: read, err: refused}, verdictNext},
		{"a repeatable write that was not sent can be sent", result{class: idempotent, err: refused}, verdictNext},
		{"strictness is about what was sent", result{class: idempotent, strict: true, err: refused}, verdictNext},
		{"what must happen once has not happened when it was not sent", result{class: once, err: refused}, verdictNext},
		{"a redirect that was refused did nothing", result{class: once, err: ErrRedirectRefused}, verdictNext},

		{"the others would refuse a read as well", result{class: read, sent: true, status: 404, etcd: true, whole: true, err: no}, verdictDone},
		{"the others would refuse a write as well", result{class: once, sent: true, status: 412, etcd: true, whole: true, err: no}, verdictDone},
		{"a refusal that is not etcd's is a failure of a read's endpoint", result{class: read, sent: true, whole: true, status: 404, err: page}, verdictNext},
		{"a refusal that is not etcd's is a failure of a write's endpoint", result{class: once, sent: true, whole: true, status: 403, err: page}, verdictNext},
		{"too many requests are refused before they are carried out", result{class: once, sent: true, whole: true, status: 429, err: page}, verdictNext},
		{"a gateway's time-out says nothing of the write", result{class: once, sent: true, whole: true, status: 408, err: page}, verdictStop},
		{"nor does a client that a gateway takes to be gone", result{class: once, sent: true, whole: true, status: 499, err: page}, verdictStop},
		{"nor does a status of a gateway's own", result{class: once, sent: true, whole: true, status: 460, err: page}, verdictStop},
		{"nor does a conflict that etcd has not reported", result{class: once, sent: true, whole: true, status: 409, err: page}, verdictStop},
		{"a repeatable write goes on after a gateway's time-out", result{class: idempotent, sent: true, whole: true, status: 408, err: page}, verdictNext},
		{"a refusal that broke off is one", result{class: read, sent: true, status: 404, etcd: true, err: brokeOff}, verdictNext},
		{"a refusal of a write that broke off is one", result{class: once, sent: true, status: 404, etcd: true, err: brokeOff}, verdictNext},

		{"a write whose reply broke off was applied, etcd says so", result{class: once, sent: true, status: 201, etcd: true, err: brokeOff}, verdictDone},
		{"so was a strict one", result{class: idempotent, strict: true, sent: true, status: 200, etcd: true, err: brokeOff}, verdictDone},
		{"a repeatable one may get the whole reply elsewhere", result{class: idempotent, sent: true, status: 200, etcd: true, err: brokeOff}, verdictNext},
		{"a success that is not etcd's says nothing", result{class: once, sent: true, status: 200, err: brokeOff}, verdictStop},

		{"a redirect to nowhere did nothing to a read", result{class: read, sent: true, status: 302, err: page}, verdictNext},
		{"a redirect to nowhere did nothing to a write", result{class: once, sent: true, status: 304, err: page}, verdictNext},

		{"others would send as much again", result{class: read, sent: true, status: 200, err: tooLarge}, verdictDone},
		{"a large answer to a repeatable write is not asked for again", result{class: idempotent, sent: true, status: 200, err: tooLarge}, verdictStop},
		{"a large answer of etcd's tells that the write was applied", result{class: once, sent: true, status: 200, etcd: true, err: tooLarge}, verdictDone},
		{"a large answer of something else does not tell that the write was applied", result{class: once, sent: true, status: 200, err: tooLarge}, verdictStop},

		{"a read goes on after a reset", result{class: read, sent: true, err: reset}, verdictNext},
		{"a read goes on after a time-out", result{class: read, sent: true, err: ErrHeaderTimeout}, verdictNext},
		{"a read goes on after a failing server", result{class: read, sent: true, status: 500, err: no}, verdictNext},
		{"a read goes on after a bad body", result{class: read, sent: true, status: 200, err: badJSON}, verdictNext},
		{"strictness is about writes", result{class: read, strict: true, sent: true, err: reset}, verdictNext},

		{"a repeatable write goes on after a reset", result{class: idempotent, sent: true, err: reset}, verdictNext},
		{"a repeatable write goes on after a failing server", result{class: idempotent, sent: true, status: 503, err: page}, verdictNext},
		{"a repeatable write goes on after a bad body", result{class: idempotent, sent: true, status: 200, err: badJSON}, verdictNext},
		{"twice is twice to the strict", result{class: idempotent, strict: true, sent: true, err: reset}, verdictStop},
		{"twice is twice to the strict, whatever broke", result{class: idempotent, strict: true, sent: true, status: 500, err: no}, verdictStop},

		{"once is once after a reset", result{class: once, sent: true, err: reset}, verdictStop},
		{"once is once after a time-out", result{class: once, sent: true, err: ErrHeaderTimeout}, verdictStop},
		{"once is once after a failing server", result{class: once, sent: true, status: 500, err: no}, verdictStop},
		{"once is once after a bad body", result{class: once, sent: true, status: 200, err: badJSON}, verdictStop},
		// A 504 of a proxy ends a watch.
		{"what the action takes for an answer is one", result{class: once, sent: true, status: 500}, verdictDone},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			if is := classify(tt.r); is != tt.is {
				t.Errorf("classify(%+v) = %d, want %d", tt.r, is, tt.is)
			}
		})
	}
}
