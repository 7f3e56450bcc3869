package client_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/client"
)

// A lower priority is asked only while all of the higher ones are down, and left
// when one of them is healthy again.
func TestSRVPrioritiesHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSRVScenario(t, client.Config{}, srv(3, 1, "backup.example.com."), srv(1, 1, "first.example.com."), srv(2, 1, "second.example.com."))
		s.wantGet(t, "first")
		s.turn(false, "first")
		s.wantGet(t, "first second")
		s.wantGet(t, "second")
		s.turn(false, "second")
		s.wantGet(t, "second backup")
		s.wantGet(t, "backup")
		s.turn(true, "first", "second")
		for range 5 {
			pass(time.Minute)
			if _, err := s.get(t); err != nil { // looks for who is back
				t.Error(err)
			}
		}
		synctest.Wait()
		s.wantGet(t, "first")
	})
}

func TestSyncLooksTheRecordsUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."), srv(2, 1, "b.example.com."))
		s.members = membersReply("https://b.example.com:1 https://member.example.com:1", "https://a.example.com:1")
		want := func(want ...string) {
			t.Helper()
			if got := s.client.Endpoints(); !slices.Equal(got, want) {
				t.Errorf("endpoints are %q, want %q", got, want)
			}
		}
		sync := func() {
			t.Helper()
			if err := s.client.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		}
		// What has no record comes behind what has one, in its order.
		sync()
		want("https://a.example.com.:1", "https://b.example.com.:1", "https://member.example.com:1")
		s.turn(false, "a", "b")
		s.wantGet(t, "a b member")
		s.turn(true, "a", "b")

		// The records change: who has none any more is gone, but for members.
		s.dns.set(secureName, srv(1, 1, "c.example.com."), srv(0, 1, "b.example.com."))
		s.members = membersReply("https://member.example.com:1")
		sync()
		want("https://b.example.com.:1", "https://c.example.com.:1", "https://member.example.com:1")

		// The same records in another order are no news; other priorities are.
		s.dns.set(secureName, srv(0, 1, "c.example.com."), srv(1, 1, "b.example.com."))
		sync()
		want("https://c.example.com.:1", "https://b.example.com.:1", "https://member.example.com:1")

		// A look-up that fails, or finds nothing, changes nothing.
		for _, name := range []string{"", "silent", "none"} {
			s.dns.fail(secureName, dnsmessage.RCodeServerFailure, name == "silent")
			if name == "none" {
				s.dns.set(secureName)
			}
			sync()
			want("https://c.example.com.:1", "https://b.example.com.:1", "https://member.example.com:1")
		}

		// The members can't be asked: what the records say holds.
		s.dns.set(secureName, srv(0, 1, "d.example.com."))
		s.turn(false, "d", "member")
		if err := s.client.Sync(t.Context()); !errors.Is(err, client.ErrClusterUnavailable) {
			t.Errorf("got %v", err)
		}
		want("https://d.example.com.:1", "https://member.example.com:1")

		// Endpoints of the caller's own put an end to it.
		if err := s.client.SetEndpoints([]string{"https://a.example.com:1"}); err != nil {
			t.Error(err)
		}
		s.turn(true, "member")
		before, _ := s.dns.count()
		sync()
		if after, _ := s.dns.count(); after != before {
			t.Error("the records are looked up though SetEndpoints has been called")
		}
	})
}

// A client that has found https endpoints does not come to http ones: not by
// records, not by members.
func TestSRVClientStaysWithHTTPS(t *testing.T) {
	s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."))
	s.members = membersReply("https://a.example.com:1 http://a.example.com:1", "http://m.example.com:1")
	s.dns.set(secureName)
	s.dns.set(plainName, srv(1, 1, "a.example.com."))
	if err := s.client.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	if got := s.client.Endpoints(); !slices.Equal(got, []string{"https://a.example.com.:1"}) {
		t.Errorf("endpoints are %q", got)
	}
}

