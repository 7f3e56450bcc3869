package client

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// An unhealthy endpoint is probed after a pause that grows from the first to
	// the last.
	firstUnhealthyPause = time.Second
	lastUnhealthyPause  = time.Minute

	// staleIndexPause is how long the raft index in an endpoint's replies may not
	// move before the endpoint is asked whether it has a quorum, and how long
	// until it is asked again.
	staleIndexPause = 10 * time.Second

	// unknownDial stands for the time of a dial and a TLS handshake where no
	// connection to the endpoint has been made yet.
	unknownDial = 100 * time.Millisecond
	// leastProbeTimeout is what a probe needs besides: a round trip, and a machine
	// that is busy.
	leastProbeTimeout = 250 * time.Millisecond
	// handshakeFactor allows for a probe that takes longer than the connection
	// that was measured.
	handshakeFactor = 3
)

// endpointHealth is what is known of one endpoint, from all calls, watches and
// probes together. It is shared by all views of the pool and safe for concurrent
// use.
//
// An unhealthy endpoint is asked after all others and never left out. The first
// answer makes it healthy again.
type endpointHealth struct {
	marked atomic.Bool // the endpoint is unhealthy; saves most callers the lock

	mu sync.Mutex // guards the fields below

	lastAnswer   time.Time     // when it last answered anything
	answeredSent time.Time     // when the latest request that etcd has answered there was made
	dial         time.Duration // how long a new connection takes; 0: not measured
	probe        *probe        // the latest; nil: there was none, or nobody waited for it
	asked        time.Time     // when the first probe was made that nothing has answered

	pause   time.Duration
	recheck time.Time // when to probe it next; zero while it is healthy
	notEtcd int       // the status by which something else than etcd has answered; 0: it has not

	raftIndex      string
	raftIndexSince time.Time // when that was first seen, or the endpoint last asked
}

// onAnswer notes that something came from the endpoint. made is when the request
// was made, where the answer is etcd's own; zero: it is not known to be.
func (h *endpointHealth) onAnswer(now, made time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.After(h.lastAnswer) {
		h.lastAnswer, h.asked = now, time.Time{}
	}
	if made.After(h.answeredSent) {
		h.answeredSent = made
	}
}

// silence returns for how long nothing has come from the endpoint.
func (h *endpointHealth) silence(now time.Time) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return now.Sub(h.lastAnswer)
}

// hasAnsweredSince reports whether etcd has answered a request there that was made
// after t.
func (h *endpointHealth) hasAnsweredSince(t time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answeredSent.After(t)
}

// onDial notes how long it took to get a new connection, the handshake included.
func (h *endpointHealth) onDial(took time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dial = max(took, (7*h.dial+took)/8, 1)
}

// probeTimeout returns how long a probe needs at least: it makes a connection of
// its own.
func (h *endpointHealth) probeTimeout() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	dial := h.dial
	if dial == 0 {
		dial = unknownDial
	}
	return leastProbeTimeout + handshakeFactor*dial
}

// isUnanswered reports whether nothing has come from the endpoint since a probe
// was made, for as long as a probe needs. The probe may have been given up since.
func (h *endpointHealth) isUnanswered(now time.Time) bool {
	needs := h.probeTimeout()
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.asked.IsZero() && !h.lastAnswer.After(h.asked) && now.Sub(h.asked) >= needs
}

// markUnhealthy puts the endpoint to the end of the order. Each failure after a
// pause has passed doubles the next; those within one pause count once, however
// many requests failed together. It reports whether the endpoint was healthy.
func (h *endpointHealth) markUnhealthy(now time.Time, notEtcd int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notEtcd = notEtcd
	if now.Before(h.recheck) {
		return false
	}
	h.pause = min(max(2*h.pause, firstUnhealthyPause), lastUnhealthyPause)
	h.recheck = now.Add(h.pause)
	return !h.marked.Swap(true)
}

// markHealthy reports whether the endpoint was unhealthy.
func (h *endpointHealth) markHealthy() bool {
	if !h.marked.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pause, h.recheck, h.notEtcd = 0, time.Time{}, 0
	return h.marked.Swap(false)
}

// isUnhealthy reports whether the endpoint is to be asked after the others. Where
// unhealthy endpoints are not probed, it ends with the pause.
func (h *endpointHealth) isUnhealthy(probed bool) bool {
	if !h.marked.Load() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.recheck.IsZero() && (probed || time.Now().Before(h.recheck))
}

// isRecheckDue reports, to one caller for each pause, that it is time to probe the
// unhealthy endpoint.
func (h *endpointHealth) isRecheckDue() bool {
	if !h.marked.Load() {
		return false
	}
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.recheck.IsZero() || now.Before(h.recheck) {
		return false
	}
	h.pause = min(2*h.pause, lastUnhealthyPause)
	h.recheck = now.Add(h.pause)
	return true
}

