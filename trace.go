package client

import (
	"context"
	"slices"
	"time"
)

// Trace has functions that are called with what a client does, as those of
// [net/http/httptrace.ClientTrace] are with what a connection does: those of
// [Config].Trace with everything, those of [WithTrace] with the calls of one
// context. Any of them may be nil, and costs nothing then.
//
// They are called on the goroutine of the call, or on that of a probe, and the call,
// or all that wait for the probe, go on when they return: they must not block. They
// must be safe for concurrent use, and may be called after a call has returned, by
// what it has started. A panic is not caught.
//
// Their arguments have no credentials, no bodies and no values, except in the
// errors: those are the ones that callers see, and may quote the beginning of a
// reply that made no sense, or the values that a condition compared.
type Trace struct {
	// AttemptStart is called before one endpoint is asked.
	AttemptStart func(AttemptInfo)

	// AttemptDone is called when the attempt has ended, once for each
	// AttemptStart.
	AttemptDone func(AttemptResult)

	// EndpointUnhealthy is called when an endpoint that was healthy has failed: it
	// is then asked after all others. EndpointHealthy is called when it has
	// answered again. Where Config.StallInterval is negative, an endpoint also
	// counts as healthy again after a pause, and no function is called.
	EndpointUnhealthy func(HealthInfo)
	EndpointHealthy   func(HealthInfo)

	// ProbeDone is called when a probe of an endpoint has ended. A probe is shared
	// by all that wait for it, so only that of Config.Trace is called.
	ProbeDone func(ProbeInfo)

	// WatchRestarted is called when a Watcher or Events is about to send its
	// request again. The renewal of an idle poll is no restart: it is seen as
	// attempts.
	WatchRestarted func(WatchRestartInfo)

	// SyncDone is called when a Sync has ended, also one of AutoSync.
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

// AttemptResult is how an attempt has ended.
type AttemptResult struct {
	AttemptInfo

	Sent       bool          // whether a part of the request may have reached the endpoint
	StatusCode int           // HTTP status of the reply; 0 when there was none
	Redirects  int           // how many were followed
	Duration   time.Duration // until the reply was read and decoded
	Err        error         // nil for an answer; a refusal, such as an [Error], is one too

	// Verdict is what the client does next:
	//   - "answered": it is the result of the call, be it a refusal.
	//   - "next": the endpoint failed; the call goes on to the next one if one is
	//     left, or is tried again at the only one.
	//   - "stop": the endpoint failed and the call with it, for another one
	//     could apply the write a second time; or there was no request to send.
	//   - "idle": a long poll ended without an event, which is no failure.
	//   - "cancelled": the context ended first.
	Verdict string
}

// HealthInfo is an endpoint that became unhealthy, or healthy again.
type HealthInfo struct {
	Endpoint string // without credentials
	Err      error  // why; nil for EndpointHealthy
}

// ProbeInfo is one GET /health, with a GET /version where that is late.
type ProbeInfo struct {
	Endpoint string // without credentials
	Duration time.Duration

	// Result is what the probe has found:
	//   - "good": the member answers.
	//   - "no quorum": it answers, and is cut off from its cluster.
	//   - "not etcd": something answers that is no member: a proxy perhaps.
	//   - "none": nothing answers.
	//   - "abandoned": nothing is known, since nobody waited any longer, or the
	//     transport had no connection for the probe.
	Result string
}

// WatchRestartInfo is a watch that is about to be restarted.
type WatchRestartInfo struct {
	Path  string        // of the URL, escaped
	Err   error         // why; nil when the long poll ended without an event, which is no failure
	Pause time.Duration // until then
}

// SyncInfo is a Sync that has ended.
type SyncInfo struct {
	Endpoints []string      // those in use from now on, as Client.Endpoints returns them
	Duration  time.Duration // how long it took
	Err       error         // nil: it succeeded
	Retry     time.Duration // of AutoSync: when it is tried again after a failure
}

// traceContextKey is the key of a context's []*Trace.
type traceContextKey struct{}

// WithTrace returns a context for whose calls trace is called as well: Config.Trace
// first, then the traces that ctx has, then this one. A nil trace changes
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
