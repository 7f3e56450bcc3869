package concurrency_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/concurrency"
	"github.com/coreos/etcd/client/internal/keystest"
)

func TestErrorsSayWhatHappened(t *testing.T) {
	for want, err := range map[string]error{
		`concurrency: the session has ended: "/k": the session was closed`:                           &concurrency.SessionError{Key: "/k", Reason: concurrency.ErrClosed},
		`concurrency: the session has ended: "/k": the key is gone, or is another's: 100: m (c) [1]`: &concurrency.SessionError{Key: "/k", Reason: concurrency.ErrKeyLost, Err: client.Error{Code: 100, Message: "m", Cause: "c", Index: 1}},
		`concurrency: the session has ended: "": <nil>`:                                              &concurrency.SessionError{},
		`concurrency: lock "/k": 110: m (c) [1]`:                                                     &concurrency.OpError{Op: "lock", Key: "/k", Err: client.Error{Code: 110, Message: "m", Cause: "c", Index: 1}},
	} {
		if got := err.Error(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// answering is a KeysAPI that answers reads with an error, at first.
type answering struct {
	*keystest.Store
	err   error
	times int
}

func (a *answering) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	if a.times--; a.times >= 0 {
		return nil, a.err
	}
	return a.Store.Get(ctx, key, opts)
}

// What can pass is asked again, and what can't is told at once.
func TestWhichAnswersAreFinal(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		final bool
	}{
		"unauthorized":         {client.Error{Code: client.ErrorCodeUnauthorized}, true},
		"no decision":          {client.Error{Code: client.ErrorCodeRaftInternal}, false},
		"unavailable":          {&client.ClusterError{Errors: []error{client.Error{Code: client.ErrorCodeUnauthorized}}}, false},
		"forbidden by a proxy": {&client.ReplyError{StatusCode: http.StatusForbidden}, true},
		"a proxy's timeout":    {&client.ReplyError{StatusCode: http.StatusGatewayTimeout}, false},
		"too many requests":    {&client.ReplyError{StatusCode: http.StatusTooManyRequests}, false},
		"a fake's own":         {errors.New("try again"), false},
		"nothing at all":       {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kapi := &answering{Store: keystest.New(), err: test.err, times: 3}
				m := concurrency.NewMutex(begin(t, kapi, "a", 30), "/lock")
				err := m.Lock(t.Context())
				if !test.final {
					must(t, err)
					return
				}
				var op *concurrency.OpError
				if !errors.As(err, &op) || !errors.Is(err, test.err) || kapi.times != 2 {
					t.Errorf("%v after %d reads", err, 3-kapi.times)
				}
				if keys := keysBelow(kapi.Store, "/lock"); test.final && len(keys) > 0 {
					t.Errorf("left: %v", keys)
				}
			})
		})
	}
}

// prefixed is a KeysAPI below /app, whose Responses say what the server says.
type prefixed struct{ client.KeysAPI }

func (p prefixed) Get(ctx context.Context, key string, opts *client.GetOptions) (*client.Response, error) {
	return p.KeysAPI.Get(ctx, "/app"+key, opts)
}

func (p prefixed) Set(ctx context.Context, key, value string, opts *client.SetOptions) (*client.Response, error) {
	return p.KeysAPI.Set(ctx, "/app"+key, value, opts)
}

func (p prefixed) Delete(ctx context.Context, key string, opts *client.DeleteOptions) (*client.Response, error) {
	return p.KeysAPI.Delete(ctx, "/app"+key, opts)
}

func (p prefixed) CreateInOrder(ctx context.Context, dir, value string, opts *client.CreateInOrderOptions) (*client.Response, error) {
	return p.KeysAPI.CreateInOrder(ctx, "/app"+dir, value, opts)
}

func (p prefixed) Watcher(key string, opts *client.WatcherOptions) client.Watcher {
	return p.KeysAPI.Watcher("/app"+key, opts)
}

// A KeysAPI with a prefix has keys in its Responses that it does not take itself.
func TestKeysAPIWithPrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := keystest.New()
		s := begin(t, prefixed{store}, "a", 30)
		a, b := concurrency.NewElection(s, "/leader"), concurrency.NewElection(s, "/leader")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := b.Observe(ctx)
		must(t, a.Campaign(t.Context(), "a"))
		if r := <-seen; r.Node.Value != "a" {
			t.Errorf("Observe shows %q", r.Node.Value)
		}
		elected := make(chan error, 1)
		go func() { elected <- b.Campaign(context.Background(), "b") }()
		synctest.Wait()
		must(t, a.Proclaim(t.Context(), "a2"))
		if r := <-seen; r.Node.Value != "a2" {
			t.Errorf("Observe shows %q", r.Node.Value)
		}
		must(t, a.Resign(t.Context()))
		must(t, <-elected)
		if r := <-seen; r.Node.Value != "b" {
			t.Errorf("Observe shows %q", r.Node.Value)
		}
		if find(store, "/app"+b.Key()) == nil {
			t.Errorf("%s is not below the prefix", b.Key())
		}
		must(t, s.Close())
		if left := keysBelow(store, "/app"); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}
