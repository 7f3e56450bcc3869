package harness

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	dnsTTL       = 1   // seconds
	maxUDPAnswer = 512 // Larger answers are cut, and asked for again over TCP.
)

// DNSRecords are what a [DNSServer] knows. Names are absolute and lower case,
// and end in a dot; other names do not exist.
type DNSRecords struct {
	// SRV maps names such as "_etcd-client._tcp.example.com." to their services.
	SRV map[string][]net.SRV
	// A maps host names to IPv4 addresses.
	A map[string]string
}

// A DNSServer answers questions on loopback, over UDP and TCP.
type DNSServer struct {
	udp     net.PacketConn
	tcp     net.Listener
	serving sync.WaitGroup

	mu      sync.Mutex // guards the field below
	records DNSRecords
}

// StartDNS starts a server, which the caller must Close.
func StartDNS(ctx context.Context, records DNSRecords) (*DNSServer, error) {
	var config net.ListenConfig
	tcp, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("harness: DNS: %w", err)
	}
	udp, err := config.ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		_ = tcp.Close() // Not used yet.
		return nil, fmt.Errorf("harness: DNS: %w", err)
	}
	s := &DNSServer{records: records, udp: udp, tcp: tcp}
	s.serving.Go(s.serveUDP)
	s.serving.Go(s.serveTCP)
	return s, nil
}

// Resolver returns a resolver that asks s.
func (s *DNSServer) Resolver() *net.Resolver {
	return &net.Resolver{
		PreferGo: true,
		Dial:     func(ctx context.Context, network, _ string) (net.Conn, error) { return s.dial(ctx, network) },
	}
}

func (s *DNSServer) dial(ctx context.Context, network string) (net.Conn, error) {
	addr := s.udp.LocalAddr()
	if strings.HasPrefix(network, "tcp") {
		addr = s.tcp.Addr()
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr.String())
}

// Change makes records what s knows from now on. They are not to be written to
// any more.
func (s *DNSServer) Change(records DNSRecords) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = records
}

// Close ends the server and waits for it.
func (s *DNSServer) Close() {
	_ = s.udp.Close() // Nothing is lost with a socket of answered questions.
	_ = s.tcp.Close()
	s.serving.Wait()
}

func (s *DNSServer) serveUDP() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return // Closed.
		}
		answer, err := s.answer(buf[:n], maxUDPAnswer)
		if err != nil {
			continue // No question: no answer.
		}
		s.udp.WriteTo(answer, from) //nolint:errcheck // Lost answers are asked for again.
	}
}

func (s *DNSServer) serveTCP() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return // Closed.
		}
		s.serving.Go(func() {
			defer func() { _ = conn.Close() }()
			s.serveConn(conn) //nolint:errcheck // Who got no answer asks again.
		})
	}
}

// serveConn answers the one question of a TCP connection.
func (s *DNSServer) serveConn(conn net.Conn) error {
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return err
	}
	question := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return err
	}
	answer, err := s.answer(question, 1<<16-1)
	if err != nil {
		return err
	}
	_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

// answer packs the reply to a question, without its records where they would
// make it larger than limit.
func (s *DNSServer) answer(question []byte, limit int) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(question)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	name := strings.ToLower(q.Name.String())
	s.mu.Lock()
	services, isService := s.records.SRV[name]
	address, isHost := s.records.A[name]
	s.mu.Unlock()
	switch {
	case isService && q.Type == dnsmessage.TypeSRV:
		for _, srv := range services {
			reply.Answers = append(reply.Answers, resource(q, &dnsmessage.SRVResource{
				Priority: srv.Priority, Weight: srv.Weight, Port: srv.Port,
				Target: dnsmessage.MustNewName(srv.Target),
			}))
		}
	case isHost && q.Type == dnsmessage.TypeA:
		a := dnsmessage.AResource{}
		copy(a.A[:], net.ParseIP(address).To4())
		reply.Answers = append(reply.Answers, resource(q, &a))
	case !isService && !isHost:
		reply.RCode = dnsmessage.RCodeNameError
	}
	packed, err := reply.Pack()
	if err != nil || len(packed) <= limit {
		return packed, err
	}
	reply.Truncated, reply.Answers = true, nil
	return reply.Pack()
}

func resource(q dnsmessage.Question, body dnsmessage.ResourceBody) dnsmessage.Resource {
	return dnsmessage.Resource{
		Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: dnsmessage.ClassINET, TTL: dnsTTL},
		Body:   body,
	}
}
