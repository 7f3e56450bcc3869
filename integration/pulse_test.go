package integration

import (
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// promptly makes a call that the members left can answer, and checks that it
// succeeds within the bound. It reports false for a round that shows nothing:
// the call was late, and so were those members.
func promptly(t *testing.T, what string, left []*harness.Member, bound time.Duration, call func() error) bool {
	t.Helper()
	p := harness.TakePulse(t.Context(), left)
	var err error
	took := timed(func() { err = call() })
	silence := p.Longest()
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

// inSomeRound runs rounds until one is conclusive.
func inSomeRound(t *testing.T, run func() bool) {
	t.Helper()
	const rounds = 5
	for range rounds {
		if run() {
			return
		}
	}
	t.Errorf("in none of %d rounds did the members serve long enough to tell", rounds)
}

// wantPrompt is promptly for what can't be run again: the time that the
// members left open is granted.
func wantPrompt(t *testing.T, what string, left []*harness.Member, bound time.Duration, do func()) {
	t.Helper()
	p := harness.TakePulse(t.Context(), left)
	took := timed(do)
	silence := p.Longest()
	t.Logf("the members left were themselves silent for %v at most", silence.Round(time.Millisecond))
	wantUnder(t, what, took, bound+silence)
}
