package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/client"
)

// What SRV asks for in example.com.
const (
	secureName = "_etcd-client-ssl._tcp.example.com"
	plainName  = "_etcd-client._tcp.example.com"
)

type srvRecords = map[string][]dnsmessage.SRVResource

// wantSRVError checks the type and that both look-ups are named, on one line.
func wantSRVError(t *testing.T, err error) *client.SRVError {
	t.Helper()
	var e *client.SRVError
	if !errors.As(err, &e) {
		t.Fatalf("got %T %v, want a *SRVError", err, err)
	}
	for i, name := range []string{secureName + ".", plainName + "."} {
		if !strings.Contains(err.Error(), name+": ") || e.Lookups[i].Name != name || e.Lookups[i].Err == nil {
			t.Errorf("%q does not say what became of %s", err, name)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), "client: ") != 1 {
		t.Errorf("%q is not one line that begins once", err)
	}
	return e
}

func TestSRVEndpoints(t *testing.T) {
	tests := []struct {
		why     string
		srv     client.SRV
		records srvRecords
		want    string
	}{
		{
			why:     "https and http are never mixed",
			records: srvRecords{secureName: {srv(20, 2379, "b.example.com."), srv(10, 4001, "a.example.com.")}, plainName: {srv(1, 2379, "c.example.com.")}},
			want:    "https://a.example.com.:4001 https://b.example.com.:2379",
		},
		{
			why:     "only https is there",
			records: srvRecords{secureName: {srv(0, 443, "a.example.com.")}},
			want:    "https://a.example.com.:443",
		},
		{
			why:     "only http is there",
			records: srvRecords{plainName: {srv(1, 2379, "a.example.com."), srv(0, 2379, "b.example.com.")}},
			want:    "http://b.example.com.:2379 http://a.example.com.:2379",
		},
		{
			why:     "the answer for https is empty",
			records: srvRecords{secureName: {}, plainName: {srv(0, 2379, "a.example.com.")}},
			want:    "http://a.example.com.:2379",
		},
		{
			why:     "there is decidedly no https",
			records: srvRecords{secureName: {srv(0, 0, ".")}, plainName: {srv(0, 2379, "a.example.com.")}},
			want:    "http://a.example.com.:2379",
		},
		{
			why:     "a record without a port is none",
			records: srvRecords{secureName: {srv(0, 0, "x.example.com."), srv(1, 1, "a.example.com.")}},
			want:    "https://a.example.com.:1",
		},
		{
			why:     "a target that is no name is left out, the others are not",
			records: srvRecords{secureName: {srv(0, 1, "a b.example.com."), srv(1, 1, "a.example.com.")}},
			want:    "https://a.example.com.:1",
		},
		{
			why:     "domains may end in a dot, and have any case",
			srv:     client.SRV{Domain: "Example.com."},
			records: srvRecords{"_etcd-client-ssl._tcp.Example.com": {srv(0, 1, "A.example.org.")}},
			want:    "https://A.example.org.:1",
		},
		{
			why:     "services",
			srv:     client.SRV{Domain: "example.com", Service: "blue"},
			records: srvRecords{"_etcd-client-ssl-blue._tcp.example.com": {srv(0, 1, "blue.example.com.")}, secureName: {srv(0, 1, "a.example.com.")}},
			want:    "https://blue.example.com.:1",
		},
		{
			why:     "other scripts",
			srv:     client.SRV{Domain: "Bücher.example。com.", TargetDomains: []string{"例え.example"}},
			records: srvRecords{"_etcd-client-ssl._tcp.xn--bcher-kva.example.com": {srv(0, 1, "a.example.com.")}},
			want:    "https://a.example.com.:1",
		},
		{
			why:     "underscores",
			srv:     client.SRV{Domain: "_etcd.bücher.example"},
			records: srvRecords{"_etcd-client-ssl._tcp._etcd.xn--bcher-kva.example": {srv(0, 1, "a.example.com.")}},
			want:    "https://a.example.com.:1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			s := newDNSServer(t, tt.records)
			if tt.srv.Domain == "" {
				tt.srv.Domain = "example.com"
			}
			tt.srv.Resolver = s.memoryResolver()
			if strings.HasPrefix(tt.want, "http:") {
				got, err := tt.srv.Endpoints(t.Context())
				if e := wantSRVError(t, err); len(got) > 0 || !errors.Is(e, client.ErrPlainRefused) {
					t.Errorf("got %q, %v without AllowPlain", got, err)
				}
				tt.srv.AllowPlain = true
			}
			got, err := tt.srv.Endpoints(t.Context())
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, %v, want %s", got, err, tt.want)
			}
			if _, err = client.New(client.Config{Endpoints: got}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSRVIsLookedUpByTheDefaultResolver(t *testing.T) {
	serveDNS(t, srvRecords{secureName: {srv(0, 1, "a.example.com.")}})
	got, err := client.SRV{Domain: "example.com"}.Endpoints(t.Context())
	if err != nil || !slices.Equal(got, []string{"https://a.example.com.:1"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// The answer to a question over UDP that has no room in a packet is asked for
// again over TCP.
func TestSRVTakesLongAnswers(t *testing.T) {
	var records []dnsmessage.SRVResource
	for i := range 100 {
		records = append(records, srv(uint16(i), 2379, fmt.Sprintf("a-member-with-a-long-name-%02d.example.com.", i)))
	}
	s := serveDNS(t, srvRecords{secureName: records})
	got, err := client.SRV{Domain: "example.com"}.Endpoints(t.Context())
	if err != nil || len(got) != 100 || got[99] != "https://a-member-with-a-long-name-99.example.com.:2379" {
		t.Errorf("got %q, %v", got, err)
	}
	if queries, overTCP := s.count(); queries != 2 || overTCP != 1 {
		t.Errorf("%d questions, %d over TCP", queries, overTCP)
	}
}

func TestSRVFindsNothing(t *testing.T) {
	for why, records := range map[string]srvRecords{
		"no such names": nil,
		"no records":    {secureName: {}, plainName: {}},
		"no service":    {secureName: {srv(0, 0, ".")}, plainName: {srv(0, 0, ".")}},
	} {
		t.Run(why, func(t *testing.T) {
			s := newDNSServer(t, records)
			got, err := client.SRV{Domain: "example.com", Resolver: s.memoryResolver(), AllowPlain: true}.Endpoints(t.Context())
			e := wantSRVError(t, err)
			var dnsErr *net.DNSError
			if len(got) != 0 || !errors.As(err, &dnsErr) || !dnsErr.IsNotFound || e.Domain != "example.com" {
				t.Errorf("got %q, %v", got, err)
			}
			if names := s.names(); !slices.Equal(names, []string{secureName, plainName}) {
				t.Errorf("asked for %q: the host's search list must not be applied", names)
			}
		})
	}
}

func TestSRV_unusableTargets(t *testing.T) {
	for why, tt := range map[string]struct {
		records srvRecords
		reason  string
		asked   []string
	}{
		"decidedly not available": {srvRecords{secureName: {srv(0, 0, ".")}, plainName: {srv(0, 2379, ".")}}, "decidedly not available", []string{secureName, plainName}},
		"no port":                 {srvRecords{secureName: {srv(0, 0, "a.example.com.")}, plainName: {srv(0, 1, "b.example.com.")}}, "no usable target", []string{secureName}},
		"no port, http":           {srvRecords{plainName: {srv(0, 0, "a.example.com.")}}, "no usable target", []string{secureName, plainName}},
	} {
		t.Run(why, func(t *testing.T) {
			s := newDNSServer(t, tt.records)
			got, err := client.SRV{Domain: "example.com", Resolver: s.memoryResolver(), AllowPlain: true}.Endpoints(t.Context())
			wantSRVError(t, err)
			if len(got) > 0 || !strings.Contains(err.Error(), tt.reason) || !slices.Equal(s.names(), tt.asked) {
				t.Errorf("got %q, %v, asked for %q", got, err, s.names())
			}
			if _, err := client.NewFromSRV(t.Context(), client.SRV{Domain: "example.com", Resolver: s.memoryResolver(), AllowPlain: true}, client.Config{}); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("a client: %v", err)
			}
		})
	}
}

// Whoever can make the look-up of the https records fail must not be able to
// choose http.
func TestSRVThatFailsForHTTPSDoesNotTurnToHTTP(t *testing.T) {
	for _, code := range []dnsmessage.RCode{dnsmessage.RCodeServerFailure, dnsmessage.RCodeRefused} {
		s := newDNSServer(t, srvRecords{plainName: {srv(0, 2379, "a.example.com.")}})
		s.fail(secureName, code, false)
		got, err := client.SRV{Domain: "example.com", Resolver: s.memoryResolver(), AllowPlain: true}.Endpoints(t.Context())
		wantSRVError(t, err)
		if len(got) != 0 || slices.Contains(s.names(), plainName) {
			t.Errorf("%v: got %q, %v", code, got, err)
		}
	}
}

func TestSRVEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{secureName, plainName} {
			s := newDNSServer(t, nil)
			s.fail(name, 0, true)
			srv := client.SRV{Domain: "example.com", Resolver: s.memoryResolver(), AllowPlain: true}

			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			start := time.Now()
			_, err := srv.Endpoints(ctx)
			wantSRVError(t, err)
			if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || time.Since(start) != 3*time.Second {
				t.Errorf("%s: got %v after %v", name, err, time.Since(start))
			}
			cancel()

			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			start = time.Now()
			_, err = client.NewFromSRV(ctx, srv, client.Config{})
			wantSRVError(t, err)
			if !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
				t.Errorf("%s: got %v after %v", name, err, time.Since(start))
			}

			_, err = srv.Endpoints(ctx)
			wantSRVError(t, err)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("a context that has ended: got %v", err)
			}

			// A resolver that gives up by itself is no matter of the context.
			_, err = srv.Endpoints(t.Context())
			wantSRVError(t, err)
			var netErr net.Error
			if errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &netErr) || !netErr.Timeout() {
				t.Errorf("the resolver's own time-out: got %v", err)
			}
		}
	})
}

