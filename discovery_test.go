package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/client"
)

// newSRVClient makes a client of the records in example.com.
func newSRVClient(t *testing.T, s *dnsServer, srv client.SRV, cfg client.Config) client.Client {
	t.Helper()
	srv.Domain, srv.Resolver = "example.com", s.memoryResolver()
	c, err := client.NewFromSRV(t.Context(), srv, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What becomes of the records with credentials: nothing is sent but to whom they
// are for.
func TestSRVWithCredentials(t *testing.T) {
	https := []dnsmessage.SRVResource{srv(0, 2379, "a.example.com.")}
	http1 := []dnsmessage.SRVResource{srv(0, 2379, "p.example.com.")}
	below := []dnsmessage.SRVResource{srv(0, 2379, "a.Example.COM."), srv(0, 2379, "example.com.")}
	spoofed := []dnsmessage.SRVResource{srv(0, 2379, "a.example.com."), srv(0, 2379, "evil.example.org.")}
	similar := []dnsmessage.SRVResource{srv(0, 2379, "evilexample.com.")}
	login := client.Config{Username: "root", Password: "pw"}
	certificates := client.Config{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x509.NewCertPool()}}}

	ca := newAuthority(t, "ca")
	certPEM, keyPEM := ca.issue(t, "client")
	own := newTransport(t, client.TransportOptions{CAPEM: ca.pem, CertPEM: certPEM, KeyPEM: keyPEM})

	const fine, plainRefused, targetRefused = "", "plain", "target"
	tests := []struct {
		why     string
		cfg     client.Config
		srv     client.SRV
		records srvRecords
		want    string // what New is refused for
		scheme  string // of the endpoints
	}{
		{"https and http: https", login, client.SRV{}, srvRecords{secureName: https, plainName: http1}, fine, "https"},
		{"https and http: https, even so", login, client.SRV{AllowPlain: true}, srvRecords{secureName: https, plainName: http1}, fine, "https"},
		{"http alone", login, client.SRV{}, srvRecords{plainName: http1}, plainRefused, ""},
		{"http alone, and that is known", login, client.SRV{AllowPlain: true}, srvRecords{plainName: http1}, fine, "http"},
		{"http alone, certificates", certificates, client.SRV{}, srvRecords{plainName: http1}, plainRefused, ""},
		{"http alone, certificates, and that is known", certificates, client.SRV{AllowPlain: true}, srvRecords{plainName: http1}, fine, "http"},
		{"http alone, own transport", client.Config{Transport: own}, client.SRV{}, srvRecords{plainName: http1}, plainRefused, ""},
		{"http alone, wrapped transport", client.Config{Transport: roundTripper(own.RoundTrip)}, client.SRV{}, srvRecords{plainName: http1}, plainRefused, ""},
		{"http alone, without any secret", client.Config{}, client.SRV{}, srvRecords{plainName: http1}, plainRefused, ""},
		{"http alone, without any secret, and that is known", client.Config{}, client.SRV{AllowPlain: true}, srvRecords{plainName: http1}, fine, "http"},
		{"http alone, not wanted", client.Config{}, client.SRV{RequireTLS: true}, srvRecords{plainName: http1}, plainRefused, ""},
		{"http alone, wanted and not wanted", login, client.SRV{RequireTLS: true, AllowPlain: true}, srvRecords{plainName: http1}, plainRefused, ""},
		{"targets below the domain", login, client.SRV{}, srvRecords{secureName: below}, fine, "https"},
		{"a spoofed target, https", login, client.SRV{}, srvRecords{secureName: spoofed}, targetRefused, ""},
		{"a spoofed target, http", login, client.SRV{AllowPlain: true}, srvRecords{plainName: spoofed}, targetRefused, ""},
		{"a spoofed target, nothing at stake", client.Config{}, client.SRV{}, srvRecords{secureName: spoofed}, fine, "https"},
		{"a target that only looks like it", login, client.SRV{}, srvRecords{secureName: similar}, targetRefused, ""},
		{"another domain that is known", login, client.SRV{TargetDomains: []string{"example.org."}}, srvRecords{secureName: spoofed}, fine, "https"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			s := newDNSServer(t, tt.records)
			tt.srv.Domain, tt.srv.Resolver = "example.com", s.memoryResolver()
			c, err := client.NewFromSRV(t.Context(), tt.srv, tt.cfg)
			var target *client.SRVTargetError
			switch tt.want {
			case fine:
				if err != nil {
					t.Fatal(err)
				}
				for _, ep := range c.Endpoints() {
					if !strings.HasPrefix(ep, tt.scheme+"://") {
						t.Errorf("got %s", ep)
					}
				}
			case plainRefused:
				wantSRVError(t, err)
				if !errors.Is(err, client.ErrPlainRefused) || slices.Contains(s.names(), plainName) {
					t.Errorf("got %v", err)
				}
			case targetRefused:
				if !errors.As(err, &target) || !strings.Contains(err.Error(), target.Target) || !strings.Contains(err.Error(), `"example.com"`) || !strings.HasPrefix(target.Target, "evil") {
					t.Errorf("got %v", err)
				}
			}
			if err != nil && strings.Contains(err.Error(), "pw") {
				t.Errorf("%q has the password", err)
			}
		})
	}
}

