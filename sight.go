package client

import (
	"context"
	"log/slog"
	"time"
)

// sight is who is told what a client does, and what is counted of it. It is apart
// from the client, whose other fields are read all the time.
type sight struct {
	traces []*Trace     // Config.Trace, or none
	log    *slog.Logger // nil: silent

	totals totals
}

func newSight(cfg *Config) *sight {
	s := &sight{log: cfg.Logger}
	if cfg.Trace != nil {
		own := *cfg.Trace
		s.traces = []*Trace{&own}
	}
	return s
}

func (s *sight) audienceOf(ctx context.Context) audience {
	return audience{ofClient: s.traces, ofCall: tracesOf(ctx)}
}

// begin notes that ep is about to be asked. The time is zero where nobody wants
// to know it.
func (s *sending) begin(ep *endpoint) time.Time {
	seen := s.client.sight
	seen.totals.attempts.Add(1)
	ep.counts.attempts.Add(1)
	if s.failed != nil {
		seen.totals.failovers.Add(1)
	}
	if s.audience.isEmpty() && seen.log == nil {
		return time.Time{}
	}
	info := s.info(ep)
	for trace := range s.audience.all {
		if trace.AttemptStart != nil {
			trace.AttemptStart(info)
		}
	}
	return time.Now()
}

// finish notes what came of it.
func (s *sending) finish(ctx context.Context, ep *endpoint, began time.Time, a *attempt, o outcome) {
	seen := s.client.sight
	if o.isFailure() {
		ep.counts.lastFailure.Store(time.Now().UnixNano())
	}
	if a.redirects > 0 {
		seen.totals.redirects.Add(uint64(a.redirects))
	}
	ep.counts.outcomes[o].Add(1)
	seen.totals.outcomes[o].Add(1)
	if began.IsZero() {
		return
	}
	result := AttemptResult{
		AttemptInfo: s.info(ep), Sent: a.sent, StatusCode: a.status, Redirects: a.redirects,
		Duration: time.Since(began), Err: a.err, Verdict: o.String(),
	}
	if o == outcomeIdle {
		result.Err = nil
	}
	for trace := range s.audience.all {
		if trace.AttemptDone != nil {
			trace.AttemptDone(result)
		}
	}
	if o == outcomeNext {
		seen.logAttempt(ctx, &result)
	}
}

func (s *sending) info(ep *endpoint) AttemptInfo {
	method, path := s.act.describe()
	number := 1
	if s.failed != nil {
		number += len(s.failed.Errors)
	}
	return AttemptInfo{
		Endpoint: ep.name, Method: method, Path: path, Class: s.class.String(),
		LongPoll: s.act.isLongPoll(), Number: number,
	}
}

// callFailed notes a call that no endpoint has answered.
func (s *sending) callFailed(ctx context.Context) {
	seen := s.client.sight
	seen.totals.callsFailed.Add(1)
	if s.failed.OutcomeUnknown {
		seen.totals.unknown.Add(1)
	}
	method, path := s.act.describe()
	seen.logCall(ctx, method, path, s.failed)
}

// suspected notes that something is held against ep.
func (s *sight) suspected(ctx context.Context, ep *endpoint, why error) {
	ep.counts.suspected.Add(1)
	info := HealthInfo{Endpoint: ep.name, Err: why}
	for trace := range s.audienceOf(ctx).all {
		if trace.EndpointUnhealthy != nil {
			trace.EndpointUnhealthy(info)
		}
	}
	s.logSuspicion(ctx, "etcd endpoint is unhealthy", info)
}

// cleared notes that nothing is held against ep any more.
func (s *sight) cleared(ctx context.Context, ep *endpoint) {
	info := HealthInfo{Endpoint: ep.name}
	for trace := range s.audienceOf(ctx).all {
		if trace.EndpointHealthy != nil {
			trace.EndpointHealthy(info)
		}
	}
	s.logSuspicion(ctx, "etcd endpoint is healthy again", info)
}

// probed notes what a probe has found. ep need not be one of the client's.
func (s *sight) probed(ep *endpoint, began time.Time, found pulse) {
	s.totals.probes.Add(1)
	if ep.counts != nil {
		ep.counts.probes.Add(1)
	}
	if found == pulseNone {
		s.totals.probesFailed.Add(1)
		if ep.counts != nil {
			ep.counts.probesFailed.Add(1)
		}
	}
	for _, trace := range s.traces {
		if trace.ProbeDone != nil {
			trace.ProbeDone(ProbeInfo{Endpoint: ep.name, Duration: time.Since(began), Result: found.String()})
		}
	}
}

// synced notes that a Sync has ended; retry is when AutoSync tries again.
func (c *httpClusterClient) synced(ctx context.Context, began time.Time, err error, retry time.Duration) {
	seen := c.sight
	seen.totals.syncs.Add(1)
	if err != nil {
		seen.totals.syncsFailed.Add(1)
	}
	if ctx.Err() != nil {
		retry = 0
	}
	for trace := range seen.audienceOf(ctx).all {
		if trace.SyncDone != nil {
			trace.SyncDone(SyncInfo{Endpoints: c.Endpoints(), Duration: time.Since(began), Err: err, Retry: retry})
		}
	}
	if err != nil && ctx.Err() == nil {
		seen.logSync(ctx, err, retry)
	}
}

// rearmed notes that a watch by c, which may be anybody's, is about to be made
// again.
func rearmed(ctx context.Context, c Client, info WatchRestartInfo) {
	who := audience{ofCall: tracesOf(ctx)}
	own := ownClient(c)
	if own != nil {
		who.ofClient = own.sight.traces
		if info.Err == nil {
			own.sight.totals.rearmed.Add(1)
		} else {
			own.sight.totals.retries.Add(1)
		}
	}
	for trace := range who.all {
		if trace.WatchRestarted != nil {
			trace.WatchRestarted(info)
		}
	}
	if own != nil {
		own.sight.logRearm(ctx, info)
	}
}
