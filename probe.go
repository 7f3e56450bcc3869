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
	// pulseUnasked: whoever asked went away before there was an answer.
	pulseUnasked
)

// prober asks endpoints whether they are alive, by GET /health on a connection
// of its own and without credentials. However many ask at a time, an endpoint
// gets one probe.
type prober struct {
	transport http.RoundTripper

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
		go p.run(ctx, ep, running) // ends with its context: by time, or when all have left
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

func (p *prober) run(ctx context.Context, ep *endpoint, running *probe) {
	running.found = p.takePulse(ctx, ep)
	close(running.done)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[ep.name] == running {
		delete(p.running, ep.name)
	}
}

// takePulse makes the request.
func (p *prober) takePulse(ctx context.Context, ep *endpoint) pulse {
	act := &action{method: http.MethodGet, path: "/health"}
	req := act.HTTPRequest(ep.base) //nolint:contextcheck // attached below
	if req == nil {
		return pulseNone
	}
	req = req.WithContext(ctx)
	req.Close = true
	transport := p.transport
	if pooled, ok := transport.(*http.Transport); ok && isHTTP(req.URL) {
		// An idle connection may be dead while the member is not.
		fresh := pooled.Clone()
		fresh.DisableKeepAlives = true
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
	if status == http.StatusServiceUnavailable {
		return pulseNoQuorum
	}
	return pulseGood
}

// How an attempt fails that was given up because of what a probe found.
var (
	// ErrStalled is how an attempt fails whose endpoint has stopped answering:
	// no reply within Config.StallInterval and no answer to a GET /health
	// either, or a reply whose body stopped coming for as long.
	ErrStalled = errors.New("client: the endpoint has stopped answering")

	// ErrNoQuorum is how a watch or read is given up at a member that is cut off
	// from its cluster, as its /health says, when another member is not.
	ErrNoQuorum = errors.New("client: the member is cut off from its cluster")
)
