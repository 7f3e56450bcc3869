package faults_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestSRV_HTTPSRecordsHidden has a DNS server that hides the https records: a client
// with certificates must not take the http ones in their place.
func TestSRV_HTTPSRecordsHidden(t *testing.T) {
	t.Parallel()
	dns := must[*harness.DNSServer](t)(harness.StartDNS(t.Context(), harness.DNSRecords{
		SRV: map[string][]net.SRV{"_etcd-client._tcp.example.com.": {{Target: "m0.example.com.", Port: 2379}}},
		A:   map[string]string{"m0.example.com.": "127.0.0.1"},
	}))
	t.Cleanup(dns.Close)
	ca := must[*harness.CA](t)(harness.NewCA())
	pair := must[harness.KeyPair](t)(ca.Issue("client"))
	own := newTransport(t, client.TransportOptions{CAPEM: ca.PEM(), CertPEM: pair.CertPEM, KeyPEM: pair.KeyPEM})
	cloned := cloneOfDefault(t)
	cert := must[tls.Certificate](t)(tls.X509KeyPair(pair.CertPEM, pair.KeyPEM))
	cloned.TLSClientConfig = &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	for name, transport := range map[string]http.RoundTripper{
		"NewTransport":                     own,
		"NewTransport, wrapped":            otelhttp.NewTransport(own),
		"DefaultTransport.Clone":           cloned,
		"DefaultTransport.Clone, wrapped":  otelhttp.NewTransport(cloned),
		"DefaultTransport, no certificate": nil,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := client.NewFromSRV(within(t, 5*time.Second), client.SRV{Domain: "example.com", Resolver: dns.Resolver()}, client.Config{Transport: transport})
			if !errors.Is(err, client.ErrPlainRefused) {
				var endpoints []string
				if c != nil {
					endpoints = c.Endpoints()
				}
				t.Errorf("error %v, endpoints %v", err, endpoints)
			}
		})
	}
}
