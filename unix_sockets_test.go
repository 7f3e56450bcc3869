package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
)

// socketDir is a folder whose name leaves room for that of a socket.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "etcd-") //nolint:usetesting // those of tests are long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func listenAt(t *testing.T, file string) net.Listener {
	t.Helper()
	listener, err := net.Listen("unix", file)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

// serveAt starts a server on a socket.
func serveAt(t *testing.T, file string, handler http.HandlerFunc) {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	server.Listener = listenAt(t, file)
	server.Start()
	t.Cleanup(server.Close)
}

// socketTest is a test with one of the transports that know sockets.
type socketTest struct {
	*testing.T
	transport http.RoundTripper // nil: the default
}

// byTransport runs a test with each of them.
func byTransport(t *testing.T, test func(socketTest)) {
	t.Helper()
	t.Run("DefaultTransport", func(t *testing.T) {
		t.Cleanup(client.DefaultTransport.(*http.Transport).CloseIdleConnections)
		test(socketTest{t, nil})
	})
	t.Run("NewTransport", func(t *testing.T) {
		test(socketTest{t, newTransport(t, client.TransportOptions{})})
	})
	t.Run("wrapped", func(t *testing.T) {
		own := newTransport(t, client.TransportOptions{Proxy: parsed(t, "http://192.0.2.1")})
		test(socketTest{t, roundTripper(own.RoundTrip)})
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestEndpointsOnSockets(t *testing.T) {
	dir := socketDir(t)
	t.Chdir(dir)
	if err := os.Mkdir("sub", 0o700); err != nil {
		t.Fatal(err)
	}
	for raw, file := range map[string]string{
		"unix://" + dir + "/etcd.sock":     "etcd.sock",
		"unix://" + dir + "/a%20+$b:c":     "a +$b:c",
		"unix://localhost:2379":            "localhost:2379",
		"unix://etcd":                      "etcd",
		"unix://sub/etcd.sock":             "sub/etcd.sock",
		"unix://[::1]:2379":                "[::1]:2379",
		"unix://joe:pw@localhost:2380":     "localhost:2380",
		"unix://joe:pw@" + dir + "/secret": "secret",
	} {
		t.Run(file, func(t *testing.T) {
			var seen []string
			serveAt(t, filepath.Join(dir, file), func(w http.ResponseWriter, req *http.Request) {
				user, _, _ := req.BasicAuth()
				seen = append(seen, fmt.Sprint(req.Host, " ", user, " ", req.Method, " ", req.URL))
				if req.URL.Path == "/v2/keys/moved" {
					http.Redirect(w, req, "/v2/keys/here", http.StatusTemporaryRedirect)
					return
				}
				io.WriteString(w, setReply)
			})
			user := "root"
			if strings.Contains(raw, "@") {
				user = "joe"
			}
			byTransport(t, func(t socketTest) {
				seen = nil
				c := newClientOf(t, client.Config{Endpoints: []string{raw}, Transport: t.transport, Username: "root", Password: "secret"})
				kapi := client.NewKeysAPI(c)
				for _, key := range []string{"a b", "moved"} {
					if _, err := kapi.Set(t.Context(), key, "1", nil); err != nil {
						t.Error(err)
					}
				}
				if _, _, err := c.Do(t.Context(), foreignAction{http.MethodGet, "/v2/keys/c", ""}); err != nil {
					t.Error(err)
				}
				who := "localhost " + user
				want := []string{who + " PUT /v2/keys/a%20b", who + " PUT /v2/keys/moved", who + " PUT /v2/keys/here", who + " GET /v2/keys/c"}
				if !slices.Equal(seen, want) {
					t.Errorf("the server saw %q", seen)
				}
				if name := c.Endpoints()[0]; name != strings.Replace(raw, "joe:pw@", "", 1) {
					t.Errorf("the endpoint is %q", name)
				}
			})
		})
	}
}

func TestSocketThatIsNotThere(t *testing.T) {
	byTransport(t, func(t socketTest) {
		kapi := client.NewKeysAPI(newClient(t, t.transport, "unix:///run/no such/etcd.sock"))
		_, err := kapi.Create(t.Context(), "a", "1")
		if errors.Is(err, client.ErrOutcomeUnknown) || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "dial unix /run/no such/etcd.sock: ") {
			t.Errorf("got %v", err)
		}
	})
}

// What a server names as a socket is not gone to.
func TestRedirectToAnotherSocketIsRefused(t *testing.T) {
	dir := socketDir(t)
	serveAt(t, dir+"/other", func(http.ResponseWriter, *http.Request) { t.Error("the other socket was asked") })
	for _, location := range []string{
		"unix://" + strings.ReplaceAll(dir, "/", "+") + "+other/v2/keys/a",
		"unix://" + dir + "/other",
		"http://" + strings.ReplaceAll(dir, "/", "+") + "+other.plain/v2/keys/a",
	} {
		serveAt(t, dir+"/etcd", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		kapi := client.NewKeysAPI(newClient(t, newTransport(t, client.TransportOptions{}), "unix://"+dir+"/etcd"))
		_, err := kapi.Get(t.Context(), "a", nil)
		var dns *net.DNSError
		if !errors.Is(err, client.ErrRedirectRefused) && !errors.As(err, &dns) {
			t.Errorf("%s: got %v", location, err)
		}
		os.Remove(dir + "/etcd")
	}
}

// Sync finds members on sockets where the client came by one, and nowhere else.
func TestSyncWithSockets(t *testing.T) {
	dir := socketDir(t)
	members := fmt.Sprintf(`{"members":[{"id":"1","clientURLs":["unix://%[1]s/a"]},{"id":"2","clientURLs":["unix://%[1]s/b"]},{"id":"3","clientURLs":["unix://%[1]s/dead"]}]}`, dir)
	answer := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			io.WriteString(w, healthy)
			return
		}
		io.WriteString(w, members)
	}
	serveAt(t, dir+"/a", answer)
	serveAt(t, dir+"/b", answer)
	tcp := httptest.NewServer(http.HandlerFunc(answer))
	defer tcp.Close()
	byTransport(t, func(t socketTest) {
		c := newClient(t, t.transport, "unix://"+dir+"/a")
		if err := c.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.Endpoints(); !slices.Equal(got, []string{"unix://" + dir + "/a", "unix://" + dir + "/b"}) {
			t.Errorf("got %q", got)
		}
	})
	c := newClient(t, newTransport(t, client.TransportOptions{}), tcp.URL)
	if err := c.Sync(t.Context()); !errors.Is(err, client.ErrNoEndpoints) {
		t.Errorf("sockets of other machines: got %v", err)
	}
}

// A server on a socket that stops answering is left for another.
func TestStalledSocketIsLeft(t *testing.T) {
	dir := socketDir(t)
	deaf := listenAt(t, dir+"/deaf") // who connects is never answered
	defer deaf.Close()
	serveAt(t, dir+"/well", func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			io.WriteString(w, healthy)
			return
		}
		io.WriteString(w, setReply)
	})
	byTransport(t, func(t socketTest) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c := newClientOf(t, client.Config{
			Endpoints: []string{"unix://" + dir + "/deaf", "unix://" + dir + "/well"}, Transport: t.transport, StallInterval: 50 * time.Millisecond,
		})
		for range 4 {
			if _, err := client.NewKeysAPI(c).Get(ctx, "a", nil); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestSocketsByTLS(t *testing.T) {
	dir := socketDir(t)
	t.Chdir(dir)
	ca := newAuthority(t, "ca")
	pair := ca.pair(t, "localhost")
	for _, file := range []string{dir + "/etcd.sock", "localhost:2379", "other:2379"} {
		serveTLS(t, listenAt(t, file), func() *tls.Config {
			return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert}
		}, func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("X-Etcd-Cluster-Id", req.TLS.PeerCertificates[0].Subject.CommonName)
			io.WriteString(w, setReply)
		})
		certPEM, keyPEM := ca.issue(t, "joe")
		transport := newTransport(t, client.TransportOptions{CAPEM: ca.pem, CertPEM: certPEM, KeyPEM: keyPEM})
		resp, err := client.NewKeysAPI(newClient(t, transport, "unixs://"+file)).Get(t.Context(), "a", nil)
		if strings.HasPrefix(file, "other") {
			if !isHostnameError(err) {
				t.Errorf("%s: got %v of a host that is not in the certificate", file, err)
			}
			continue
		}
		if err != nil || resp.ClusterID != "joe" {
			t.Errorf("%s: got %+v, %v", file, resp, err)
		}
		var authority *tls.CertificateVerificationError
		if _, err = client.NewKeysAPI(newClient(t, nil, "unixs://"+file)).Get(t.Context(), "a", nil); !errors.As(err, &authority) || errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("DefaultTransport, which does not know the authority: got %v", err)
		}
	}
	silent := listenAt(t, dir+"/silent")
	defer silent.Close()
	transport := newTransport(t, client.TransportOptions{TLSHandshakeTimeout: 20 * time.Millisecond})
	if _, err := client.NewKeysAPI(newClient(t, transport, "unixs://"+dir+"/silent")).Create(t.Context(), "a", "1"); err == nil || errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("got %v of a handshake that hangs", err)
	}
}

