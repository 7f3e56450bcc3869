package client_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coreos/etcd/client"
)

// socketFaults are faults of real connections. sent tells whether the request
// got out before.
var socketFaults = []struct {
	name string
	sent bool
	say  string // before the connection is reset
}{
	{name: "closed port"},
	{name: "reset before the header", sent: true},
	{name: "reset mid-body", sent: true, say: "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"},
}

// TestContractOverSockets is TestContract's core with the transport of net/http
// and real connections: what counts as sent there is what really was.
func TestContractOverSockets(t *testing.T) {
	for _, m := range contractMethods {
		for _, f := range socketFaults {
			t.Run(m.name+"/"+f.name, func(t *testing.T) {
				faulty, faultyAsked := closedPort(t), new(atomic.Int32)
				if f.sent {
					faulty, faultyAsked = resettingServer(t, f.say)
				}
				healthy, healthyAsked := healthyServer(t, m)
				transport := &http.Transport{}
				t.Cleanup(transport.CloseIdleConnections)
				// The pin stays where it was when endpoints are added, so the
				// faulty one comes first.
				c := newClient(t, transport, faulty)
				if err := c.SetEndpoints([]string{faulty, healthy}); err != nil {
					t.Fatal(err)
				}
				got, err := m.call(t.Context(), c)

				done, wantFaulty, wantHealthy := notSent, int32(0), int32(1)
				if f.sent {
					done, wantFaulty = lost, 1
				}
				if failureModel[done][m.class] == stops {
					wantHealthy = 0
					var ce *client.ClusterError
					if !errors.As(err, &ce) || !errors.Is(err, client.ErrOutcomeUnknown) || len(ce.Attempts) != 1 || !ce.Attempts[0].Sent {
						t.Errorf("error %#v, want an unknown outcome", err)
					}
				} else if err != nil || isNil(got) {
					t.Errorf("value %v, error %v", got, err)
				}
				if a, b := faultyAsked.Load(), healthyAsked.Load(); a != wantFaulty || b != wantHealthy {
					t.Errorf("the faulty server saw %d requests, the healthy one %d, want %d and %d", a, b, wantFaulty, wantHealthy)
				}
			})
		}
	}
}

// closedPort is an endpoint where nobody listens. A connection holds the port,
// so that nobody else begins to listen there meanwhile.
func closedPort(t *testing.T) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return fmt.Sprintf("http://%s/base", conn.LocalAddr())
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// resettingServer reads one request of each connection, says what it has to say
// and resets the connection. It counts the requests.
func resettingServer(t *testing.T, say string) (string, *atomic.Int32) {
	t.Helper()
	l := listen(t)
	var asked atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed by the cleanup
			}
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				asked.Add(1)
			}
			conn.Write([]byte(say))
			conn.(*net.TCPConn).SetLinger(0) // Close resets
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return fmt.Sprintf("http://%s/base", l.Addr()), &asked
}

// healthyServer returns the good answer of m below its base path, and counts.
func healthyServer(t *testing.T, m contractMethod) (string, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if isProbe(req.Header) {
			w.Write([]byte(healthy))
			return
		}
		asked.Add(1)
		if !strings.HasPrefix(req.URL.Path, "/base/") {
			http.NotFound(w, req)
			return
		}
		for line := range strings.SplitSeq(m.good.header, "\n") {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		if m.good.status != 0 {
			w.WriteHeader(m.good.status)
		}
		// What Sync adopts must be there.
		w.Write([]byte(strings.ReplaceAll(m.good.body, "https://one", "http://"+req.Host)))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/base", &asked
}
