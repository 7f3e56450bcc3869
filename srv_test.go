package client_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/client"
)

// dnsServer answers for SRV records on the loopback device, as net.DefaultResolver
// of the test: such tests must not run in parallel.
type dnsServer struct {
	records map[string][]dnsmessage.SRVResource // by name, without the last dot

	mu    sync.Mutex // guards the field below
	asked []string   // names, in the order they were first asked for
}

func serveDNS(t *testing.T, records map[string][]dnsmessage.SRVResource) *dnsServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dnsServer{records: records}
	var done sync.WaitGroup
	done.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, readErr := conn.ReadFrom(buf)
			if readErr != nil {
				return // closed: the test is over
			}
			answer, answerErr := s.answer(buf[:n])
			if answerErr != nil {
				t.Error(answerErr)
				return
			}
			if _, writeErr := conn.WriteTo(answer, from); writeErr != nil {
				t.Error(writeErr)
			}
		}
	})
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
		},
	}
	t.Cleanup(func() {
		net.DefaultResolver = before
		conn.Close()
		done.Wait()
	})
	return s
}

func (s *dnsServer) answer(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	question := m.Questions[0]
	name := strings.TrimSuffix(question.Name.String(), ".")
	s.mu.Lock()
	if !slices.Contains(s.asked, name) {
		s.asked = append(s.asked, name)
	}
	s.mu.Unlock()

	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: m.Questions,
	}
	records, ok := s.records[name]
	if !ok {
		reply.RCode = dnsmessage.RCodeNameError
	}
	for _, record := range records {
		reply.Answers = append(reply.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &record,
		})
	}
	return reply.Pack()
}

// names gives what was asked for so far.
func (s *dnsServer) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

func srv(priority, port uint16, target string) dnsmessage.SRVResource {
	return dnsmessage.SRVResource{Priority: priority, Port: port, Target: dnsmessage.MustNewName(target)}
}

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