func TestSRVRefuses(t *testing.T) {
	label := strings.Repeat("a", 63)
	s := newDNSServer(t, nil)
	tests := []struct {
		srv   client.SRV
		field string
	}{
		{client.SRV{}, "domain"},
		{client.SRV{Domain: "."}, "domain"},
		{client.SRV{Domain: "a..b"}, "domain"},
		{client.SRV{Domain: ".a"}, "domain"},
		{client.SRV{Domain: "a.."}, "domain"},
		{client.SRV{Domain: "a\x00b"}, "domain"},
		{client.SRV{Domain: "a b"}, "domain"},
		{client.SRV{Domain: "http://example.com"}, "domain"},
		{client.SRV{Domain: "\u0301a.example"}, "domain"},
		{client.SRV{Domain: "a\u200db.example"}, "domain"},
		{client.SRV{Domain: "\u0627a.example"}, "domain"}, // right to left and left to right
		{client.SRV{Domain: "ü b.example"}, "domain"},
		{client.SRV{Domain: strings.Repeat("ü", 64) + ".example"}, "domain"},
		{client.SRV{Domain: strings.Repeat("ü", 1<<20)}, "domain"},
		{client.SRV{Domain: "root:s3cr3t@example.com"}, "domain"},
		{client.SRV{Domain: "https://root:s3cr3t@example.com"}, "domain"},
		{client.SRV{Domain: "example.com", TargetDomains: []string{"root:s3cr3t@example.org"}}, "target domain"},
		{client.SRV{Domain: label + "a.example.com"}, "domain"},
		{client.SRV{Domain: label + "." + label + "." + label}, "domain"},
		{client.SRV{Domain: "example.com", Service: "a.b"}, "service name"},
		{client.SRV{Domain: "example.com", Service: "a\x00"}, "service name"},
		{client.SRV{Domain: "example.com", Service: "a b"}, "service name"},
		{client.SRV{Domain: "example.com", Service: "ä"}, "service name"},
		{client.SRV{Domain: "example.com", Service: strings.Repeat("a", 47)}, "service name"},
		{client.SRV{Domain: "example.com", TargetDomains: []string{"example.org", ""}}, "target domain"},
	}
	for _, tt := range tests {
		tt.srv.Resolver = s.memoryResolver()
		_, err := tt.srv.Endpoints(t.Context())
		wantInvalidInput(t, err, tt.field)
		if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v has the password", err)
		}
		_, err = client.NewFromSRV(t.Context(), tt.srv, client.Config{})
		wantInvalidInput(t, err, tt.field)
		if tt.field != "target domain" {
			_, err = client.NewSRVDiscover().Discover(tt.srv.Domain, tt.srv.Service)
			wantInvalidInput(t, err, tt.field)
		}
	}
	if queries, _ := s.count(); queries != 0 {
		t.Errorf("%d questions were asked", queries)
	}
	// What is just short enough is asked for.
	_, err := client.SRV{Domain: label + "." + label + "." + label[:55], Service: strings.Repeat("a", 46), Resolver: s.memoryResolver(), AllowPlain: true}.Endpoints(t.Context())
	if queries, _ := s.count(); queries != 2 {
		t.Errorf("%d questions were asked: %v", queries, err)
	}

	//nolint:staticcheck // a nil context is what is tried
	_, err = client.SRV{Domain: "example.com"}.Endpoints(nil)
	wantInvalidInput(t, err, "context")
	_, err = client.NewFromSRV(t.Context(), client.SRV{Domain: "example.com"}, client.Config{Endpoints: []string{"http://a"}})
	wantInvalidInput(t, err, "Endpoints")
	_, err = client.NewFromSRV(t.Context(), client.SRV{Domain: "example.com"}, client.Config{MaxResponseBytes: -1})
	wantInvalidInput(t, err, "MaxResponseBytes")
}

// Of two records of one priority, one of weight 3 comes first three times as
// often as one of weight 1.
func TestSRVWeights(t *testing.T) {
	s := newDNSServer(t, srvRecords{secureName: {
		weighted(2, 60000, 2379, "late.example.com."),
		weighted(1, 30, 2379, "heavy.example.com."), weighted(1, 10, 2379, "light.example.com."),
	}})
	srv := client.SRV{Domain: "example.com", Resolver: s.memoryResolver()}
	const draws = 2000
	heavy := 0
	for range draws {
		got, err := srv.Endpoints(t.Context())
		if err != nil || len(got) != 3 || got[2] != "https://late.example.com.:2379" {
			t.Fatalf("got %q, %v", got, err)
		}
		if got[0] == "https://heavy.example.com.:2379" {
			heavy++
		}
	}
	// 1,500 are expected, with a deviation of 20: this is six of them.
	if heavy < 1380 || heavy > 1620 {
		t.Errorf("the heavy one came first in %d of %d draws", heavy, draws)
	}
}
