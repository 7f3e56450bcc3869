package client_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// What ends one call must not end another, over TCP as over sockets, though the
// means to it are used again.
func TestCallsOfOwnTransportsEndByThemselves(t *testing.T) {
	dir := socketDir(t)
	answer := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/v2/keys/hang" {
			<-req.Context().Done()
			return
		}
		fmt.Fprintf(w, `{"action":"get","node":{"key":%q,"value":"1"}}`, req.URL.Path)
	}
	serveAt(t, dir+"/etcd", answer)
	tcp := httptest.NewServer(http.HandlerFunc(answer))
	defer tcp.Close()
	for _, endpoint := range []string{tcp.URL, "unix://" + dir + "/etcd"} {
		kapi := client.NewKeysAPI(newClient(t, newTransport(t, client.TransportOptions{}), endpoint))
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for n := range 40 {
					key := fmt.Sprintf("/k%d-%d", i, n)
					if resp, err := kapi.Get(t.Context(), key, nil); err != nil || resp.Node.Key != "/v2/keys"+key {
						t.Errorf("%s: got %+v, %v", key, resp, err)
					}
				}
			})
			all.Go(func() {
				for range 10 {
					ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
					if _, err := kapi.Get(ctx, "/hang", nil); !same(err, context.DeadlineExceeded) {
						t.Errorf("a call that is not answered: %v", err)
					}
					cancel()
				}
			})
		}
		all.Wait()
	}
}

// Whether an endpoint is alive is asked on a connection of its own: one that was
// kept may be dead while the server is not.
func TestProbesOfOwnTransportsTakeAFreshConnection(t *testing.T) {
	known, probed := make(chan string, 10), make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/health":
			probed <- req.RemoteAddr
			io.WriteString(w, healthy)
		case "/v2/keys/hang":
			<-req.Context().Done()
		default:
			known <- req.RemoteAddr
			io.WriteString(w, setReply)
		}
	}))
	defer server.Close()
	kapi := client.NewKeysAPI(newClientOf(t, client.Config{
		Endpoints: []string{server.URL}, Transport: newTransport(t, client.TransportOptions{}), StallInterval: 20 * time.Millisecond,
	}))
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { kapi.Get(ctx, "/hang", nil) }) // takes a connection
	first := <-probed
	if _, err := kapi.Get(t.Context(), "/a", nil); err != nil { // leaves one idle
		t.Error(err)
	}
	if kept, second := <-known, <-probed; kept == second || first == second {
		t.Errorf("probes came from %s and %s, a call from %s", first, second, kept)
	}
	cancel()
	all.Wait()
}
