package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// Open takes what there is: the v2 API, or the bridge.
func TestOpenOnEachServer(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			native := server.Minor() < "3.6"
			openAndUse(ctx, t, client.Config{Endpoints: start(t, server).Endpoints()}, native)
			if native {
				openAndUse(ctx, t, client.Config{Endpoints: harness.Start(t, server, harness.Options{DisableV2: true}).Endpoints()}, false)
			}
		})
	}
}

func openAndUse(ctx context.Context, t *testing.T, cfg client.Config, native bool) {
	t.Helper()
	opened, err := keysapi.Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if (opened.V3 == nil) != native {
		t.Errorf("the v2 API itself: %v, want %v", opened.V3 == nil, native)
	}
	set(ctx, t, opened.Keys, "/opened", nil)
	members, err := opened.Members.List(ctx)
	if err != nil || len(members) != 1 {
		t.Fatalf("members: %v, %v", members, err)
	}
	leader, err := opened.Members.Leader(ctx)
	if err != nil || leader.ID != members[0].ID {
		t.Errorf("leader: %v, %v; want %v", leader, err, members[0])
	}
	if err := opened.Close(); err != nil {
		t.Error(err)
	}
}

// One endpoint of several is enough, and its scheme may be left out.
func TestOpenWithADeadEndpoint(t *testing.T) {
	servers := harness.ServersV3(t)
	cluster := start(t, servers[len(servers)-1])
	ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
	t.Cleanup(cancel)
	host := strings.TrimPrefix(cluster.Endpoints()[0], "http://")
	openAndUse(ctx, t, client.Config{Endpoints: []string{"http://127.0.0.1:1", host}}, false)
}

func TestOpenOnASocket(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			native := server.Minor() < "3.6"
			file, _ := harness.StartOnSocket(t, server, nil)
			openAndUse(ctx, t, client.Config{Endpoints: []string{"unix://" + file}}, native)
			own := newServerTLS(t)
			file, _ = harness.StartOnSocket(t, server, own)
			openAndUse(ctx, t, client.Config{Endpoints: []string{"unixs://" + file}, Transport: newCertificates(t, own.CA, "anybody").transport(t)}, native)
		})
	}
}

func newServerTLS(t *testing.T) *harness.ServerTLS {
	t.Helper()
	ca, err := harness.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("server")
	if err != nil {
		t.Fatal(err)
	}
	return &harness.ServerTLS{CA: ca, Cert: cert, ClientAuth: true}
}

// certificates are files that a client reads.
type certificates struct {
	ca            *harness.CA
	roots         string
	cert, private string
}

func newCertificates(t *testing.T, ca *harness.CA, name string) certificates {
	t.Helper()
	dir := t.TempDir()
	c := certificates{ca: ca, roots: filepath.Join(dir, "ca"), cert: filepath.Join(dir, "cert"), private: filepath.Join(dir, "key")}
	replaceFile(t, c.roots, ca.PEM())
	c.issue(t, name)
	return c
}

// issue puts a certificate with a name in place of that which is there.
func (c certificates) issue(t *testing.T, name string) {
	t.Helper()
	pair, err := c.ca.Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, c.cert, pair.CertPEM)
	replaceFile(t, c.private, pair.KeyPEM)
}

func replaceFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func (c certificates) transport(t *testing.T) *client.Transport {
	t.Helper()
	transport, err := client.NewTransport(client.TransportOptions{CAFile: c.roots, CertFile: c.cert, KeyFile: c.private})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
	})
	return transport
}

// The certificates of the transport are those of the bridge.
func TestOpenOverTLS(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			own := newServerTLS(t)
			endpoints := harness.Start(t, server, harness.Options{TLS: own, DisableV2: true}).Endpoints()
			transport := newCertificates(t, own.CA, "anybody").transport(t)
			openAndUse(ctx, t, client.Config{Endpoints: endpoints, Transport: transport}, false)

			plain := &http.Transport{TLSClientConfig: transport.TLSConfig()}
			t.Cleanup(plain.CloseIdleConnections)
			openAndUse(ctx, t, client.Config{Endpoints: endpoints, Transport: plain}, false)

			opened, err := keysapi.Open(ctx, client.Config{Endpoints: endpoints, Transport: hidden{transport}})
			var refused *client.InvalidInputError
			if !errors.As(err, &refused) || refused.Field != "Transport" {
				t.Errorf("got %v, %v of a transport that does not tell its certificates", opened, err)
			}
			stranger := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
			if opened, err = keysapi.Open(ctx, client.Config{Endpoints: endpoints, Transport: stranger}); err == nil {
				t.Errorf("got %v of a server that is not trusted", opened)
			}
		})
	}
}

// hidden is a transport that tells nothing of its certificates.
type hidden struct{ http.RoundTripper }

// A certificate that is replaced comes into use with the next connection of the
// bridge: the first is that of a user who may nothing, the second that of root.
func TestBridgeTakesNewCertificates(t *testing.T) {
	for _, server := range harness.ServersV3(t) {
		t.Run(server.String(), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), storyTimeout)
			t.Cleanup(cancel)
			own := newServerTLS(t)
			cluster := harness.Start(t, server, harness.Options{TLS: own, DisableV2: true, RawProxies: true})
			files := newCertificates(t, own.CA, "joe")
			opened, err := keysapi.Open(ctx, client.Config{Endpoints: cluster.Endpoints(), Transport: files.transport(t)})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if closeErr := opened.Close(); closeErr != nil {
					t.Error(closeErr)
				}
			})
			protect(ctx, t, opened.V3)
			if _, err = opened.Keys.Set(ctx, "/other", "v", nil); !client.IsUnauthorized(err) {
				t.Errorf("got %v, want that joe may not", err)
			}
			files.issue(t, "root")
			cluster.Member(0).Proxy().Reset()
			if err = harness.Until(ctx, func(ctx context.Context) error {
				return errOf(opened.Keys.Set(ctx, "/other", "v", nil))
			}); err != nil {
				t.Errorf("got %v with the new certificate", err)
			}
		})
	}
}
