package harness_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/etcd/client/integration/harness"
)

// startLink starts a link before servers that answer with their number.
func startLink(t *testing.T, servers int, l harness.Link) *harness.Proxy {
	t.Helper()
	for i := range servers {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte{byte('0' + i)})
		}))
		t.Cleanup(s.Close)
		l.Targets = append(l.Targets, s.Listener.Addr().String())
	}
	p, err := harness.StartLink(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// ask returns the body of the answer that comes over the client's connection.
func ask(c *http.Client, addr string) (string, error) {
	resp, err := c.Get("http://" + addr)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// newConnClient returns a client whose connections are counted.
func newConnClient(t *testing.T, timeout time.Duration) (*http.Client, *atomic.Int64) {
	t.Helper()
	dials := &atomic.Int64{}
	transport := &http.Transport{Dial: func(network, addr string) (net.Conn, error) { //nolint:staticcheck // no context here
		dials.Add(1)
		return net.Dial(network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: timeout}, dials
}

func TestLink_RoundRobin(t *testing.T) {
	p := startLink(t, 3, harness.Link{})
	var got strings.Builder
	for range 6 {
		c, _ := newConnClient(t, 10*time.Second)
		body, err := ask(c, p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString(body)
	}
	if got.String() != "012012" {
		t.Errorf("answered by %s", got.String())
	}
}

func TestLink_Delay(t *testing.T) {
	p := startLink(t, 1, harness.Link{Delay: 75 * time.Millisecond})
	c, _ := newConnClient(t, 10*time.Second)
	for i, least := range []time.Duration{300 * time.Millisecond, 150 * time.Millisecond} {
		began := time.Now()
		if _, err := ask(c, p.Addr()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < least || took > least+5*time.Second {
			t.Errorf("request %d took %v, want %v", i+1, took, least)
		}
	}
}

func TestLink_IdleTimeout(t *testing.T) {
	p := startLink(t, 1, harness.Link{IdleTimeout: 200 * time.Millisecond})
	c, dials := newConnClient(t, 10*time.Second)
	for range 2 {
		if _, err := ask(c, p.Addr()); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
	}
	if dials.Load() != 2 {
		t.Errorf("%d connections, want 2", dials.Load())
	}
}

func TestLink_SwallowAfter(t *testing.T) {
	p := startLink(t, 1, harness.Link{SwallowAfter: 500 * time.Millisecond})
	c, _ := newConnClient(t, 300*time.Millisecond)
	if _, err := ask(c, p.Addr()); err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Second)
	if body, err := ask(c, p.Addr()); err == nil {
		t.Errorf("the old connection answered %q", body)
	}
	if _, err := ask(c, p.Addr()); err != nil {
		t.Errorf("a new connection: %v", err)
	}
}

func TestGateway_Answer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Etcd-Index", "7")
		_, _ = io.WriteString(w, "passed on")
	}))
	t.Cleanup(server.Close)
	g, err := harness.StartGateway(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	get := func() (int, string, string) {
		resp, err := http.Get(g.URL())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body), resp.Header.Get("X-Etcd-Index")
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	if status, body, index := get(); status != http.StatusOK || body != "passed on" || index != "7" {
		t.Errorf("got %d %q, index %q", status, body, index)
	}
	g.DropHeaders("X-Etcd-Index")
	if _, _, index := get(); index != "" {
		t.Errorf("the index %q is passed on", index)
	}
	g.Answer(http.StatusRequestTimeout)
	if status, body, _ := get(); status != http.StatusRequestTimeout || !strings.Contains(body, "<h1>408 Request Timeout</h1>") {
		t.Errorf("got %d %q", status, body)
	}
}
