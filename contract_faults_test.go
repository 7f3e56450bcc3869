package client_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/coreos/etcd/client"
)

// damage is what a fault does to a call, as far as anybody can know.
type damage int

const (
	harmless damage = iota // the call has its answer
	notSent                // no part of the request got out
	lost                   // it went out, and no usable answer came back
	answered               // the endpoint refuses the call
	astray                 // the endpoint sent the call where nobody may or can go, and did nothing itself
	foreign                // the endpoint sent the call to somebody unknown, and did nothing itself
	tooMuch                // the answer is larger than the caller wants to read, at every endpoint
	endless                // nothing fails and nothing comes
	ended                  // a watch was taken and broke off without an event
	gateway                // something in front of etcd refuses the call, and did not pass it on
	applied                // etcd says that it carried the call out, and the rest of the reply is lost
	paused                 // as applied, and the rest does not come though the endpoint is alive
)

// ending is what becomes of a call.
type ending int

const (
	succeeds ending = iota // a value
	goesOn                 // the next endpoint is asked; without one a *ClusterError
	stops                  // a *ClusterError that is ErrOutcomeUnknown, no other endpoint is asked
	refused                // an Error or a *ReplyError, no other endpoint is asked
	waits                  // the context's own error, when that ends
	rearms                 // goes on at another endpoint after a pause; without one it waits
)

// failureModel is the table of docs/failures.md.
var failureModel = map[damage]map[callClass]ending{
	harmless: {reads: succeeds, idempotent: succeeds, once: succeeds},
	notSent:  {reads: goesOn, idempotent: goesOn, once: goesOn},
	lost:     {reads: goesOn, idempotent: goesOn, once: stops},
	answered: {reads: refused, idempotent: refused, once: refused},
	astray:   {reads: goesOn, idempotent: goesOn, once: goesOn},
	foreign:  {reads: succeeds, idempotent: goesOn, once: goesOn},
	tooMuch:  {reads: refused, idempotent: stops, once: stops},
	endless:  {reads: waits, idempotent: waits, once: waits},
	ended:    {reads: rearms},
	gateway:  {reads: goesOn, idempotent: goesOn, once: goesOn},
	applied:  {reads: goesOn, idempotent: goesOn, once: refused},
	paused:   {reads: goesOn, idempotent: goesOn, once: waits},
}

// fault is one thing that goes wrong at an endpoint.
type fault struct {
	name   string
	damage damage
	answer func(contractMethod, *http.Request) fakeAnswer

	is          error         // what errors.Is finds in the error
	status      int           // of the reply, where it has one
	asked       int           // how often a call asks the endpoint; 0: once
	took        time.Duration // until a call goes on
	keepsHeader bool          // the reply has the header of the good one
	leads       string        // host that a followed redirect ends at; "other" is the other endpoint
}

const (
	contractPatience      = time.Minute            // of each call's context
	contractHeaderTimeout = time.Second            // Config.HeaderTimeoutPerRequest
	contractStall         = 2 * time.Second        // Config.StallInterval's default
	contractRearm         = 50 * time.Millisecond  // the pause before a watch is made again
	contractTries         = 3                      // of a call that is repeated at the only endpoint
	contractRepeatPauses  = 600 * time.Millisecond // between them
	contractMaxBytes      = 8 << 10                // Config.MaxResponseBytes
	movedPrefix           = "/moved"               // where redirects within an endpoint lead

	stallInHeaders = "stall in headers"
	stallInBody    = "stall in the body"
	emptyReply     = "empty 200"
	htmlPage       = "<html><body><h1>Sorry</h1></body></html>"
)

