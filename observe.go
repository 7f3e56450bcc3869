package client

import (
	"context"
	"log/slog"
	"time"
)

// observer calls the tracers, writes the log, and counts.
type observer struct {
	traces []*Trace     // Config.Trace, or none
	log    *slog.Logger // nil: silent

	totals totals
}

func newObserver(cfg *Config) *observer {
	o := &observer{log: cfg.Logger}
	if cfg.Trace != nil {
		own := *cfg.Trace
		o.traces = []*Trace{&own}
	}
	return o
}

func (o *observer) tracersOf(ctx context.Context) tracers {
	return tracers{ofClient: o.traces, ofCall: tracesOf(ctx)}
}

// onStart notes that ep is about to be asked. The time is zero where it is not
// wanted.
func (s *callState) onStart(ep *endpoint) time.Time {
	o := s.client.observer
	o.totals.attempts.Add(1)
	ep.counts.attempts.Add(1)
	if s.failed != nil {
		o.totals.failovers.Add(1)
	}
	if s.tracers.isEmpty() && o.log == nil {
		return time.Time{}
	}
	info := s.attemptInfo(ep)
	for trace := range s.tracers.all {
		if trace.AttemptStart != nil {
			trace.AttemptStart(info)
		}
	}
	return time.Now()
}

// onDone notes the outcome.
func (s *callState) onDone(ctx context.Context, ep *endpoint, began time.Time, r *result, out outcome) {
	o := s.client.observer
	if out.isFailure() {
		ep.counts.lastFailure.Store(time.Now().UnixNano())
	}
	if r.redirects > 0 {
		o.totals.redirects.Add(uint64(r.redirects))
	}
	ep.counts.outcomes[out].Add(1)
	o.totals.outcomes[out].Add(1)
	if began.IsZero() {
		return
	}
	done := AttemptResult{
		AttemptInfo: s.attemptInfo(ep), Sent: r.sent, StatusCode: r.status, Redirects: r.redirects,
		Duration: time.Since(began), Err: r.err, Verdict: out.String(),
	}
	if out == outcomeIdle {
		done.Err = nil
	}
	for trace := range s.tracers.all {
		if trace.AttemptDone != nil {
			trace.AttemptDone(done)
		}
	}
	if out == outcomeNext {
		o.logAttempt(ctx, &done)
	}
}

func (s *callState) attemptInfo(ep *endpoint) AttemptInfo {
	number := 1
	if s.failed != nil {
		number += len(s.failed.Errors)
	}
	return AttemptInfo{
		Endpoint: ep.name, Method: s.info.method, Path: s.info.path, Class: s.info.class.String(),
		LongPoll: s.info.longPoll, Number: number,
	}
}

// onFailed notes a call that no endpoint has answered.
func (s *callState) onFailed(ctx context.Context) {
	o := s.client.observer
	o.totals.callsFailed.Add(1)
	if s.failed.OutcomeUnknown {
		o.totals.unknown.Add(1)
	}
	o.logCall(ctx, s.info.method, s.info.path, s.failed)
}

// onUnhealthy notes that ep has become unhealthy.
func (o *observer) onUnhealthy(ctx context.Context, ep *endpoint, why error) {
	ep.counts.becameUnhealthy.Add(1)
	info := HealthInfo{Endpoint: ep.name, Err: why}
	for trace := range o.tracersOf(ctx).all {
		if trace.EndpointUnhealthy != nil {
			trace.EndpointUnhealthy(info)
		}
	}
	o.logHealth(ctx, "etcd endpoint is unhealthy", info)
}

// onHealthy notes that ep is healthy again.
func (o *observer) onHealthy(ctx context.Context, ep *endpoint) {
	info := HealthInfo{Endpoint: ep.name}
	for trace := range o.tracersOf(ctx).all {
		if trace.EndpointHealthy != nil {
			trace.EndpointHealthy(info)
		}
	}
	o.logHealth(ctx, "etcd endpoint is healthy again", info)
}

// onProbe notes what a probe has found. ep need not be one of the client's.
func (o *observer) onProbe(ep *endpoint, began time.Time, found probeResult) {
	o.totals.probes.Add(1)
	if ep.counts != nil {
		ep.counts.probes.Add(1)
	}
	if found == probeNone {
		o.totals.probesFailed.Add(1)
		if ep.counts != nil {
			ep.counts.probesFailed.Add(1)
		}
	}
	for _, trace := range o.traces {
		if trace.ProbeDone != nil {
			trace.ProbeDone(ProbeInfo{Endpoint: ep.name, Duration: time.Since(began), Result: found.String()})
		}
	}
}

// onSync notes that a Sync has ended; retry is when AutoSync tries again.
func (c *httpClusterClient) onSync(ctx context.Context, began time.Time, err error, retry time.Duration) {
	o := c.observer
	o.totals.syncs.Add(1)
	if err != nil {
		o.totals.syncsFailed.Add(1)
	}
	if ctx.Err() != nil {
		retry = 0
	}
	for trace := range o.tracersOf(ctx).all {
		if trace.SyncDone != nil {
			trace.SyncDone(SyncInfo{Endpoints: c.Endpoints(), Duration: time.Since(began), Err: err, Retry: retry})
		}
	}
	if err != nil && ctx.Err() == nil {
		o.logSync(ctx, err, retry)
	}
}