// When the records turn from http to https, http members that Sync had found before
// don't stay.
func TestSRVClient_dropsHTTPMembersForHTTPS(t *testing.T) {
	s := newDNSServer(t, srvRecords{plainName: {srv(1, 1, "a.example.com.")}})
	var list memberList
	list.set("http://m.example.com:1 https://n.example.com:1")
	c := newSRVClient(t, s, client.SRV{AllowPlain: true}, client.Config{Transport: newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if strings.HasPrefix(req.URL.Host, "b.") {
			return fakeAnswer{notSent: true}
		}
		return list.answer(req)
	})})
	if err := c.Sync(t.Context()); err != nil || len(c.Endpoints()) != 3 {
		t.Fatalf("got %q, %v", c.Endpoints(), err)
	}
	s.set(secureName, srv(1, 1, "b.example.com."))
	list.set()
	if err := c.Sync(t.Context()); err == nil {
		t.Error("Sync of nobody succeeded")
	}
	if got := c.Endpoints(); !slices.Equal(got, []string{"https://b.example.com.:1", "https://n.example.com:1"}) {
		t.Errorf("endpoints are %q", got)
	}
}

// The leader comes before all priorities, where that is what is wanted.
func TestSRVLeaderGoesBeforePriorities(t *testing.T) {
	s := newSRVScenario(t, client.Config{SelectionMode: client.EndpointSelectionPrioritizeLeader}, srv(1, 1, "a.example.com."), srv(2, 1, "b.example.com."))
	s.leader = `{"id":"1","name":"b","peerURLs":[],"clientURLs":["https://b.example.com:1"]}`
	s.wantGet(t, "a b")
	s.wantGet(t, "b")
}

// The password does not follow a record that is forged later.
func TestSyncKeepsTheListWhenATargetIsSpoofed(t *testing.T) {
	s := newSRVScenario(t, client.Config{Username: "root", Password: "pw"}, srv(1, 1, "a.example.com."))
	s.members = membersReply("https://a.example.com:1")
	for _, records := range [][]dnsmessage.SRVResource{{srv(1, 1, "a.evil.org.")}, {srv(1, 1, "a.example.com."), srv(0, 1, "a.evil.org.")}, nil} {
		s.dns.set(secureName, records...)
		s.dns.set(plainName, srv(1, 1, "a.example.com."))
		if err := s.client.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		if got := s.client.Endpoints(); !slices.Equal(got, []string{"https://a.example.com.:1"}) {
			t.Errorf("endpoints are %q", got)
		}
	}
}

func TestCallThatFailedEverywhereLooksTheRecordsUpAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."), srv(2, 1, "b.example.com."))
		s.wantGet(t, "a")
		s.turn(false, "a", "b")
		s.dns.set(secureName, srv(1, 1, "b.example.com."), srv(2, 1, "c.example.com."))
		s.wantGet(t, "a b c") // b is not asked a second time
		s.wantGet(t, "c")     // what is held against b is not forgotten

		s.turn(false, "c")
		s.dns.set(secureName, srv(1, 1, "c.example.com."), srv(2, 1, "d.example.com."), srv(3, 1, "b.example.com."))
		s.turn(false, "d")
		pass(10 * time.Second)
		var ce *client.ClusterError
		if hosts, err := s.get(t); !errors.As(err, &ce) || len(ce.Errors) != 3 || strings.Count(hosts, "d") != 1 || len(hosts) != len("b c d") {
			t.Errorf("asked %s: %v; want each once", hosts, err)
		}
	})
}

// Among the endpoints that were just found, one that is slow is left in time.
func TestNewEndpointThatIsSlowIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."), srv(2, 1, "b.example.com."))
		s.turn(false, "a", "b")
		s.dns.set(secureName, srv(1, 1, "slow.example.com."), srv(2, 1, "c.example.com."), srv(3, 1, "b.example.com."))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := s.kapi.Get(ctx, "/a", nil)
		if hosts := hostsSince(s.f, 0); err != nil || hosts != "a b slow c" {
			t.Errorf("asked %s: %v", hosts, err)
		}
	})
}

// SetEndpoints counts, and not a look-up that was on its way.
func TestSetEndpointsGoesBeforeALookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."))
		s.members = membersReply("https://mine.example.com:1")
		s.dns.set(secureName, srv(1, 1, "b.example.com."))
		s.dns.slowDown(time.Second)
		var synced sync.WaitGroup
		synced.Go(func() {
			if err := s.client.Sync(t.Context()); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		if err := s.client.SetEndpoints([]string{"https://mine.example.com:1"}); err != nil {
			t.Error(err)
		}
		synced.Wait()
		if got := s.client.Endpoints(); !slices.Equal(got, []string{"https://mine.example.com:1"}) {
			t.Errorf("endpoints are %q", got)
		}
	})
}

