package client_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/client"
)

// visit is a request as a server saw it.
type visit struct{ proto, host, serverName string }

// namedServer is an etcd over TLS, in example.com by records and addresses of a
// DNS server, and a transport that finds it there.
type namedServer struct {
	dns       *dnsServer
	port      int
	transport *http.Transport

	mu     sync.Mutex // guards the fields below
	dialed []string
	visits []visit
}

func newNamedServer(t *testing.T, http2 bool) *namedServer {
	t.Helper()
	n := &namedServer{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.visits = append(n.visits, visit{r.Proto, r.Host, r.TLS.ServerName})
		fmt.Fprint(w, setReply)
	}))
	server.EnableHTTP2 = http2
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are to fail
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if n.port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	// The test certificate of net/http is for example.com.
	n.dns = serveDNS(t, srvRecords{secureName: {srv(0, uint16(n.port), "example.com.")}})
	n.dns.setHost("example.com")

	dialer := &net.Dialer{Resolver: n.dns.resolver()}
	n.transport = server.Client().Transport.(*http.Transport).Clone()
	n.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		n.mu.Lock()
		n.dialed = append(n.dialed, address)
		n.mu.Unlock()
		return dialer.DialContext(ctx, network, address)
	}
	t.Cleanup(n.transport.CloseIdleConnections)
	return n
}

// seen returns what was dialled, and what came.
func (n *namedServer) seen() ([]string, []visit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.dialed), slices.Clone(n.visits)
}

// The absolute name is dialled; the name without its dot is what is verified, and
// what Host and SNI say.
func TestAbsoluteNamesAreDialledAndSentWithoutTheDot(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		n := newNamedServer(t, http2)
		c, err := client.NewFromSRV(t.Context(), client.SRV{Domain: "example.com"}, client.Config{Transport: n.transport, Username: "root", Password: "pw"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
			t.Fatal(err)
		}
		want := visit{"HTTP/1.1", "example.com:" + strconv.Itoa(n.port), "example.com"}
		if http2 {
			want.proto = "HTTP/2.0"
		}
		if dialed, visits := n.seen(); !slices.Equal(visits, []visit{want}) || !slices.Equal(dialed, []string{"example.com.:" + strconv.Itoa(n.port)}) {
			t.Errorf("dialled %q, the server saw %+v, want %+v", dialed, visits, want)
		}
		if names := n.dns.names(); !slices.Equal(names, []string{secureName, "example.com"}) {
			t.Errorf("asked for %q", names)
		}
	}
}

// A target that is not the name of the certificate is not sent anything.
func TestTargetWithoutACertificateGetsNothing(t *testing.T) {
	n := newNamedServer(t, true)
	n.dns.set(secureName, srv(0, uint16(n.port), "other.test."))
	n.dns.setHost("other.test")
	c, err := client.NewFromSRV(t.Context(), client.SRV{Domain: "example.com", TargetDomains: []string{"test"}}, client.Config{Transport: n.transport, Username: "root"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.NewKeysAPI(c).Get(t.Context(), "/a", nil)
	if _, visits := n.seen(); err == nil || !strings.Contains(err.Error(), "certificate is valid for") || len(visits) != 0 {
		t.Errorf("got %v, the server saw %+v", err, visits)
	}
}

// An endpoint is the same with and without the dot.
func TestAbsoluteNamesOfConfiguredEndpoints(t *testing.T) {
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		if req.Host != "etcd.example.com:2379" {
			t.Errorf("Host is %q", req.Host)
		}
		return fakeAnswer{body: setReply}
	})
	c := newClient(t, f, "http://etcd.example.com.:2379", "http://etcd.example.com:2379")
	if got := c.Endpoints(); !slices.Equal(got, []string{"http://etcd.example.com.:2379"}) {
		t.Errorf("endpoints are %q", got)
	}
	if _, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Do(t.Context(), foreignGet{}); err != nil {
		t.Error(err)
	}
}

// foreignGet is an action of another package.
type foreignGet struct{}

func (foreignGet) HTTPRequest(ep url.URL) *http.Request {
	ep.Path += "/v2/keys/a"
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, ep.String(), http.NoBody)
	if err != nil {
		return nil
	}
	return req
}

func TestSRVErrorsSayWhetherToAskAgain(t *testing.T) {
	s := newDNSServer(t, nil)
	resolver := client.SRV{Domain: "example.com", Resolver: s.memoryResolver(), AllowPlain: true}
	_, err := resolver.Endpoints(t.Context())
	if e := wantSRVError(t, err); e.Temporary() || e.Timeout() {
		t.Errorf("temporary: %v", err)
	}
	s.fail(secureName, dnsmessage.RCodeServerFailure, false)
	_, err = resolver.Endpoints(t.Context())
	if e := wantSRVError(t, err); !e.Temporary() || e.Timeout() {
		t.Errorf("not temporary: %v", err)
	}
}