// onWatchRestart notes that a watch by c, which may be anybody's, is about to be
// restarted.
func onWatchRestart(ctx context.Context, c Client, info WatchRestartInfo) {
	who := tracers{ofCall: tracesOf(ctx)}
	own := ownClient(c)
	if own != nil {
		who.ofClient = own.observer.traces
		if info.Err == nil {
			own.observer.totals.watchRestarts.Add(1)
		} else {
			own.observer.totals.retries.Add(1)
		}
	}
	for trace := range who.all {
		if trace.WatchRestarted != nil {
			trace.WatchRestarted(info)
		}
	}
	if own != nil {
		own.observer.logWatchRestart(ctx, info)
	}
}

// outcome is the outcome of an attempt, as it is reported and counted.
type outcome int

const (
	outcomeAnswered outcome = iota
	outcomeNext
	outcomeStop
	outcomeIdle
	outcomeCancelled
	outcomes // how many there are
)

// String returns what AttemptResult.Verdict says.
func (o outcome) String() string {
	return [outcomes]string{"answered", "next", "stop", "idle", "cancelled"}[o]
}

// outcomeOf returns the outcome of an attempt with this verdict.
func outcomeOf(v verdict) outcome {
	return [...]outcome{
		verdictDone: outcomeAnswered, verdictIdle: outcomeIdle, verdictNext: outcomeNext, verdictStop: outcomeStop,
	}[v]
}

func (o outcome) isFailure() bool { return o == outcomeNext || o == outcomeStop }

// What is logged. Nothing is put together for a level that is off.

func (o *observer) logs(ctx context.Context, level slog.Level) bool {
	return o.log != nil && o.log.Enabled(ctx, level)
}

func (o *observer) logAttempt(ctx context.Context, r *AttemptResult) {
	if !o.logs(ctx, slog.LevelDebug) {
		return
	}
	o.log.LogAttrs(ctx, slog.LevelDebug, "etcd endpoint failed",
		slog.String("endpoint", r.Endpoint), slog.String("method", r.Method), slog.String("path", r.Path),
		slog.Int("attempt", r.Number), slog.Bool("sent", r.Sent), slog.Int("status", r.StatusCode),
		slog.Duration("duration", r.Duration), slog.String("error", textForLog(r.Err)))
}

func (o *observer) logCall(ctx context.Context, method, path string, failed *ClusterError) {
	if !o.logs(ctx, slog.LevelWarn) {
		return
	}
	message := "etcd call failed on all endpoints"
	if failed.OutcomeUnknown {
		message = "etcd write may have been applied"
	}
	o.log.LogAttrs(ctx, slog.LevelWarn, message,
		slog.String("method", method), slog.String("path", path), slog.Int("attempts", len(failed.Errors)),
		slog.String("error", textForLog(failed)))
}

func (o *observer) logHealth(ctx context.Context, message string, info HealthInfo) {
	if !o.logs(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("endpoint", info.Endpoint)}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", textForLog(info.Err)))
	}
	o.log.LogAttrs(ctx, slog.LevelDebug, message, attrs...)
}

func (o *observer) logWatchRestart(ctx context.Context, info WatchRestartInfo) {
	if !o.logs(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{slog.String("path", info.Path), slog.Duration("pause", info.Pause)}
	if info.Err != nil {
		attrs = append(attrs, slog.String("error", textForLog(info.Err)))
	}
	o.log.LogAttrs(ctx, slog.LevelDebug, "etcd watch restarted", attrs...)
}

func (o *observer) logSync(ctx context.Context, err error, retry time.Duration) {
	if !o.logs(ctx, slog.LevelWarn) {
		return
	}
	attrs := []slog.Attr{slog.String("error", textForLog(err))}
	if retry > 0 {
		attrs = append(attrs, slog.Duration("retry", retry))
	}
	o.log.LogAttrs(ctx, slog.LevelWarn, "etcd sync failed", attrs...)
}

// textForLog is what an error says, without what it quotes of a reply: that may
// be the values of keys, or what was sent, from somebody who gives it back.
func textForLog(err error) string {
	switch e := err.(type) { //nolint:errorlint // attempts fail with these, bare
	case *ClusterError:
		masked := &ClusterError{Attempts: e.Attempts, OutcomeUnknown: e.OutcomeUnknown}
		for _, each := range e.Errors {
			masked.Errors = append(masked.Errors, maskedError{each})
		}
		return masked.Error()
	case *ReplyError:
		masked := *e
		masked.Body = ""
		return masked.Error()
	case Error:
		if e.Code == ErrorCodeTestFailed {
			e.Cause = "" // the two values
		}
		return e.Error()
	default:
		return oneLine(err.Error())
	}
}

// maskedError is an error as logs show it.
type maskedError struct{ error }

func (e maskedError) Error() string { return textForLog(e.error) }