// isClearedBy reports whether what a probe has found makes the endpoint healthy. Where
// something else than etcd has answered, a page does not; and where that has refused
// a call, not even a member does that is well: it may not serve the v2 API.
func (h *endpointHealth) isClearedBy(found probeResult) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch found {
	case probeGood:
		return !isClientError(h.notEtcd)
	case probeNotEtcd:
		return h.notEtcd == 0
	default:
		return false
	}
}

// isIndexStale notes the raft index of a reply, and reports, to one caller for
// each pause, that it has not moved for long. A member that is cut off from its
// cluster goes on to answer reads, in time and out of date; nothing else shows it.
// Nor does the index of an idle cluster move, so this is only a reason to ask.
func (h *endpointHealth) isIndexStale(index string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if index != h.raftIndex {
		h.raftIndex, h.raftIndexSince = index, now
		return false
	}
	if now.Sub(h.raftIndexSince) < staleIndexPause {
		return false
	}
	h.raftIndexSince = now
	return true
}

// probeResult is what a probe found out about an endpoint.
type probeResult int

const (
	// probeNone: nothing that speaks HTTP answered.
	probeNone probeResult = iota
	// probeNoQuorum: the member answers, and is cut off from its cluster.
	probeNoQuorum
	// probeGood: the member answers.
	probeGood
	// probeNotEtcd: something answers that is no member: a proxy perhaps.
	probeNotEtcd
	// probeAbandoned: nothing was found out, for nobody waited any longer, or no
	// connection was to be had to ask by.
	probeAbandoned
)

// String returns what ProbeInfo.Result says.
func (p probeResult) String() string {
	switch p {
	case probeGood:
		return "good"
	case probeNoQuorum:
		return "no quorum"
	case probeNotEtcd:
		return "not etcd"
	case probeAbandoned:
		return "abandoned"
	default:
		return "none"
	}
}

// isAlive reports whether something has answered.
func (p probeResult) isAlive() bool {
	return p == probeGood || p == probeNoQuorum || p == probeNotEtcd
}

// probe is one question to one endpoint: GET /health, on a connection of its own
// and without credentials. However many callers wait for the answer, an endpoint
// is asked once. The probe goes on as long as any of them waits, until its own
// time is over, which does not depend on them.
type probe struct {
	began   time.Time
	cancel  context.CancelFunc
	waiters int           // guarded by mu of the endpoint's health
	done    chan struct{} // closed when the fields below are set
	ended   time.Time
	result  probeResult
}

// probeUserAgent distinguishes probes from calls in the logs of servers.
const probeUserAgent = "etcd-client-probe"

// prober asks endpoints whether they are alive.
type prober struct {
	transport http.RoundTripper
	interval  time.Duration // how long an answer is good for everybody
	observer  *observer
	// onAlive is called with an answer, before those that wait for it go on.
	onAlive func(ep *endpoint, result probeResult)
	// onNone is called where nobody answers, after a probe that no call waits for.
	onNone func(ep *endpoint)
}

// ask returns the state of ep: what a probe has found within the interval, or what
// one finds now. It waits for the probe, for limit and for ctx, and reports whether
// the state is known then.
func (p *prober) ask(ctx context.Context, ep *endpoint, limit time.Duration) (state probeResult, known bool) {
	if ctx.Err() != nil {
		return probeAbandoned, false
	}
	current := p.join(ep) //nolint:contextcheck // a probe is shared, and goes on while anybody waits
	defer p.leave(ep, current)
	select {
	case <-current.done:
		return current.result, true
	default:
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-current.done:
		return current.result, true
	case <-timer.C:
	case <-ctx.Done():
	}
	return probeAbandoned, false
}

// start asks, and waits for nothing. An endpoint where nobody answers is reported to
// onNone.
func (p *prober) start(ep *endpoint) {
	go func() { // ends with the probe
		if found, known := p.ask(context.Background(), ep, 2*p.timeout(ep)); known && found == probeNone {
			p.onNone(ep)
		}
	}()
}