// A caller that goes away while it looks the records up does not keep the next
// one from it.
func TestCancelledLookUpDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."))
		s.turn(false, "a")
		s.dns.set(secureName, srv(1, 1, "b.example.com."))
		s.dns.slowDown(time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := s.kapi.Get(ctx, "/a", nil); !same(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		s.wantGet(t, "a b")
	})
}

func TestFailedCallLooksUpAtMostOnceAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."))
		s.turn(false, "a")
		lookups := func() int {
			n, _ := s.dns.count()
			return n
		}
		before := lookups()
		var calls sync.WaitGroup
		for range 20 {
			calls.Go(func() {
				var ce *client.ClusterError
				if _, err := s.get(t); !errors.As(err, &ce) || len(ce.Errors) != 1 {
					t.Errorf("got %v", err)
				}
			})
		}
		calls.Wait()
		if n := lookups() - before; n != 1 {
			t.Errorf("20 calls at a time made %d look-ups", n)
		}
		// One call each tenth of a second, for two minutes.
		var times []int
		start := time.Now()
		for range 1200 {
			before = lookups()
			if _, err := s.get(t); err == nil {
				t.Error("an endpoint that is down answers")
			}
			if lookups() != before {
				times = append(times, int(time.Since(start).Seconds()))
			}
			pass(100 * time.Millisecond)
		}
		if want := []int{1, 3, 7, 15, 31, 63}; !slices.Equal(times, want) {
			t.Errorf("looked up after %v seconds, want %v", times, want)
		}
		// New records begin again from the first pause.
		s.dns.set(secureName, srv(1, 1, "b.example.com."))
		pass(time.Minute)
		s.wantGet(t, "a b")
		s.turn(false, "b")
		s.get(t)
		pass(firstPause)
		s.dns.set(secureName, srv(1, 1, "c.example.com."))
		s.wantGet(t, "b c")
	})
}

// A write whose outcome is unknown goes nowhere else, records or not. One that
// was not sent does.
func TestConditionalWriteGoesToNewEndpointsOnlyWhenItWasNotSent(t *testing.T) {
	for _, sent := range []bool{true, false} {
		s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."))
		s.turn(false, "a")
		s.breaks = sent
		s.dns.set(secureName, srv(1, 1, "b.example.com."))
		_, err := s.kapi.Set(t.Context(), "/a", "v", &client.SetOptions{PrevIndex: 7})
		hosts := hostsSince(s.f, 0)
		if sent && (hosts != "a" || !errors.Is(err, client.ErrOutcomeUnknown)) || !sent && (hosts != "a b" || err != nil) {
			t.Errorf("sent %t: asked %s: %v", sent, hosts, err)
		}
	}
}

// DNS that does not answer costs a failing call at most 2 seconds, and half of
// the time to its deadline.
func TestFailedCallDoesNotWaitForDNSForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for deadline, want := range map[time.Duration]time.Duration{time.Minute: 2 * time.Second, time.Second: time.Second / 2, 0: 300 * time.Millisecond} {
			s := newSRVScenario(t, client.Config{}, srv(1, 1, "a.example.com."))
			s.turn(false, "a")
			s.dns.fail(secureName, 0, true)
			ctx, cancel := context.WithCancel(t.Context())
			if deadline == 0 {
				time.AfterFunc(want, cancel)
			} else {
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), deadline)
			}
			start := time.Now()
			_, err := s.kapi.Get(ctx, "/a", nil)
			if took := time.Since(start); took != want || deadline != 0 && !errors.Is(err, client.ErrClusterUnavailable) || deadline == 0 && !same(err, context.Canceled) {
				t.Errorf("deadline %v: got %v after %v", deadline, err, took)
			}
			cancel()
		}
	})
}

// Many callers, Sync and records that change all the time.
func TestRediscoveryIsForManyGoroutines(t *testing.T) {
	s := newSRVScenario(t, client.Config{SelectionMode: client.EndpointSelectionPrioritizeLeader}, srv(1, 1, "a.example.com."))
	s.members = membersReply("https://a.example.com:1", "https://m.example.com:1")
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for range 30 {
				switch i {
				case 0:
					s.dns.set(secureName, srv(1, 1, "b.example.com."))
					s.turn(false, "a")
					s.turn(true, "a", "b")
					s.dns.set(secureName, srv(1, 1, "a.example.com."))
					s.turn(false, "b")
				case 1:
					s.client.Sync(t.Context())
				default:
					s.get(t)
				}
			}
		})
	}
	wg.Wait()
	if len(s.client.Endpoints()) == 0 {
		t.Error("no endpoints are left")
	}
}
