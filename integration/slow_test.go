package integration

import (
	"net/http"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

func TestSlowMemberIsNotAbandoned(t *testing.T) {
	// Longer than the stall interval. After two of them the connection might be the
	// reason, and the read would be made on another one.
	const delay = 3 * time.Second
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi, key := freshKeys(t, c), uniqueKey("slow")
		resp, err := kapi.Set(within(t, callTimeout), key, "v", nil)
		mustResponse(t, resp, err)
		m := pinnedMember(t, c, kapi)
		m.Proxy().Inject(harness.Fault{Kind: harness.Slow, Match: harness.Match{Path: "/v2"}, Delay: delay})
		took := timed(func() {
			resp, err := kapi.Get(within(t, 20*time.Second), key, nil)
			mustResponse(t, resp, err)
		})
		asked, requests := askedFor(c, keyPath(http.MethodGet, key))
		if took < delay || requests != 1 || asked[0] != m {
			t.Errorf("%d requests to %d members, answered after %v", requests, len(asked), took)
		}
		t.Logf("%d probes in %v", m.Proxy().Requests(healthChecks), took)
		if m.Proxy().Requests(healthChecks) == 0 {
			t.Error("nobody asked whether the member is alive")
		}
	})
}

func TestContextThatEndsWhileAnAnswerIsOwed(t *testing.T) {
	onFaultyCluster(t, func(s env) {
		t, c := s.t, s.c
		kapi := freshKeys(t, c)
		resp, err := kapi.Set(within(t, callTimeout), "/k", "v", nil)
		mustResponse(t, resp, err)
		m := pinnedMember(t, c, kapi)
		m.Proxy().Inject(harness.Fault{Kind: harness.Stall, Match: harness.Match{Path: "/v2"}})
		// Longer than the stall interval: the member's answers to probes show that it
		// is alive, and the next call begins elsewhere all the same.
		ctx := within(t, 2500*time.Millisecond)
		if _, err := kapi.CreateInOrder(ctx, "/queue", "v", nil); !isBare(err, ctx.Err()) || ctx.Err() == nil {
			t.Errorf("got %T (%v), want %v itself", err, err, ctx.Err())
		}
		wantPrompt(t, "the next call", others(c, m), time.Second, func() {
			resp, err := kapi.Get(within(t, 5*time.Second), "/k", nil)
			mustResponse(t, resp, err)
		})
		if now := pinnedMember(t, c, kapi); now == m {
			t.Error("the calls still begin with the member that owes an answer")
		}
	})
}
