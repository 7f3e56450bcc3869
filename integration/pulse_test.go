package integration

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// A pulse shows how long members themselves left a question open, by plain HTTP:
// an election, or a machine that has other things to do. No client can be
// quicker than the members that are left to it.
type pulse struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards longest
	longest time.Duration
}

const pulseEvery = 50 * time.Millisecond

// takePulse asks each of the members again and again, until the pulse is read or
// the test ends: what the cluster agrees on, or, of a single member, what it has.
func takePulse(t *testing.T, members []*harness.Member) *pulse {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &pulse{cancel: cancel}
	query := "?quorum=true"
	if len(members) == 1 {
		query = ""
	}
	transport := &http.Transport{}
	for _, m := range members {
		p.wg.Go(func() { p.beat(ctx, transport, m.ClientURL()+"/v2/keys/"+query) })
	}
	t.Cleanup(func() {
		p.read()
		transport.CloseIdleConnections()
	})
	return p
}

// beat notes the longest time between two answers.
func (p *pulse) beat(ctx context.Context, transport http.RoundTripper, url string) {
	last := time.Now()
	note := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.longest = max(p.longest, time.Since(last))
	}
	defer note()
	for ctx.Err() == nil {
		if answers(ctx, transport, url) {
			note()
			last = time.Now()
		}
		select {
		case <-time.After(pulseEvery):
		case <-ctx.Done():
		}
	}
}

// answers reports whether a member answers. What an election swallows is not
// waited for.
func answers(ctx context.Context, transport http.RoundTripper, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK
}

// read ends the pulse and returns the longest time that a member left open.
func (p *pulse) read() time.Duration {
	p.cancel()
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.longest
}

// promptly makes a call that the members left can answer, and checks that it
// succeeds within the bound. It reports false for a round that says nothing:
// the call was late, and so were those members.
func promptly(t *testing.T, what string, left []*harness.Member, bound time.Duration, call func() error) bool {
	t.Helper()
	p := takePulse(t, left)
	var err error
	took := timed(func() { err = call() })
	silence := p.read()
	t.Logf("%s took %v", what, took.Round(time.Millisecond))
	switch {
	case err == nil && took < bound:
		return true
	case silence > bound/3:
		t.Logf("%s: %v; the members left were themselves silent for %v", what, err, silence.Round(time.Millisecond))
		return false
	default:
		t.Errorf("%s took %v, want under %v; error: %v", what, took, bound, err)
		return true
	}
}

// inSomeRound plays rounds until one says something.
func inSomeRound(t *testing.T, play func() bool) {
	t.Helper()
	const rounds = 5
	for range rounds {
		if play() {
			return
		}
	}
	t.Errorf("in none of %d rounds did the members serve long enough to tell", rounds)
}

// wantPrompt is promptly for what can't be played again: the time that the
// members left open is granted.
func wantPrompt(t *testing.T, what string, left []*harness.Member, bound time.Duration, do func()) {
	t.Helper()
	p := takePulse(t, left)
	took := timed(do)
	silence := p.read()
	t.Logf("the members left were themselves silent for %v at most", silence.Round(time.Millisecond))
	wantUnder(t, what, took, bound+silence)
}