func TestTransportRefusesHostsThatNameNoSocket(t *testing.T) {
	for _, raw := range []string{"unix:///run/etcd.sock", "unix://$", "unix://$2", "unix://$xx"} {
		_, err := fetch(t.Context(), newTransport(t, client.TransportOptions{}), raw)
		wantWords(t, err, "names no socket", raw)
	}
}

// Credentials that were for a socket alone don't go over the network in the clear
// because a member says so.
func TestSyncKeepsCredentialsOfSocketsOffTheNetwork(t *testing.T) {
	dir := socketDir(t)
	var members string
	answer := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/health" {
			io.WriteString(w, healthy)
			return
		}
		io.WriteString(w, members)
	}
	serveAt(t, dir+"/a", answer)
	tcp := httptest.NewServer(http.HandlerFunc(answer))
	defer tcp.Close()
	members = fmt.Sprintf(`{"members":[{"id":"1","clientURLs":["unix://%s/a",%q]}]}`, dir, tcp.URL)
	for user, want := range map[string][]string{
		"":     {"unix://" + dir + "/a", tcp.URL},
		"root": {"unix://" + dir + "/a"},
	} {
		c := newClientOf(t, client.Config{Endpoints: []string{"unix://" + dir + "/a"}, Transport: newTransport(t, client.TransportOptions{}), Username: user})
		if err := c.Sync(t.Context()); err != nil || !slices.Equal(c.Endpoints(), want) {
			t.Errorf("as %q: got %q, %v; want %q", user, c.Endpoints(), err, want)
		}
	}
}