var contractFaults = []fault{
	{name: "refused", damage: notSent, is: syscall.ECONNREFUSED, answer: always(fakeAnswer{notSent: true})},
	{name: "reset before the header", damage: lost, is: syscall.ECONNRESET, answer: always(fakeAnswer{err: resetByPeer()})},
	{
		name: "reset after the header", damage: lost, is: syscall.ECONNRESET, status: http.StatusOK,
		answer: always(fakeAnswer{breaks: resetByPeer()}),
	},
	{
		name: "reset mid-body", damage: lost, is: io.ErrUnexpectedEOF, status: http.StatusOK,
		keepsHeader: true, answer: halfOfTheGood(fakeAnswer{breaks: io.ErrUnexpectedEOF}),
	},
	{
		name: "404 that breaks off", damage: gateway, is: syscall.ECONNRESET, status: http.StatusNotFound,
		answer: always(fakeAnswer{status: http.StatusNotFound, body: `{"errorC`, breaks: resetByPeer()}),
	},
	{
		name: stallInHeaders, damage: lost, is: client.ErrHeaderTimeout, took: contractHeaderTimeout,
		answer: always(fakeAnswer{silent: true}),
	},
	{
		name: stallInBody, damage: paused, is: client.ErrStalled, status: http.StatusOK, took: 2 * contractStall,
		answer: halfOfTheGood(fakeAnswer{stalls: true}),
	},

	statusFault("500 JSON", lost, http.StatusInternalServerError, `{"errorCode":300,"message":"Raft Internal Error","cause":"etcdserver: request timed out","index":0}`),
	statusFault("500 text", lost, http.StatusInternalServerError, "Internal Server Error\n"),
	statusFault("502", lost, http.StatusBadGateway, ""),
	statusFault("503", lost, http.StatusServiceUnavailable, "no leader"),
	statusFault("504 HTML", lost, http.StatusGatewayTimeout, htmlPage),
	statusFault("401", answered, http.StatusUnauthorized, `{"errorCode":110,"message":"Insufficient credentials"}`),
	statusFault("404 text", gateway, http.StatusNotFound, "404 page not found\n"),
	statusFault("413 HTML", gateway, http.StatusRequestEntityTooLarge, htmlPage),
	statusFault("3xx without Location", astray, http.StatusTemporaryRedirect, ""),

	bodyFault(emptyReply, "", client.ErrEmptyBody),
	bodyFault("200 {}", `{}`, client.ErrInvalidJSON),
	bodyFault("200 null", `null`, client.ErrInvalidJSON),
	bodyFault("200 []", `[]`, client.ErrInvalidJSON),
	bodyFault("200 node null", `{"node":null}`, client.ErrInvalidJSON),
	bodyFault("200 get of node null", `{"action":"get","node":null}`, client.ErrInvalidJSON),
	bodyFault("200 child null", `{"action":"get","node":{"key":"/a","nodes":[null]}}`, client.ErrInvalidJSON),
	{
		name: "truncated JSON", damage: lost, is: client.ErrInvalidJSON, status: http.StatusOK,
		keepsHeader: true, answer: halfOfTheGood(fakeAnswer{}),
	},
	{
		name: "garbage behind the JSON", damage: lost, is: client.ErrInvalidJSON, status: http.StatusOK, keepsHeader: true,
		answer: func(m contractMethod, _ *http.Request) fakeAnswer {
			a := m.good
			a.body += "}x"
			return a
		},
	},
	{
		name: "endless body", damage: tooMuch, is: client.ErrResponseTooLarge, status: http.StatusOK,
		answer: always(fakeAnswer{body: strings.Repeat(" ", 1<<10), endless: true}),
	},

	redirectFault(fault{name: "redirect, relative", damage: harmless, asked: 2}, func(req *http.Request) string {
		return movedPrefix + req.URL.RequestURI()
	}),
	redirectFault(fault{name: "redirect to the other endpoint", damage: harmless, leads: "other"}, func(req *http.Request) string {
		return "https://" + otherHost(req.URL.Host) + req.URL.RequestURI()
	}),
	redirectFault(fault{name: "redirect loop", damage: astray, is: client.ErrTooManyRedirects, asked: 11}, func(req *http.Request) string {
		return req.URL.String()
	}),
	redirectFault(fault{name: "redirect to a foreign host", damage: foreign, is: client.ErrRedirectRefused, leads: "foreign"}, func(req *http.Request) string {
		return "https://root:secret@foreign" + req.URL.RequestURI()
	}),
	redirectFault(fault{name: "redirect from https to http", damage: foreign, is: client.ErrRedirectRefused, leads: "one:80"}, func(req *http.Request) string {
		return "http://one:80" + req.URL.RequestURI()
	}),
	redirectFault(fault{name: "redirect to another scheme", damage: astray, is: client.ErrRedirectRefused}, func(*http.Request) string {
		return "file:///etc/passwd"
	}),
}

func always(a fakeAnswer) func(contractMethod, *http.Request) fakeAnswer {
	return func(contractMethod, *http.Request) fakeAnswer { return a }
}

func resetByPeer() error { return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET} }

// halfOfTheGood answers well, for half of the body, and then as a says.
func halfOfTheGood(a fakeAnswer) func(contractMethod, *http.Request) fakeAnswer {
	return func(m contractMethod, _ *http.Request) fakeAnswer {
		cut := a
		cut.header, cut.body = m.good.header, m.good.body[:len(m.good.body)/2]
		return cut
	}
}

func statusFault(name string, d damage, status int, body string) fault {
	return fault{name: name, damage: d, status: status, answer: always(fakeAnswer{status: status, body: body})}
}

// bodyFault is a success without the content of one.
func bodyFault(name, body string, is error) fault {
	return fault{name: name, damage: lost, is: is, status: http.StatusOK, answer: always(fakeAnswer{body: body})}
}

// redirectFault sends requests to the location, with a status that keeps their
// method.
func redirectFault(f fault, location func(*http.Request) string) fault {
	f.status = http.StatusTemporaryRedirect
	f.answer = func(_ contractMethod, req *http.Request) fakeAnswer {
		return fakeAnswer{status: http.StatusTemporaryRedirect, header: "Location: " + location(req), body: htmlPage}
	}
	return f
}

func otherHost(host string) string {
	if host == "one" {
		return "two"
	}
	return "one"
}

// damageTo is what the fault does to calls of m.
func (f fault) damageTo(m contractMethod) damage {
	switch {
	case m.isHarmless(f.name):
		return harmless
	case m.longPoll && (f.name == stallInHeaders || f.name == emptyReply):
		return endless // that is a watch on which nothing happens
	case m.longPoll && f.status == http.StatusOK && (errors.Is(f.is, syscall.ECONNRESET) || errors.Is(f.is, io.ErrUnexpectedEOF)):
		return ended
	case f.damage == lost && f.status == http.StatusOK && f.keepsHeader && strings.Contains(m.good.header, "X-Etcd-Cluster-Id"):
		return applied
	}
	return f.damage
}

// isRepeated reports whether a call that may be repeated is tried again after the
// fault where there is one endpoint only.
func (f fault) isRepeated() bool {
	return f.name != stallInHeaders && (f.damage == lost || f.damage == gateway) &&
		(f.status >= http.StatusInternalServerError || errors.Is(f.is, syscall.ECONNRESET) || errors.Is(f.is, io.ErrUnexpectedEOF))
}
