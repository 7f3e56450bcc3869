package harness

import (
	"net/http"
	"strings"
	"time"
)

// A FaultKind is what goes wrong with a request at a [Proxy].
type FaultKind int

const (
	// LoseAnswer passes the request on, waits until the server has answered, and
	// resets the client's connection: what the request asks for is done.
	LoseAnswer FaultKind = iota + 1
	// ResetBeforeHeaders reads the request and resets the connection: nothing is done.
	ResetBeforeHeaders
	// ResetMidBody passes the answer's header and half its body, then resets.
	ResetMidBody
	// StallMidBody passes as much, and then nothing more.
	StallMidBody
	// Stall reads the request and never answers: nothing is done.
	Stall
	// Slow holds the answer back for Delay.
	Slow
	// CutMidEvent holds the answer back for Delay, passes its header and half of
	// its first line, which is an event of a watch, then closes the connection in
	// an orderly way.
	CutMidEvent
	// CutAfterHeader holds the answer back for Delay, passes its header alone, then
	// closes as CutMidEvent does.
	CutAfterHeader
	// EmptyAnswer holds the answer back for Delay, passes its header and a body that
	// is complete and empty, then closes.
	EmptyAnswer
)

// A Match selects requests; empty fields match all.
type Match struct {
	Method string
	Path   string // a prefix
	Query  string // a part of the raw query
}

func (m Match) matches(method, path, query string) bool {
	return (m.Method == "" || m.Method == method) && strings.HasPrefix(path, m.Path) && strings.Contains(query, m.Query)
}

// A Fault befalls the requests that it matches.
type Fault struct {
	Kind FaultKind
	Match
	// Count is how many requests it befalls; zero means all until [Proxy.Clear].
	Count int
	// When is asked of each request that matches, unless it is nil, whether the
	// fault befalls it. It must not use the proxy.
	When func(path string) bool
	// Delay is for Slow, CutMidEvent, CutAfterHeader and EmptyAnswer.
	Delay time.Duration
}

// A seen is one request that came to a proxy.
type seen struct {
	method, path, query string
	forwarded           bool
	answered            bool      // the header of the server's answer has come
	began, ended        time.Time // ended is zero while the request is open
}

// Inject adds faults. Of those that match a request, the first befalls it.
func (p *Proxy) Inject(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range faults {
		p.faults = append(p.faults, &f)
	}
}

// Clear removes all faults, and ends [Proxy.BlackholeAll] for new connections.
// Requests that a fault has befallen stay as they are.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.swallows = nil, false
}

// record notes a request, and gives the fault that befalls it, or a zero one.
func (p *Proxy) record(req *http.Request) (*seen, Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &seen{method: req.Method, path: req.URL.Path, query: req.URL.RawQuery, began: time.Now()}
	p.log = append(p.log, s)
	for i, f := range p.faults {
		if !f.matches(s.method, s.path, s.query) || f.When != nil && !f.When(s.path) {
			continue
		}
		if f.Count > 0 {
			if f.Count--; f.Count == 0 {
				p.faults = append(p.faults[:i:i], p.faults[i+1:]...)
			}
		}
		return s, *f
	}
	return s, Fault{}
}

func (p *Proxy) update(s *seen, change func(*seen)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(s)
}

// Connections returns how many connections have been accepted.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Requests returns how many requests that match have come.
func (p *Proxy) Requests(m Match) int { return p.count(m, func(*seen) bool { return true }) }

// Forwarded returns how many requests that match were passed on to the server.
func (p *Proxy) Forwarded(m Match) int { return p.count(m, func(s *seen) bool { return s.forwarded }) }

// ForwardedTo returns how many requests that match were passed on to the server,
// by their path.
func (p *Proxy) ForwardedTo(m Match) map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	forwarded := map[string]int{}
	for _, s := range p.log {
		if s.forwarded && m.matches(s.method, s.path, s.query) {
			forwarded[s.path]++
		}
	}
	return forwarded
}

// Open returns how many requests that match have come and have not ended.
func (p *Proxy) Open(m Match) int { return p.count(m, func(s *seen) bool { return s.ended.IsZero() }) }

// Answering returns how many requests that match have an answer that has begun
// and not ended.
func (p *Proxy) Answering(m Match) int {
	return p.count(m, func(s *seen) bool { return s.answered && s.ended.IsZero() })
}

func (p *Proxy) count(m Match, counts func(*seen) bool) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, s := range p.log {
		if m.matches(s.method, s.path, s.query) && counts(s) {
			n++
		}
	}
	return n
}