// join returns the probe of ep that is under way, the last one where something
// has answered it within the interval, or a new one.
func (p *prober) join(ep *endpoint) *probe {
	timeout := p.timeout(ep)
	h := ep.health
	h.mu.Lock()
	defer h.mu.Unlock()
	if last := h.probe; last != nil {
		select {
		case <-last.done:
			if last.result.isAlive() && time.Since(last.ended) < p.interval {
				return last
			}
		default:
			last.waiters++
			return last
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.probe = &probe{began: time.Now(), cancel: cancel, waiters: 1, done: make(chan struct{})}
	if h.asked.IsZero() {
		h.asked = h.probe.began
	}
	go p.run(ctx, h.probe, ep, timeout) // ends when nobody waits, or by time
	return h.probe
}

// leave ends the probe where nobody else waits for it.
func (p *prober) leave(ep *endpoint, current *probe) {
	h := ep.health
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-current.done:
		return
	default:
	}
	if current.waiters--; current.waiters > 0 {
		return
	}
	current.cancel()
	if h.probe == current {
		h.probe = nil
	}
}

// timeout returns how long a probe of ep may take.
func (p *prober) timeout(ep *endpoint) time.Duration {
	return max(p.interval, ep.health.probeTimeout())
}

// run asks, and asks once more where the time was over before this process had a
// chance to look: it was stopped, or its machine was.
func (p *prober) run(ctx context.Context, current *probe, ep *endpoint, timeout time.Duration) {
	defer current.cancel()
	for range 2 {
		began := time.Now()
		bounded, cancel := context.WithTimeout(ctx, timeout)
		current.result = p.question(bounded, ep, timeout)
		cancel()
		if current.result != probeNone || time.Since(began) < timeout+timeout/2 {
			break
		}
	}
	if !current.result.isAlive() && ctx.Err() != nil {
		current.result = probeAbandoned
	}
	current.ended = time.Now()
	if current.result.isAlive() {
		made := current.began
		if current.result == probeNotEtcd {
			made = time.Time{}
		}
		ep.health.onAnswer(current.ended, made)
	}
	p.observer.onProbe(ep, current.began, current.result)
	if current.result.isAlive() {
		p.onAlive(ep, current.result)
	}
	close(current.done)
}

// question asks for /health and, as that makes a member look for a quorum, which
// can take a second, for /version as well when half of the time is over.
func (p *prober) question(ctx context.Context, ep *endpoint, timeout time.Duration) probeResult {
	health, version := make(chan probeResult, 1), make(chan probeResult, 1)
	go func() { health <- p.get(ctx, ep, "/health") }()
	half := time.NewTimer(timeout / 2)
	defer half.Stop()
	select {
	case found := <-health:
		return found
	case <-half.C:
	}
	go func() { version <- p.get(ctx, ep, "/version") }()
	found := probeNone // what is known when /health says nothing
	for range 2 {
		select {
		case answer := <-health:
			if answer.isAlive() {
				return answer
			}
			if answer == probeAbandoned && found == probeNone {
				found = answer
			}
		case answer := <-version:
			switch answer {
			case probeGood:
				found = probeNoQuorum
			case probeNotEtcd:
				found = answer
			default:
			}
		}
	}
	return found
}

// get sends one request. It ends with ctx.
func (p *prober) get(ctx context.Context, ep *endpoint, path string) probeResult {
	transport, discard := p.newTransport(ep)
	defer discard()
	// A transport whose connections are limited may have none to spare: then the
	// endpoint was not asked at all.
	var wanted, dialled atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { wanted.Store(true) },
		GotConn:      func(httptrace.GotConnInfo) { dialled.Store(true) },
		DNSStart:     func(httptrace.DNSStartInfo) { dialled.Store(true) },
		ConnectStart: func(string, string) { dialled.Store(true) },
	})
	spec := requestSpec{method: http.MethodGet, path: path}
	req := spec.request(traced, ep, &url.URL{})
	req.Close = true
	req.Header.Set("User-Agent", probeUserAgent)
	resp, err := transport.RoundTrip(req)
	if err != nil || resp == nil {
		if ctx.Err() != nil && wanted.Load() && !dialled.Load() {
			return probeAbandoned
		}
		return probeNone
	}
	if resp.Body == nil {
		return probeNotEtcd
	}
	defer closeQuietly(resp.Body)
	var body strings.Builder
	if _, err := io.Copy(&body, io.LimitReader(resp.Body, maxErrorBytes)); err != nil {
		return probeNotEtcd // the header has shown that something is alive
	}
	return probeResultOf(resp.StatusCode, body.String())
}

// newTransport returns a transport that makes a new connection, as far as it is
// known how: an idle one may be dead while the member is not.
func (p *prober) newTransport(ep *endpoint) (transport http.RoundTripper, discard func()) {
	switch pooled := p.transport.(type) {
	case *http.Transport:
		if ep.base.Scheme == "http" || ep.base.Scheme == "https" { // a clone knows no other schemes; sockets don't die so
			fresh := pooled.Clone()
			fresh.DisableKeepAlives = true
			return fresh, fresh.CloseIdleConnections
		}
	case *Transport:
		fresh := pooled.fresh()
		return fresh, fresh.CloseIdleConnections
	}
	return p.transport, func() {}
}

// probeResultOf returns what the answer says: of /health {"health":"true"}, a bool
// in some builds, and 503 or "false" without a quorum; of /version that there is a
// member (2.0 writes "etcd 2.0.13").
func probeResultOf(status int, body string) probeResult {
	var document struct {
		Health any    `json:"health"`
		Server string `json:"etcdserver"`
	}
	isJSON := json.Unmarshal([]byte(body), &document) == nil
	switch {
	case isJSON && (document.Health == "false" || document.Health == false),
		document.Health != nil && status == http.StatusServiceUnavailable:
		return probeNoQuorum
	case document.Health != nil, document.Server != "", strings.HasPrefix(body, "etcd "):
		return probeGood
	default:
		return probeNotEtcd
	}
}
