package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// keysServer answers with the key that was asked for; keys that begin with /hang
// are not answered until the caller goes away.
func keysServer(t *testing.T) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := strings.TrimPrefix(r.URL.Path, "/v2/keys")
		switch {
		case r.URL.Path == "/health":
			_, _ = w.Write([]byte(`{"health":"true"}`))
		case strings.HasPrefix(key, "/hang"):
			<-r.Context().Done()
		default:
			w.Header().Set("X-Etcd-Index", "7")
			_, _ = fmt.Fprintf(w, `{"action":"get","node":{"key":%q,"value":%q,"modifiedIndex":7,"createdIndex":7}}`, key, key)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// What ends one call must not end another, though the means to it are used again.
func TestCallsEndByThemselves(t *testing.T) {
	server := keysServer(t)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	kapi := client.NewKeysAPI(newClientOf(t, client.Config{
		Endpoints: []string{server.URL}, Transport: transport, StallInterval: 5 * time.Millisecond, HeaderTimeoutPerRequest: time.Minute,
	}))
	calls := 400
	if testing.Short() {
		calls = 50
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := range calls {
				key := fmt.Sprintf("/k%d-%d", i, n)
				resp, err := kapi.Get(t.Context(), key, nil)
				if errors.Is(err, client.ErrStalled) {
					continue // this machine is too busy to answer a probe: its own end
				}
				if err != nil || resp.Node.Key != key || resp.Node.Value != key {
					t.Errorf("%s: got %+v, %v", key, resp, err)
					return
				}
			}
		})
	}
	for i := range 4 {
		wg.Go(func() {
			for n := range calls / 10 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n%8)*time.Millisecond)
				_, err := kapi.Get(ctx, fmt.Sprintf("/hang%d-%d", i, n), nil)
				if !same(err, context.DeadlineExceeded) {
					t.Errorf("a call that is not answered: %v", err)
				}
				ctx, cancelled := context.WithCancelCause(ctx)
				cancelled(errors.New("not to be seen"))
				cancel()
				if _, err = kapi.Get(ctx, "/k", nil); !same(err, ctx.Err()) {
					t.Errorf("a call with a context that has ended: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

// waitingStacks counts the goroutines of connections and watches, those of other
// tests included that are about to end.
func waitingStacks(t *testing.T) (n int) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "propagateCancel.func") {
			t.Errorf("a goroutine waits for the end of a context:\n%s", stack)
		}
		if strings.Contains(stack, "net/http.(*persistConn)") || strings.Contains(stack, "client.(*httpWatcher)") {
			n++
		}
	}
	return n
}

// A watch that waits is the caller's goroutine and the two of net/http's
// connection, and no call has one more.
func TestGoroutinesOnRealConnections(t *testing.T) {
	server := keysServer(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	kapi := client.NewKeysAPI(newClientOf(t, client.Config{Endpoints: []string{server.URL}, Transport: transport}))
	before := waitingStacks(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wrote := make(chan struct{})
	var once sync.Once
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(func() { close(wrote) }) }})
	done := make(chan error, 1)
	go func() {
		_, err := kapi.Watcher("/hang", nil).Next(traced)
		done <- err
	}()
	<-wrote
	if waiting := waitingStacks(t) - before; waiting > 3 {
		t.Errorf("%d goroutines for a watch", waiting)
	}
	cancel()
	if err := <-done; !same(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

// Hooks that the caller has in the context are called as those of net/http are.
func TestHooksOfTheCaller(t *testing.T) {
	server := keysServer(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	kapi := client.NewKeysAPI(newClientOf(t, client.Config{Endpoints: []string{server.URL}, Transport: transport}))
	var wants, gets, firsts atomic.Int32
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GetConn:              func(string) { wants.Add(1) },
		GotConn:              func(httptrace.GotConnInfo) { gets.Add(1) },
		GotFirstResponseByte: func() { firsts.Add(1) },
	})
	for range 3 {
		if _, err := kapi.Get(ctx, "/k", nil); err != nil {
			t.Fatal(err)
		}
	}
	if wants.Load() != 3 || gets.Load() != 3 || firsts.Load() != 3 {
		t.Errorf("%d, %d and %d calls of the hooks in 3 requests", wants.Load(), gets.Load(), firsts.Load())
	}
	if _, err := kapi.Get(t.Context(), "/k", nil); err != nil || wants.Load() != 3 {
		t.Errorf("a call without hooks: %v, calls the hooks of one before", err)
	}
}
