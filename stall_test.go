package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/etcd/client"
)

var stopped = fakeAnswer{silent: true}

func TestStoppedEndpointIsLeft(t *testing.T) {
	// A fifth of 5 s to become suspicious, as much for the probe.
	within(t, 5*time.Second, 2*time.Second, func(t bubble) {
		s := newScenario(t.T, stopped, stopped, fakeAnswer{body: setReply})
		kapi := s.keys(t.T, "a", "b", "c")
		if _, err := kapi.Set(t.ctx, "/a", "1", nil); err != nil {
			t.Fatal(err)
		}
		// The next calls lose no time, and don't even ask.
		for range 10 {
			if _, err := kapi.Get(t.ctx, "/a", nil); err != nil {
				t.Fatal(err)
			}
		}
		asked := hosts(s.fakeTransport)
		if slices.Contains(asked[1:], asked[0]) {
			t.Errorf("asked %v", asked)
		}
	})
	// Without a deadline: the stall interval, twice.
	within(t, time.Hour, 4*time.Second, func(t bubble) {
		s := newScenario(t.T, stopped, stopped, fakeAnswer{body: setReply})
		if _, err := s.keys(t.T, "a", "b").Get(t.ctx, "/a", nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWriteOnAStoppedEndpointEndsWithUnknownOutcome(t *testing.T) {
	// Nothing is won by an early end: it is probed after a second, and the probe has
	// its 2 seconds.
	within(t, 5*time.Second, 3*time.Second, func(t bubble) {
		s := newScenario(t.T, stopped, stopped, fakeAnswer{body: setReply})
		_, err := s.keys(t.T, "a", "b").CreateInOrder(t.ctx, "/q", "1", nil)
		if !errors.Is(err, client.ErrOutcomeUnknown) || !errors.Is(err, client.ErrStalled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestSlowEndpointIsWaitedFor(t *testing.T) {
	within(t, time.Minute, 9*time.Second, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{after: 9 * time.Second, body: setReply}, fakeAnswer{body: healthy}, fakeAnswer{})
		if _, err := s.keys(t.T, "a", "b").CreateInOrder(t.ctx, "/q", "1", nil); err != nil {
			t.Fatal(err)
		}
		if n := len(s.probed()); n != 4 {
			t.Errorf("%d probes, want one every 2 s", n)
		}
	})
}

func TestNothingIsSentWhileRepliesComeInTime(t *testing.T) {
	within(t, time.Hour, 100*1900*time.Millisecond, func(t bubble) {
		index := 0
		s := newScenario(t.T, fakeAnswer{}, stopped, fakeAnswer{})
		s.answer = func(*http.Request) fakeAnswer {
			index++
			return fakeAnswer{after: 1900 * time.Millisecond, header: "X-Raft-Index: " + strconv.Itoa(index), body: setReply}
		}
		kapi := s.keys(t.T, "a", "b")
		for range 100 {
			if _, err := kapi.Get(t.ctx, "/a", nil); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(s.probed()); n != 0 {
			t.Errorf("%d probes", n)
		}
	})
}

func TestOneProbeForAllWhoWait(t *testing.T) {
	within(t, time.Hour, 4*time.Second, func(t bubble) {
		s := newScenario(t.T, stopped, stopped, fakeAnswer{body: setReply})
		kapi := s.keys(t.T, "a", "b")
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if _, err := kapi.Set(t.ctx, "/a", "1", nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		// One for /health, and one for /version when that is late; and one that
		// looks whether the other is there, before calls are sent to it.
		if n := len(s.probed()); n != 3 {
			t.Errorf("%d probes", n)
		}
	})
}

func TestStallGuardCanBeSwitchedOff(t *testing.T) {
	within(t, time.Minute, time.Minute, func(t bubble) {
		s := newScenario(t.T, stopped, stopped, fakeAnswer{body: setReply})
		c := newClientOf(t.T, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: s, StallInterval: -1})
		if _, err := client.NewKeysAPI(c).Get(t.ctx, "/a", nil); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := len(s.probed()); n != 0 {
			t.Errorf("%d probes", n)
		}
	})
}

func TestStallIntervalCanBeSet(t *testing.T) {
	within(t, time.Hour, 20*time.Second, func(t bubble) {
		s := newScenario(t.T, stopped, stopped, fakeAnswer{body: setReply})
		c := newClientOf(t.T, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: s, StallInterval: 10 * time.Second})
		if _, err := client.NewKeysAPI(c).Get(t.ctx, "/a", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestStallDetector_BodyPauses(t *testing.T) {
	const pause = 9 * time.Second
	slowBody := fakeAnswer{body: setReply, bodyAfter: pause}
	// The member is alive, and there is none to turn to: the body is waited for.
	within(t, time.Minute, pause, func(t bubble) {
		s := newScenario(t.T, slowBody, fakeAnswer{body: healthy}, fakeAnswer{})
		if _, err := s.keys(t.T, "a", "b").CreateInOrder(t.ctx, "/q", "1", nil); err != nil {
			t.Fatal(err)
		}
	})
	// A call that may be repeated is made elsewhere when half of the time is over.
	within(t, 5*time.Second, 2500*time.Millisecond, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{body: setReply[:20], stalls: true}, fakeAnswer{body: healthy}, fakeAnswer{body: setReply})
		if _, err := s.keys(t.T, "a", "b").Get(t.ctx, "/a", nil); err != nil {
			t.Fatal(err)
		}
	})
	// The only endpoint is asked again, on another connection, and then waited for.
	within(t, 5*time.Second, 5*time.Second, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{body: setReply[:20], stalls: true}, fakeAnswer{body: healthy}, fakeAnswer{})
		_, err := s.keys(t.T, "a").Get(t.ctx, "/a", nil)
		if !same(err, context.DeadlineExceeded) || len(s.seen()) != 2 {
			t.Errorf("got %v after %d requests", err, len(s.seen()))
		}
	})
	// The member is dead.
	within(t, time.Minute, 4*time.Second, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{body: setReply[:20], stalls: true}, stopped, fakeAnswer{})
		if _, err := s.keys(t.T, "a").Get(t.ctx, "/a", nil); !errors.Is(err, client.ErrStalled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestQuietWatchLeavesAStoppedMember(t *testing.T) {
	// 4 s of quiet are nothing unusual; then the probe has its 2 s.
	within(t, time.Minute, 6*time.Second, func(t bubble) {
		quiet := fakeAnswer{header: "X-Etcd-Index: 7", stalls: true}
		s := newScenario(t.T, quiet, stopped, eventAt(9))
		if _, err := s.keys(t.T, "a", "b").Watcher("/a", nil).Next(t.ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func TestQuietWatchStaysOnALivingMember(t *testing.T) {
	within(t, time.Minute, time.Minute, func(t bubble) {
		quiet := fakeAnswer{header: "X-Etcd-Index: 7", stalls: true}
		s := newScenario(t.T, quiet, fakeAnswer{body: healthy}, fakeAnswer{body: setReply})
		if _, err := s.keys(t.T, "a", "b").Watcher("/a", nil).Next(t.ctx); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := len(s.probed()); n > 15 {
			t.Errorf("%d probes in a minute", n)
		}
	})
}

func TestQuietWatchLeavesAMemberWithoutQuorum(t *testing.T) {
	quiet := fakeAnswer{header: "X-Etcd-Index: 7", stalls: true}
	for name, sick := range map[string]fakeAnswer{
		"503":    {status: http.StatusServiceUnavailable, body: `{"health":"false"}`},
		"bool":   {body: `{"health":false}`},
		"string": {body: `{"health": "false"}`},
	} {
		t.Run(name, func(t *testing.T) {
			within(t, time.Minute, 4*time.Second, func(t bubble) {
				s := newScenario(t.T, quiet, sick, eventAt(9))
				if _, err := s.keys(t.T, "a", "b", "c").Watcher("/a", nil).Next(t.ctx); err != nil {
					t.Fatal(err)
				}
			})
			// With nowhere to go it stays.
			within(t, time.Minute, time.Minute, func(t bubble) {
				s := newScenario(t.T, quiet, sick, fakeAnswer{})
				if _, err := s.keys(t.T, "a").Watcher("/a", nil).Next(t.ctx); !same(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if asked := hosts(s.fakeTransport); len(asked) != 1 {
					t.Errorf("asked %v", asked)
				}
			})
		})
	}
}

func TestWriteStaysOnAMemberWithoutQuorum(t *testing.T) {
	within(t, time.Minute, 7*time.Second, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{after: 7 * time.Second, body: setReply}, fakeAnswer{status: http.StatusServiceUnavailable}, fakeAnswer{})
		if _, err := s.keys(t.T, "a", "b").CreateInOrder(t.ctx, "/q", "1", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestFailover_DeadlinePasses(t *testing.T) {
	// No probe was answered in the time that one needs: the next call begins elsewhere.
	within(t, time.Minute, 2500*time.Millisecond, func(t bubble) {
		s := newScenario(t.T, stopped, stopped, fakeAnswer{body: setReply})
		kapi := s.keys(t.T, "a", "b")
		short, cancel := context.WithTimeout(t.ctx, 2500*time.Millisecond)
		defer cancel()
		if _, err := kapi.Create(short, "/a", "1"); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := kapi.Get(t.ctx, "/a", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestFailover_DeadlineOnASilentConnection(t *testing.T) {
	// The endpoint answers on new connections; that of the call may be dead, and
	// over HTTP/2 it would be the next call's, too.
	within(t, time.Minute, 5*time.Second, func(t bubble) {
		s := newScenario(t.T, stopped, fakeAnswer{body: healthy}, fakeAnswer{body: setReply})
		kapi := s.keys(t.T, "a", "b")
		short, cancel := context.WithTimeout(t.ctx, 5*time.Second)
		defer cancel()
		if _, err := kapi.Create(short, "/a", "1"); !same(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if _, err := kapi.Create(t.ctx, "/a", "1"); err != nil {
			t.Error(err)
		}
	})
}

// idleCloser counts how often idle connections are closed.
type idleCloser struct {
	*fakeTransport
	closed int
}

func (c *idleCloser) CloseIdleConnections() { c.closed++ }

// What swallowed one connection, a NAT that has forgotten it for instance, may have
// swallowed those to other endpoints as well: they are asked on new ones.
func TestFailover_NewConnectionBehindASilentOne(t *testing.T) {
	for _, tt := range []struct {
		name string
		took time.Duration
		call func(context.Context, client.KeysAPI) error
	}{
		{"Create, until its deadline", 4500 * time.Millisecond, func(ctx context.Context, kapi client.KeysAPI) error {
			ctx, cancel := context.WithTimeout(ctx, 4500*time.Millisecond)
			defer cancel()
			if _, err := kapi.Create(ctx, "/a", "1"); !same(err, context.DeadlineExceeded) {
				return fmt.Errorf("create: %w", err)
			}
			return nil
		}},
		{"Get, half of whose time is over", 2500 * time.Millisecond, func(ctx context.Context, kapi client.KeysAPI) error {
			_, err := kapi.Get(ctx, "/a", nil)
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			within(t, 5*time.Second, tt.took, func(t bubble) {
				s := newScenario(t.T, stopped, fakeAnswer{body: healthy}, fakeAnswer{body: setReply})
				transport := &idleCloser{fakeTransport: s.fakeTransport}
				if err := tt.call(t.ctx, client.NewKeysAPI(newClient(t.T, transport, "http://a", "http://b"))); err != nil {
					t.Error(err)
				}
				if transport.closed == 0 {
					t.Error("idle connections were left open")
				}
			})
		})
	}
}

func TestFailover_CallerCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var unhealthy int
		f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{after: time.Second, body: setReply} })
		c := newClientOf(t, client.Config{
			Endpoints: []string{"http://a", "http://b"}, Transport: f,
			Trace: &client.Trace{EndpointUnhealthy: func(client.HealthInfo) { unhealthy++ }},
		})
		kapi := client.NewKeysAPI(c)
		for range 100 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if _, err := kapi.Get(ctx, "/a", nil); !same(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
		}
		asked := hosts(f)
		if slices.Sort(asked); asked[0] != asked[99] || unhealthy != 0 {
			t.Errorf("asked %s to %s; %d times unhealthy", asked[0], asked[99], unhealthy)
		}
	})
}

func TestSuspectIsClearedByABackgroundProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScenario(t, fakeAnswer{notSent: true}, fakeAnswer{notSent: true}, fakeAnswer{body: setReply})
		kapi := s.keys(t, "a", "b")
		get := func() {
			t.Helper()
			if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		get()
		// The pause grows: looked at after 1 s, 2 s more, 4 s more, …
		for range 60 {
			<-time.After(time.Second)
			get()
		}
		if n := len(s.probed()); n != 5 {
			t.Errorf("%d probes of the unhealthy endpoint in a minute, want 5", n)
		}
		// No call but the first has paid for it.
		if n := len(s.seen()); n != 62 {
			t.Errorf("%d requests for 61 calls", n)
		}

		s.recover()
		<-time.After(time.Minute)
		get()
		before := len(s.probed())
		for range 60 {
			<-time.After(time.Second)
			get()
		}
		if n := len(s.probed()) - before; n != 0 {
			t.Errorf("%d probes of what is healthy again", n)
		}
	})
}

func TestSuspectsAreTriedWhenAllElseFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		f := newFakeTransport(t, func(*http.Request) fakeAnswer {
			if down {
				return fakeAnswer{notSent: true}
			}
			return fakeAnswer{body: setReply}
		})
		kapi := client.NewKeysAPI(newClient(t, f, "http://a", "http://b", "http://c"))
		for range 3 {
			_, err := kapi.Get(t.Context(), "/a", nil)
			if ce, ok := bare[*client.ClusterError](err); !ok || len(ce.Errors) != 3 {
				t.Fatalf("got %v, want the failures of all three", err)
			}
		}
		down = false
		if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestReadsLeaveAMemberWithoutQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stale := fakeAnswer{header: "X-Raft-Index: 7", body: setReply}
		sick := fakeAnswer{status: http.StatusServiceUnavailable, body: `{"health":"false"}`}
		s := newScenario(t, stale, sick, fakeAnswer{header: "X-Raft-Index: 9", body: setReply})
		kapi := s.keys(t, "a", "b")
		for range 30 {
			if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		asked := hosts(s.fakeTransport)
		if i := slices.IndexFunc(asked, func(host string) bool { return host != asked[0] }); i != 11 {
			t.Errorf("the first call elsewhere was number %d, want 11: %v", i, asked)
		}
		if slices.Contains(asked[11:], asked[0]) {
			t.Errorf("asked %v", asked)
		}

		// With nowhere to go they stay, and so they do in an idle cluster.
		for _, pulse := range []fakeAnswer{sick, {body: healthy}} {
			s = newScenario(t, stale, pulse, fakeAnswer{})
			kapi = s.keys(t, "a")
			for range 30 {
				if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
			}
			if n := len(s.probed()); n != 2 {
				t.Errorf("%d probes in 30 s, want 2", n)
			}
		}
	})
}

func TestOverdueAnswerIsSoughtElsewhere(t *testing.T) {
	alive := fakeAnswer{body: healthy}
	// A member has lost the request and will say so late: half of the time is for
	// the others.
	within(t, 5*time.Second, 2500*time.Millisecond, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{after: 6 * time.Second, status: 500}, alive, fakeAnswer{body: setReply})
		if _, err := s.keys(t.T, "a", "b", "c").Set(t.ctx, "/a", "1", nil); err != nil {
			t.Error(err)
		}
	})
	// Not for calls that may not be repeated: these wait.
	within(t, 5*time.Second, 4*time.Second, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{after: 4 * time.Second, body: setReply}, alive, fakeAnswer{})
		if _, err := s.keys(t.T, "a", "b").CreateInOrder(t.ctx, "/q", "1", nil); err != nil {
			t.Error(err)
		}
	})
	// Nor where there is nobody else.
	within(t, 5*time.Second, 4*time.Second, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{after: 4 * time.Second, body: setReply}, alive, fakeAnswer{})
		if _, err := s.keys(t.T, "a").Set(t.ctx, "/a", "1", nil); err != nil {
			t.Error(err)
		}
	})
	// When the others fail, it is asked once more.
	within(t, 5*time.Second, 4*time.Second, func(t bubble) {
		s := newScenario(t.T, fakeAnswer{after: 1500 * time.Millisecond, body: setReply}, alive, fakeAnswer{notSent: true})
		calls := 0
		answer := s.answer
		s.answer = func(req *http.Request) fakeAnswer {
			a := answer(req)
			if calls++; calls == 1 {
				a.after = time.Minute
			}
			return a
		}
		if _, err := s.keys(t.T, "a", "b", "c").Get(t.ctx, "/a", nil); err != nil {
			t.Error(err)
		}
	})
}

// ownWatch is a watch that a program makes itself, by Client.Do.
type ownWatch struct{}

// HTTPRequest implements client.HTTPAction.
func (ownWatch) HTTPRequest(ep url.URL) *http.Request {
	u := ep.JoinPath("v2/keys/a")
	u.RawQuery = "wait=true"
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil
	}
	return req
}

func TestWatchOfAProgramsOwnMayBeQuiet(t *testing.T) {
	within(t, time.Hour, time.Minute, func(t bubble) {
		quiet := eventAt(9)
		quiet.bodyAfter = time.Minute
		f := script(t.T, quiet)
		c := newClientOf(t.T, client.Config{Endpoints: []string{"http://a"}, Transport: f, HeaderTimeoutPerRequest: time.Second})
		if _, body, err := c.Do(t.ctx, ownWatch{}); err != nil || len(body) == 0 {
			t.Errorf("got %q, %v", body, err)
		}
	})
}
