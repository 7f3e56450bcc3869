package clientv3_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/coreos/etcd/clientv3"
)

// nameServer answers for SRV records on a loopback socket.
type nameServer struct {
	conn    net.PacketConn
	records map[string][]dnsmessage.SRVResource
	broken  string // the name that it fails at
}

// serveNames starts a name server, and gives the resolver that asks it.
func serveNames(t *testing.T, s *nameServer) *net.Resolver {
	t.Helper()
	var err error
	if s.conn, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(s.serve)
	t.Cleanup(func() {
		s.conn.Close()
		serving.Wait()
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

func (s *nameServer) serve() {
	buf := make([]byte, 512)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var message dnsmessage.Message
		if message.Unpack(buf[:n]) != nil || len(message.Questions) != 1 {
			continue
		}
		s.fill(&message)
		if answer, err := message.Pack(); err == nil {
			s.conn.WriteTo(answer, from)
		}
	}
}

func (s *nameServer) fill(message *dnsmessage.Message) {
	question := message.Questions[0]
	name := question.Name.String()
	records, known := s.records[name]
	message.Response, message.Authoritative, message.RecursionAvailable = true, true, true
	message.Additionals = nil
	switch {
	case name == s.broken:
		message.RCode = dnsmessage.RCodeRefused
	case !known:
		message.RCode = dnsmessage.RCodeNameError
	}
	for _, record := range records {
		message.Answers = append(message.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: question.Name, Type: dnsmessage.TypeSRV, Class: dnsmessage.ClassINET},
			Body:   &record,
		})
	}
}

func srvRecord(priority uint16, target string) dnsmessage.SRVResource {
	return dnsmessage.SRVResource{Priority: priority, Port: 2379, Target: dnsmessage.MustNewName(target)}
}

func TestSRV(t *testing.T) {
	const (
		secure = "_etcd-client-ssl._tcp.example.com."
		plain  = "_etcd-client._tcp.example.com."
		named  = "_etcd-client-ssl-blue._tcp.example.com."
	)
	s := srvRecord
	for _, test := range []struct {
		name string
		dns  nameServer
		srv  clientv3.SRV
		want []string
		says string
	}{
		{
			name: "https by priority",
			dns: nameServer{records: map[string][]dnsmessage.SRVResource{
				secure: {s(2, "two.example.com."), s(1, "one.example.com.")}, plain: {s(1, "plain.example.com.")},
			}},
			want: []string{"https://one.example.com:2379", "https://two.example.com:2379"},
		},
		{
			name: "http where there is no https",
			dns:  nameServer{records: map[string][]dnsmessage.SRVResource{plain: {s(1, "plain.example.com.")}}},
			want: []string{"http://plain.example.com:2379"},
		},
		{
			name: "service",
			dns:  nameServer{records: map[string][]dnsmessage.SRVResource{named: {s(1, "blue.example.com.")}, secure: {s(1, "one.example.com.")}}},
			srv:  clientv3.SRV{Service: "blue"},
			want: []string{"https://blue.example.com:2379"},
		},
		{
			name: "no http where it is not wanted",
			dns:  nameServer{records: map[string][]dnsmessage.SRVResource{plain: {s(1, "plain.example.com.")}}},
			srv:  clientv3.SRV{RequireTLS: true},
			says: secure,
		},
		{
			name: "no http where https merely failed",
			dns:  nameServer{broken: secure, records: map[string][]dnsmessage.SRVResource{plain: {s(1, "plain.example.com.")}}},
			says: secure,
		},
		{name: "none", says: plain},
	} {
		for _, domain := range []string{"example.com", "example.com."} {
			t.Run(test.name+"/"+domain, func(t *testing.T) {
				test.srv.Domain, test.srv.Resolver = domain, serveNames(t, &test.dns)
				got, err := test.srv.Endpoints(soon(t))
				if test.says == "" {
					if err != nil || !slices.Equal(got, test.want) {
						t.Errorf("got %v, %v", got, err)
					}
					return
				}
				var dnsErr *net.DNSError
				if got != nil || !errors.As(err, &dnsErr) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, %v", got, err)
				}
			})
		}
	}
}

func TestSRVErrors(t *testing.T) {
	if _, err := (clientv3.SRV{}).Endpoints(t.Context()); err == nil || !strings.Contains(err.Error(), "without a Domain") {
		t.Errorf("no domain: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	srv := clientv3.SRV{Domain: "example.com", Resolver: serveNames(t, &nameServer{})}
	if _, err := srv.Endpoints(ctx); err != context.Canceled { //nolint:errorlint // it is promised to be bare
		t.Errorf("canceled: %v", err)
	}
}
