package client

import (
	"context"
	"slices"
	"time"
)

// Trace is told what a client does, as [net/http/httptrace.ClientTrace] is told of
// a connection: by [Config].Trace of everything, by [WithTrace] of the calls of one
// context. Any of its functions may be nil, and costs nothing then.
//
// They are called on the goroutine of the call, or on the one of a probe, and what
// they are told of waits until they return: they must not block. They must be safe
// for concurrent use, and may be called after a call has returned, by what it has
// started. A panic is not caught.
//
// What they are told has no credentials, no bodies and no values, but for the
// errors: those are the ones that callers see, and may quote the beginning of a
// reply that made no sense, or the values that a condition compared.
type Trace struct {
	// AttemptStart is called before one endpoint is asked.
	AttemptStart func(AttemptInfo)

	// AttemptDone is called when that has come to something, once for each
	// AttemptStart.
	AttemptDone func(AttemptResult)

	// EndpointUnhealthy is called when something is first held against an
	// endpoint, which is then asked after all others, and EndpointHealthy when it
	// has answered again. Where Config.StallInterval is negative a suspicion
	// may also lapse, and nothing says so.
	EndpointUnhealthy func(HealthInfo)
	EndpointHealthy   func(HealthInfo)

	// ProbeDone is called when an endpoint has been asked for its health. A
	// probe is shared by all who wait for it, so it is told to Config.Trace only.
	ProbeDone func(ProbeInfo)

	// WatchRestarted is called when a Watcher or Events is about to ask again.
	WatchRestarted func(WatchRestartInfo)

	// SyncDone is called when a Sync has ended, be it one of AutoSync.
	SyncDone func(SyncInfo)
}

// AttemptInfo is one call on its way to one endpoint.
type AttemptInfo struct {
	Endpoint string // without credentials
	Method   string // of HTTP
	Path     string // of the URL, escaped, below the endpoint's own; without the query, which may hold values
	Class    string // "read", "idempotent" or "at-most-once": when it may be sent again
	LongPoll bool   // the reply may take for ever
	Number   int    // 1 for the first attempt of a call, 2 for the next
}

// AttemptResult is what an attempt came to.
type AttemptResult struct {
	AttemptInfo

	Sent       bool          // whether a part of the request may have reached the endpoint
	StatusCode int           // HTTP status of the reply; 0 when there was none
	Redirects  int           // how many were followed
	Duration   time.Duration // until the reply was read and decoded
	Err        error         // nil for an answer; a refusal, such as an [Error], is one too

	// Verdict is what the client made of it:
	//   - "answered": it is the result of the call, be it a refusal.
	//   - "next": the endpoint failed; the call goes on to the next one, if
	//     there is one left.
	//   - "stop": the endpoint failed and the call with it, for another one
	//     could apply the write a second time; or there was no request to make.
	//   - "idle": a long poll ended without an event, which is no failure.
	//   - "cancelled": the context ended first.
	Verdict string
}

// HealthInfo is what is held against an endpoint.
type HealthInfo struct {
	Endpoint string // without credentials
	Err      error  // why; nil for EndpointHealthy
}

// ProbeInfo is one GET /health, with a GET /version where that is late.
type ProbeInfo struct {
	Endpoint string // without credentials
	Duration time.Duration

	// Result is what the endpoint is:
	//   - "good": the member answers.
	//   - "no quorum": it answers, and is cut off from its cluster.
	//   - "not etcd": something answers that is no member: a proxy perhaps.
	//   - "none": nothing answers.
	//   - "abandoned": whoever asked has gone before there was an answer.
	Result string
}

// WatchRestartInfo is a watch that is about to be made again.
type WatchRestartInfo struct {
	Path  string        // of the URL, escaped
	Err   error         // why; nil when the long poll ended without an event, which is no failure
	Pause time.Duration // until then
}

// SyncInfo is a Sync that has ended.
type SyncInfo struct {
	Endpoints []string      // those in use from now on, as Client.Endpoints gives them
	Duration  time.Duration // how long it took
	Err       error         // nil: it succeeded
	Retry     time.Duration // of AutoSync: when it is tried again after a failure
}

// traceContextKey is the key of a context's []*Trace.
type traceContextKey struct{}

// WithTrace gives a context whose calls are told to trace as well: to Config.Trace
// first, then to the traces that ctx has, then to this one. A nil trace changes
// nothing. trace must not be changed from then on.
func WithTrace(ctx context.Context, trace *Trace) context.Context {
	if trace == nil {
		return ctx
	}
	return context.WithValue(ctx, traceContextKey{}, append(slices.Clone(tracesOf(ctx)), trace))
}

func tracesOf(ctx context.Context) []*Trace {
	traces, _ := ctx.Value(traceContextKey{}).([]*Trace)
	return traces
}

// tracers are the traces that observe a call: Config's, and then those of its
// context.
type tracers struct {
	ofClient, ofCall []*Trace
}

// all is an iterator over the traces.
func (t tracers) all(yield func(*Trace) bool) {
	for _, trace := range t.ofClient {
		if !yield(trace) {
			return
		}
	}
	for _, trace := range t.ofCall {
		if !yield(trace) {
			return
		}
	}
}

func (t tracers) isEmpty() bool { return len(t.ofClient) == 0 && len(t.ofCall) == 0 }
