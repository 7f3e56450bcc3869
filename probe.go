package client

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// pulse is what a probe found out about an endpoint.
type pulse int

const (
	// pulseNone: nothing that speaks HTTP answered.
	pulseNone pulse = iota
	// pulseNoQuorum: the member answers, and is cut off from its cluster.
	pulseNoQuorum
	// pulseGood: the member answers.
	pulseGood
	// pulseStranger: something answers, and not as a member does: a proxy
	// perhaps.
	pulseStranger
	// pulseUnasked: whoever asked went away before there was an answer.
	pulseUnasked
)

// prober asks endpoints whether they are alive, by GET /health on a connection
// of its own and without credentials. However many ask at a time, an endpoint
// gets one probe.
type prober struct {
	transport http.RoundTripper
	sight     *sight

	mu      sync.Mutex        // guards the field below
	running map[string]*probe // by the endpoint's name
}

// probe is one question on its way. It lasts as long as somebody waits for it.
type probe struct {
	cancel  context.CancelFunc
	waiters int           // guarded by the prober's mu
	done    chan struct{} // closed when found is set
	found   pulse
}

// probeUserAgent tells probes from calls in the logs of servers.
const probeUserAgent = "etcd-client-probe"

// ask gives ep's pulse. No answer within patience is none; where a probe is on
// its way already, it is the patience of that one that counts. It returns
// pulseUnasked when ctx ends first.
func (p *prober) ask(ctx context.Context, ep *endpoint, patience time.Duration) pulse {
	running := p.join(ep, patience) //nolint:contextcheck // a probe is shared, it lasts while anybody waits
	defer p.leave(ep, running)
	select {
	case <-running.done:
		return running.found
	case <-ctx.Done():
		return pulseUnasked
	}
}

func (p *prober) join(ep *endpoint, patience time.Duration) *probe {
	p.mu.Lock()
	defer p.mu.Unlock()
	running := p.running[ep.name]
	if running == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		running = &probe{cancel: cancel, done: make(chan struct{})}
		if p.running == nil {
			p.running = map[string]*probe{}
		}
		p.running[ep.name] = running
		go p.run(ctx, ep, patience, running) // ends with its context: by time, or when all have left
	}
	running.waiters++
	return running
}

func (p *prober) leave(ep *endpoint, running *probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	running.waiters--
	if running.waiters > 0 {
		return
	}
	running.cancel()
	if p.running[ep.name] == running {
		delete(p.running, ep.name) // who asks from now on wants a new answer
	}
}

func (p *prober) run(ctx context.Context, ep *endpoint, patience time.Duration, running *probe) {
	began := time.Now()
	running.found = p.takePulse(ctx, ep, patience)
	if running.found == pulseNone && errors.Is(ctx.Err(), context.Canceled) {
		running.found = pulseUnasked
	}
	p.sight.probed(ep, began, running.found)
	close(running.done)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[ep.name] == running {
		delete(p.running, ep.name)
	}
}

// takePulse asks for /health and, since that makes a member look for a quorum,
// which can take a second, for /version as well when half of the time is over.
func (p *prober) takePulse(ctx context.Context, ep *endpoint, patience time.Duration) pulse {
	health, version := make(chan pulse, 1), make(chan pulse, 1)
	go func() { health <- p.get(ctx, ep, "/health") }()
	half := time.NewTimer(patience / 2)
	defer half.Stop()
	select {
	case found := <-health:
		return found
	case <-half.C:
	}
	go func() { version <- p.get(ctx, ep, "/version") }()
	there := pulseNone // what is known when /health has nothing to say
	for range 2 {
		select {
		case found := <-health:
			if found != pulseNone {
				return found
			}
		case found := <-version:
			if found != pulseNone {
				there = pulseNoQuorum
			}
		case <-ctx.Done():
			return there
		}
	}
	return there
}

// get makes one request. It ends with ctx.
func (p *prober) get(ctx context.Context, ep *endpoint, path string) pulse {
	ask := demand{method: http.MethodGet, path: path}
	req := ask.request(ctx, ep, &url.URL{})
	req.Close = true
	req.Header.Set("User-Agent", probeUserAgent)
	transport := p.transport
	// An idle connection may be dead while the member is not.
	switch pooled := transport.(type) {
	case *http.Transport:
		if isHTTP(req.URL) { // a clone knows no other schemes; sockets don't die so
			fresh := pooled.Clone()
			fresh.DisableKeepAlives = true
			defer fresh.CloseIdleConnections()
			transport = fresh
		}
	case *Transport:
		fresh := pooled.fresh()
		defer fresh.CloseIdleConnections()
		transport = fresh
	}
	resp, err := transport.RoundTrip(req)
	if err != nil || resp == nil {
		return pulseNone
	}
	if resp.Body == nil {
		return pulseOf(resp.StatusCode, "")
	}
	defer closeQuietly(resp.Body)
	var body strings.Builder
	if _, err := io.Copy(&body, io.LimitReader(resp.Body, maxErrorBytes)); err != nil {
		return pulseGood // the header has told that somebody is there
	}
	return pulseOf(resp.StatusCode, body.String())
}

func isHTTP(u *url.URL) bool { return u.Scheme == "http" || u.Scheme == "https" }

// pulseOf reads what /health says: {"health":"true"}, a bool in some builds, and
// 503 or "false" without a quorum. Any other answer, of a proxy for instance, is
// an answer.
func pulseOf(status int, body string) pulse {
	var document struct {
		Health any `json:"health"`
	}
	if json.Unmarshal([]byte(body), &document) == nil && (document.Health == "false" || document.Health == false) {
		return pulseNoQuorum
	}
	switch {
	case status == http.StatusServiceUnavailable:
		return pulseNoQuorum
	case document.Health == nil:
		return pulseStranger
	default:
		return pulseGood
	}
}