// firstAsked returns the host that a new call goes to first.
func firstAsked(t *testing.T, f *fakeTransport, c client.Client) string {
	t.Helper()
	before := len(f.seen())
	_, err := client.NewKeysAPI(c).Get(t.Context(), "/a", nil)
	if err != nil {
		t.Fatal(err)
	}
	return hostOf(f.seen()[before])
}

// hostOf returns the first part of the host that a request went to.
func hostOf(r fakeRequest) string {
	_, host, _ := strings.Cut(r.url, "://")
	name, _, _ := strings.Cut(host, ".")
	return name
}

// hostsSince returns the hosts that have been asked since the first n requests.
func hostsSince(f *fakeTransport, n int) string {
	var hosts []string
	for _, r := range f.seen()[n:] {
		hosts = append(hosts, hostOf(r))
	}
	return strings.Join(hosts, " ")
}

// A client begins with the priority, and with the weights within it, that the
// records say, each client by its own draw.
func TestSRVClientsSpreadByWeight(t *testing.T) {
	s := newDNSServer(t, srvRecords{secureName: {
		weighted(2, 60000, 1, "late.example.com."), weighted(1, 30, 1, "heavy.example.com."), weighted(1, 10, 1, "light.example.com."),
	}})
	f := newFakeTransport(t, func(*http.Request) fakeAnswer { return fakeAnswer{body: setReply} })
	first := map[string]int{}
	for range 400 {
		first[firstAsked(t, f, newSRVClient(t, s, client.SRV{}, client.Config{Transport: f}))]++
	}
	// 300 are expected, with a deviation of 9.
	if first["late"] != 0 || first["heavy"] < 240 || first["heavy"] > 355 {
		t.Errorf("so many clients began with each: %v", first)
	}
}

// A name that was looked up with a dot is sent to as one without.
func TestSRVClientSendsHostWithoutTheDot(t *testing.T) {
	s := newDNSServer(t, srvRecords{secureName: {srv(0, 443, "a.example.com."), srv(1, 2379, "b.example.com.")}})
	hosts := map[string]string{} // by URL
	f := newFakeTransport(t, func(req *http.Request) fakeAnswer {
		hosts[req.URL.Scheme+"://"+req.URL.Host] = req.Host
		if strings.HasPrefix(req.URL.Host, "a.") {
			return fakeAnswer{status: 307, header: "Location: https://b.example.com:2379/v2/keys/a"}
		}
		return fakeAnswer{body: setReply}
	})
	var probed atomic.Int32
	f.pulse = func(req *http.Request) fakeAnswer {
		probed.Add(1)
		if req.URL.Host != "a.example.com.:443" || req.Host != "a.example.com:443" {
			t.Errorf("a probe of %s has Host %s", req.URL.Host, req.Host)
		}
		return fakeAnswer{body: healthy}
	}
	c := newSRVClient(t, s, client.SRV{}, client.Config{Transport: f, Username: "root"})
	if _, err := client.NewKeysAPI(c).Set(t.Context(), "/a", "v", nil); err != nil {
		t.Fatal(err)
	}
	if hosts["https://a.example.com.:443"] != "a.example.com:443" || hosts["https://b.example.com.:2379"] != "b.example.com:2379" || len(hosts) != 2 {
		t.Errorf("Host by URL: %q", hosts)
	}
	f.answer = func(*http.Request) fakeAnswer { return fakeAnswer{body: membersReply("https://a.example.com")} }
	if err := c.Sync(t.Context()); err != nil || probed.Load() != 1 {
		t.Errorf("Sync: %v, after %d probes", err, probed.Load())
	}
	for _, r := range f.seen() {
		if r.header.Get("Authorization") == "" {
			t.Errorf("%s: a redirect to an endpoint goes without its credentials", r.url)
		}
	}
}

func TestSRVClientTakesWhatNewTakes(t *testing.T) {
	s := newDNSServer(t, srvRecords{secureName: {srv(0, 1, "a.example.com."), srv(5, 1, "A.example.com.")}})
	c := newSRVClient(t, s, client.SRV{}, client.Config{})
	if got := c.Endpoints(); !slices.Equal(got, []string{"https://a.example.com.:1"}) {
		t.Errorf("got %q, want a server once", got)
	}
	//nolint:staticcheck // a nil context is what is tried
	_, err := client.NewFromSRV(nil, client.SRV{Domain: "example.com"}, client.Config{})
	wantInvalidInput(t, err, "context")
	//nolint:staticcheck // as above
	wantInvalidInput(t, c.Sync(nil), "context")
}
