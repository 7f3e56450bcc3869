package client_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/coreos/etcd/client"
)

// naming is a Trace that writes down who was told, by name.
func (w *witness) naming(name string) *client.Trace {
	return &client.Trace{
		AttemptStart:      func(a client.AttemptInfo) { w.say("%s start %d", name, a.Number) },
		AttemptDone:       func(r client.AttemptResult) { w.say("%s %s %d", name, r.Verdict, r.Number) },
		EndpointUnhealthy: func(client.HealthInfo) { w.say("%s unhealthy", name) },
		EndpointHealthy:   func(client.HealthInfo) { w.say("%s clear", name) },
		ProbeDone:         func(client.ProbeInfo) { w.say("%s probe", name) },
		WatchRestarted:    func(client.WatchRestartInfo) { w.say("%s restart", name) },
		SyncDone:          func(client.SyncInfo) { w.say("%s sync", name) },
	}
}

func TestTracesOfAContext(t *testing.T) {
	var w witness
	f := script(t, fakeAnswer{status: 503}, fakeAnswer{body: setReply}, fakeAnswer{body: setReply})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: f, Trace: w.naming("config")})
	outer := client.WithTrace(t.Context(), w.naming("outer"))
	inner := client.WithTrace(client.WithTrace(outer, nil), w.naming("inner"))
	client.WithTrace(outer, w.naming("nobody's")) // must not be seen by inner
	kapi := client.NewKeysAPI(c)
	if _, err := kapi.Get(inner, "/a", nil); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"config start 1", "outer start 1", "inner start 1",
		"config next 1", "outer next 1", "inner next 1",
		"config unhealthy", "outer unhealthy", "inner unhealthy",
		"config start 2", "outer start 2", "inner start 2",
		"config answered 2", "outer answered 2", "inner answered 2",
	}
	wantLines(t, w.seen(), want...)
	if _, err := kapi.Get(t.Context(), "/a", nil); err != nil {
		t.Fatal(err)
	}
	wantLines(t, w.seen(), append(want, "config start 1", "config answered 1")...)
	if client.WithTrace(outer, nil) != outer {
		t.Error("a nil trace makes a context")
	}
}

// What a context is told: its own calls, not the probes, which are shared.
func TestTraceOfAContextOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w witness
		f := script(t, fakeAnswer{notSent: true}, fakeAnswer{body: membersReply("http://a")}, fakeAnswer{notSent: true}, streamAt(7, 9))
		c := newClient(t, f, "http://a")
		ctx := client.WithTrace(t.Context(), w.naming("mine"))
		if err := c.Sync(ctx); err == nil {
			t.Error("Sync of nobody succeeded")
		}
		if err := c.Sync(ctx); err != nil {
			t.Error(err)
		}
		if got, err := follow(ctx, client.NewKeysAPI(&countingClient{Client: c}), 1, nil); err != nil || len(got) != 1 {
			t.Errorf("got %v, %v", got, err)
		}
		wantLines(t, w.seen(), "mine start 1", "mine next 1", "mine unhealthy", "mine sync",
			"mine start 1", "mine answered 1", "mine clear", "mine sync",
			"mine start 1", "mine next 1", "mine unhealthy", "mine restart",
			"mine start 1", "mine cancelled 1")
	})
}

// A KeysAPI of the caller's own has no Config.Trace; its context has.
func TestTraceOfEventsOnAnyKeysAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w witness
		ctx := client.WithTrace(t.Context(), w.trace())
		kapi := &scriptedKeys{nodes: []any{
			&client.ClusterError{Errors: []error{client.ErrStalled}},
			&client.Response{Action: "set", Node: &client.Node{Key: "/a", ModifiedIndex: 8}},
		}}
		for _, err := range client.Events(ctx, kapi, "/a b/../c", nil) {
			if err != nil {
				t.Error(err)
			}
			break
		}
		// What follows is of the end of the script, which is read ahead.
		if seen := w.seen(); len(seen) == 0 || !strings.HasPrefix(seen[0], "restart /a b/../c after 50ms: client: etcd cluster is unavailable") {
			t.Errorf("called with %q", seen)
		}
	})
}

func TestTraceHasNoHooksToCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScenario(t, stopped, stopped, fakeAnswer{body: setReply})
		c := newClientOf(t, client.Config{Endpoints: []string{"http://a", "http://b"}, Transport: s, Trace: &client.Trace{}})
		ctx := client.WithTrace(t.Context(), &client.Trace{})
		if _, err := client.NewKeysAPI(c).Get(ctx, "/a", nil); err != nil {
			t.Error(err)
		}
		if err := c.Sync(ctx); err == nil {
			t.Error("there are no members")
		}
	})
}

// What has been copied can't be changed under a call.
func TestTraceOfTheConfigIsCopied(t *testing.T) {
	var w witness
	trace := w.naming("config")
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: script(t, fakeAnswer{body: setReply}), Trace: trace})
	*trace = client.Trace{}
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Error(err)
	}
	wantLines(t, w.seen(), "config start 1", "config answered 1")
}

// The path is what an action asks for, below the endpoint's own; its query is not
// shown.
func TestTraceNamesMethodAndPath(t *testing.T) {
	var w witness
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if strings.Contains(req.URL.Path, "/auth/") {
			return fakeAnswer{body: `{"user":"joe","roles":null}`}
		}
		return fakeAnswer{body: setReply}
	})
	c := newClientOf(t, client.Config{Endpoints: []string{"http://joe:secret@etcd/base"}, Transport: f, Trace: w.trace()})
	kapi := client.NewKeysAPI(c)
	calls := []func(context.Context) error{
		func(ctx context.Context) error {
			_, err := kapi.Set(ctx, "/a b/ключ", "secret", &client.SetOptions{PrevValue: "secret"})
			return err
		},
		func(ctx context.Context) error {
			_, err := kapi.Watcher("/a", &client.WatcherOptions{AfterIndex: 3}).Next(ctx)
			return err
		},
		func(ctx context.Context) error {
			_, _, err := c.Do(ctx, ownWatch{})
			return err
		},
		func(ctx context.Context) error {
			_, _, err := c.Do(ctx, foreignAction{method: "", path: "/own"})
			return err
		},
		func(ctx context.Context) error { return client.NewAuthUserAPI(c).AddUser(ctx, "joe", "secret") },
	}
	for _, call := range calls {
		if err := call(t.Context()); err != nil {
			t.Error(err)
		}
	}
	starts := slices.DeleteFunc(w.seen(), func(line string) bool { return strings.Contains(line, "answered") })
	wantLines(t, starts,
		"1. PUT http://etcd/base /v2/keys/a%20b/%D0%BA%D0%BB%D1%8E%D1%87 at-most-once",
		"1. GET http://etcd/base /v2/keys/a read poll",
		"1. GET http://etcd/base /v2/keys/a read poll",
		"1. GET http://etcd/base /own read",
		"1. PUT http://etcd/base /v2/auth/users/joe at-most-once",
	)
	if all := fmt.Sprint(w.seen()); strings.Contains(all, "secret") {
		t.Errorf("told %s", all)
	}
}

// Hooks are called by whoever makes a call, all at once; run it with -race.
func TestTraceIsForManyGoroutines(t *testing.T) {
	var w witness
	var list memberList
	list.set("http://a http://b")
	c := newClientOf(t, client.Config{Endpoints: []string{"http://a"}, Transport: newFakeTransport(t, list.answer), Trace: w.trace()})
	kapi := client.NewKeysAPI(c)
	const goroutines, calls = 8, 50
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			var mine witness
			ctx := client.WithTrace(t.Context(), mine.trace())
			for i := range calls {
				if i%10 == 0 {
					if err := c.Sync(ctx); err != nil {
						t.Error(err)
					}
				}
				if _, err := kapi.Get(ctx, "/a", nil); err != nil {
					t.Error(err)
				}
				if _, ok := client.StatsOf(c); !ok {
					t.Error("there are no stats")
				}
			}
			// For each Get two lines, for each Sync three.
			if got, want := len(mine.seen()), 2*calls+3*calls/10; got != want {
				t.Errorf("a context was told %d times of its calls, want %d", got, want)
			}
		})
	}
	wg.Wait()
	if s, _ := client.StatsOf(c); s.Attempts != goroutines*(calls+calls/10) || s.Answered != s.Attempts || s.Calls != s.Attempts || s.Syncs != goroutines*calls/10 {
		t.Errorf("got %+v", s)
	}
}
