package client_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/client"
)

func TestDiscover(t *testing.T) {
	const secure, plain = "_etcd-client-ssl._tcp.example.com", "_etcd-client._tcp.example.com"
	tests := []struct {
		why     string
		records map[string][]dnsmessage.SRVResource
		want    string
	}{
		{
			"https first, each in the order of priority",
			map[string][]dnsmessage.SRVResource{
				plain:  {srv(2, 2379, "d.example.com."), srv(1, 2379, "c.example.com.")},
				secure: {srv(20, 4001, "b.example.com."), srv(10, 2379, "a.example.com.")},
			},
			"https://a.example.com:2379 https://b.example.com:4001 http://c.example.com:2379 http://d.example.com:2379",
		},
		{
			"only http is there",
			map[string][]dnsmessage.SRVResource{plain: {srv(0, 2379, "a.example.com.")}},
			"http://a.example.com:2379",
		},
		{
			"only https is there",
			map[string][]dnsmessage.SRVResource{secure: {srv(0, 443, "a.example.com.")}, plain: {}},
			"https://a.example.com:443",
		},
		{
			"there is decidedly no http",
			map[string][]dnsmessage.SRVResource{secure: {srv(0, 2379, "a.example.com.")}, plain: {srv(0, 0, ".")}},
			"https://a.example.com:2379",
		},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			s := serveDNS(t, tt.records)
			got, err := client.NewSRVDiscover().Discover("example.com")
			if err != nil || strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, %v, want %s", got, err, tt.want)
			}
			if names := s.names(); names[0] != secure || !slices.Contains(names, plain) {
				t.Errorf("asked for %q", names)
			}
			if _, err = client.New(client.Config{Endpoints: got}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDiscoverAService(t *testing.T) {
	s := serveDNS(t, map[string][]dnsmessage.SRVResource{
		"_etcd-client-ssl-foo._tcp.example.com": {srv(0, 2379, "a.example.com.")},
		"_etcd-client-foo._tcp.example.com":     {srv(0, 2379, "b.example.com.")},
		"_etcd-client-ssl._tcp.example.com":     {srv(0, 2379, "other.example.com.")},
	})
	got, err := client.NewSRVDiscover().Discover("example.com.", "foo")
	if want := []string{"https://a.example.com:2379", "http://b.example.com:2379"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if want := []string{"_etcd-client-ssl-foo._tcp.example.com", "_etcd-client-foo._tcp.example.com"}; !slices.Equal(s.names(), want) {
		t.Errorf("asked for %q, want %q", s.names(), want)
	}
	// The historic signature asks for no service with an empty name.
	if got, err = client.NewSRVDiscover().Discover("example.com.", ""); err != nil || !slices.Equal(got, []string{"https://other.example.com:2379"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDiscoverFindsNothing(t *testing.T) {
	for why, records := range map[string]map[string][]dnsmessage.SRVResource{
		"no such names": nil,
		"no records":    {"_etcd-client-ssl._tcp.example.com": {}, "_etcd-client._tcp.example.com": {}},
		"no service":    {"_etcd-client-ssl._tcp.example.com": {srv(0, 0, ".")}, "_etcd-client._tcp.example.com": {srv(0, 0, ".")}},
	} {
		t.Run(why, func(t *testing.T) {
			serveDNS(t, records)
			got, err := client.NewSRVDiscover().Discover("example.com.")
			if err == nil || len(got) != 0 {
				t.Fatalf("got %q, %v", got, err)
			}
			for _, part := range []string{`client: no endpoints for domain "example.com."`, "_etcd-client-ssl._tcp.example.com", "_etcd-client._tcp.example.com"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %s", err, part)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q has more than one line", err)
			}
			var dnsErr *net.DNSError
			if why == "no such names" && (!errors.As(err, &dnsErr) || !dnsErr.IsNotFound) {
				t.Errorf("got %v, want it to be a *net.DNSError", err)
			}
		})
	}
}

func TestDiscoverRefuses(t *testing.T) {
	serveDNS(t, nil)
	_, err := client.NewSRVDiscover().Discover("")
	wantInvalidInput(t, err, "domain")
	_, err = client.NewSRVDiscover().Discover("example.com", "a", "b")
	wantInvalidInput(t, err, "service name")
}
