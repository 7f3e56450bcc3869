package integration

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// newServerTLS makes a CA and a server certificate for the given names.
func newServerTLS(t *testing.T, clientAuth bool, dnsNames ...string) *harness.ServerTLS {
	t.Helper()
	ca := must[*harness.CA](t)(harness.NewCA())
	cert := must[harness.KeyPair](t)(ca.Issue("server", dnsNames...))
	return &harness.ServerTLS{CA: ca, Cert: cert, ClientAuth: clientAuth}
}

// trusting returns a recorder that trusts the CA alone.
func trusting(t *testing.T, ca *harness.CA) *recorder {
	t.Helper()
	r := newRecorder(t)
	r.base.TLSClientConfig = &tls.Config{RootCAs: ca.Pool(), MinVersion: tls.VersionTLS12}
	return r
}

func TestTLSOverHTTP1AndHTTP2(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			server := newServerTLS(t, false)
			c := harness.Start(t, s, harness.Options{TLS: server})
			for _, tt := range []struct {
				proto string
				http2 bool
			}{{"HTTP/1.1", false}, {"HTTP/2.0", true}} {
				t.Run(tt.proto, func(t *testing.T) {
					transport := trusting(t, server.CA)
					transport.base.ForceAttemptHTTP2 = tt.http2
					cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: transport})
					kapi := client.NewKeysAPI(cl)
					set, err := kapi.Set(ctx, "/k", tt.proto, nil)
					mustResponse(t, set, err)
					event, err := kapi.Watcher("/k", &client.WatcherOptions{AfterIndex: set.Node.ModifiedIndex - 1}).Next(ctx)
					wantResponse(t, mustResponse(t, event, err), client.Response{
						Action: "set", Node: &client.Node{Key: "/k", Value: tt.proto}, PrevNode: set.PrevNode,
					})
					for _, e := range transport.keys() {
						if e.proto != tt.proto {
							t.Errorf("%s over %s", e.method, e.proto)
						}
					}
				})
			}
		})
	}
}

func TestTLSClientCertificates(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			server := newServerTLS(t, true)
			c := harness.Start(t, s, harness.Options{TLS: server})

			transport := trusting(t, server.CA)
			pair := must[harness.KeyPair](t)(server.CA.Issue("client"))
			cert := must[tls.Certificate](t)(tls.X509KeyPair(pair.CertPEM, pair.KeyPEM))
			transport.base.TLSClientConfig.Certificates = []tls.Certificate{cert}
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: transport})
			resp, err := client.NewKeysAPI(cl).Set(ctx, "/k", "v", nil)
			mustResponse(t, resp, err)

			cl, ctx = newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: trusting(t, server.CA)})
			_, err = client.NewKeysAPI(cl).Get(ctx, "/k", nil)
			if err == nil || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("without a client certificate: %v", err)
			}
		})
	}
}

func TestTLSErrorsAreReadable(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{TLS: newServerTLS(t, false)})
			stranger := must[*harness.CA](t)(harness.NewCA())
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: trusting(t, stranger)})
			_, err := client.NewKeysAPI(cl).Get(ctx, "/k", nil)

			var unknown x509.UnknownAuthorityError
			if !errors.As(err, &unknown) || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
				t.Errorf("an untrusted CA: %v", err)
			}
			if errors.Is(err, client.ErrOutcomeUnknown) {
				t.Errorf("nothing was sent: %v", err)
			}

			plain := strings.Replace(c.Endpoints()[0], "https://", "http://", 1)
			cl, ctx = newClient(t, client.Config{Endpoints: []string{plain}})
			_, err = client.NewKeysAPI(cl).Get(ctx, "/k", nil)
			var reply *client.ReplyError
			if err == nil || errors.As(err, &reply) && reply.StatusCode != http.StatusBadRequest {
				t.Errorf("plain HTTP to an https port: %v", err)
			}
		})
	}
}
