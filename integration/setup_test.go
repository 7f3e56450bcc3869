// Package integration shows what the client does against real etcd servers.
//
// Every test runs on each server of [harness.Servers], from outside
// of the client.
package integration

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// callTimeout bounds the calls of one test, so that a hang is a failure.
const callTimeout = 30 * time.Second

// sideBySide is how many of the tests that mostly wait run at a time, unless
// -parallel says.
const sideBySide = 6

func TestMain(m *testing.M) { harness.Main(m, sideBySide) }

// newClient returns a client of cfg, with a bound on the calls of the test.
func newClient(t *testing.T, cfg client.Config) (client.Client, context.Context) {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	t.Cleanup(cancel)
	return c, ctx
}

// newKeys returns the keys API of a default client of the cluster.
func newKeys(t *testing.T, c *harness.Cluster) (client.KeysAPI, context.Context) {
	t.Helper()
	cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints()})
	return client.NewKeysAPI(cl), ctx
}

// must fails the test for an error, and returns the value else.
func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// mustResponse is must for the keys API.
func mustResponse(t *testing.T, resp *client.Response, err error) *client.Response {
	t.Helper()
	return must[*client.Response](t)(resp, err)
}

// ignoreMoments leaves out of a comparison what differs from run to run.
func ignoreMoments() cmp.Option {
	return cmp.Options{
		cmpopts.IgnoreFields(client.Node{}, "CreatedIndex", "ModifiedIndex", "Expiration"),
		cmpopts.IgnoreFields(client.Response{}, "Index", "ClusterID"),
		cmpopts.EquateEmpty(),
	}
}

// wantResponse compares what etcd recorded, moments aside.
func wantResponse(t *testing.T, got *client.Response, want client.Response) {
	t.Helper()
	if diff := cmp.Diff(&want, got, ignoreMoments()); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}

// wantKeysError checks that err is a bare client.Error with all that the server said.
func wantKeysError(t *testing.T, c *harness.Cluster, err error, code, status int, cause string) {
	t.Helper()
	got, ok := bareError(err)
	if !ok {
		t.Errorf("got %T (%v), want a client.Error with code %d", err, err, code)
		return
	}
	if got.Code != code || got.StatusCode != status || got.Cause != cause || got.Message == "" {
		t.Errorf("got code %d, status %d, cause %q, message %q; want code %d, status %d, cause %q",
			got.Code, got.StatusCode, got.Cause, got.Message, code, status, cause)
	}
	if c.MemberAt(got.Endpoint) == nil {
		t.Errorf("endpoint %q is none of %q", got.Endpoint, c.Endpoints())
	}
	if got.Index == 0 && code != client.ErrorCodeUnauthorized {
		t.Error("the index is missing")
	}
}

// bareError is the assertion that programs written for this API make.
func bareError(err error) (client.Error, bool) {
	e, ok := err.(client.Error) //nolint:errorlint // The contract: returned by value, never wrapped.
	return e, ok
}

// isBare reports whether err is the target itself.
func isBare(err, target error) bool {
	return err == target //nolint:errorlint // The contract: context errors are returned as they are.
}

// wantReplyError checks that err is what a members or auth handler said.
func wantReplyError(t *testing.T, c *harness.Cluster, err error, status int, message string) {
	t.Helper()
	var reply *client.ReplyError
	if !errors.As(err, &reply) {
		t.Errorf("got %T (%v), want a *client.ReplyError with status %d", err, err, status)
		return
	}
	if reply.StatusCode != status || !strings.Contains(reply.Message+reply.Body, message) {
		t.Errorf("got %+v, want status %d and message %q", reply, status, message)
	}
	if c.MemberAt(reply.Endpoint) == nil {
		t.Errorf("endpoint %q is none of %q", reply.Endpoint, c.Endpoints())
	}
}

// An exchange is one request and the reply it got.
type exchange struct {
	method, endpoint, path, query string
	proto                         string // of the reply; empty when there was none
}

// A recorder is a transport that writes down every exchange.
type recorder struct {
	base *http.Transport

	mu        sync.Mutex // guards the fields below
	exchanges []exchange
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return &recorder{base: base}
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	e := exchange{
		method: req.Method, endpoint: req.URL.Scheme + "://" + req.URL.Host,
		path: req.URL.Path, query: req.URL.RawQuery,
	}
	resp, err := r.base.RoundTrip(req)
	if err == nil {
		e.proto = resp.Proto
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, e)
	return resp, err
}

// keys returns the exchanges with the keys API, oldest first.
func (r *recorder) keys() []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.exchanges)
	return slices.DeleteFunc(all, func(e exchange) bool { return !strings.HasPrefix(e.path, "/v2/keys") })
}

// pinned returns the endpoint that last answered a request for keys.
func (r *recorder) pinned(t *testing.T) string {
	t.Helper()
	answered := slices.DeleteFunc(r.keys(), func(e exchange) bool { return e.proto == "" })
	if len(answered) == 0 {
		t.Fatal("no request for keys was answered")
	}
	return answered[len(answered)-1].endpoint
}

// waitWatches waits until the servers have taken n long polls.
func (r *recorder) waitWatches(t *testing.T, n int) {
	t.Helper()
	harness.WaitFor(t, callTimeout, func() error {
		if r.polls() < n {
			return errors.New("too few long polls")
		}
		return nil
	})
}

// polls returns how many long polls the servers have taken.
func (r *recorder) polls() int {
	return len(slices.DeleteFunc(r.keys(), func(e exchange) bool {
		return e.proto == "" || !strings.Contains(e.query, "wait=true")
	}))
}
