package client_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer answers for SRV and A records, on loopback sockets over UDP and TCP
// or, in a synctest bubble, in memory.
type dnsServer struct {
	t    *testing.T
	udp  net.PacketConn
	tcp  net.Listener
	done sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	records map[string][]dnsmessage.SRVResource
	hosts   map[string][4]byte
	rcodes  map[string]dnsmessage.RCode // in place of an answer
	silent  map[string]bool             // names that are not answered
	asked   []string                    // names, in the order they were first asked for
	slow    time.Duration               // how long an answer takes, in a bubble
	queries int
	overTCP int
}

// serveDNS serves the records, by name without the last dot, to net.DefaultResolver
// of the test: such tests must not run in parallel.
func serveDNS(t *testing.T, records map[string][]dnsmessage.SRVResource) *dnsServer {
	t.Helper()
	s := newDNSServer(t, records)
	var err error
	if s.udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if s.tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.done.Go(s.serveUDP)
	s.done.Go(s.serveTCP)
	dnsInUse.Store(s.resolver())
	t.Cleanup(func() {
		dnsInUse.Store(nil)
		s.udp.Close()
		s.tcp.Close()
		s.done.Wait()
	})
	return s
}

// dnsInUse is what answers net.DefaultResolver; nil: who answers elsewhere. The
// resolver itself is replaced before anything runs, for a probe of an earlier
// test's client may still look at it at any time.
var dnsInUse = takeOverDNS()

func takeOverDNS() *atomic.Pointer[net.Resolver] {
	inUse := new(atomic.Pointer[net.Resolver])
	net.DefaultResolver = &net.Resolver{
		PreferGo: true,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if r := inUse.Load(); r != nil {
				return r.Dial(ctx, network, address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	return inUse
}

// wakeResolver makes package net set up what all look-ups share. Were that done in
// the bubble of one test, no other could look anything up.
func wakeResolver() {
	nobody := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("nobody is asked")
	}}
	nobody.LookupSRV(context.Background(), "", "", "example.com.")
}

// newDNSServer makes a server without sockets, for memoryResolver.
func newDNSServer(t *testing.T, records map[string][]dnsmessage.SRVResource) *dnsServer {
	t.Helper()
	return &dnsServer{t: t, records: records, hosts: map[string][4]byte{}, rcodes: map[string]dnsmessage.RCode{}, silent: map[string]bool{}}
}

// resolver asks the server's sockets.
func (s *dnsServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		addr := s.udp.LocalAddr()
		if strings.HasPrefix(network, "tcp") {
			addr = s.tcp.Addr()
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr.String())
	}}
}

// memoryResolver asks the server without sockets: time in a bubble goes on.
func (s *dnsServer) memoryResolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go s.serveStream(there) // ends when the resolver closes its end
		return here, nil
	}}
}

// set changes the records from now on.
func (s *dnsServer) set(name string, records ...dnsmessage.SRVResource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.records == nil {
		s.records = map[string][]dnsmessage.SRVResource{}
	}
	s.records[name] = records
	delete(s.rcodes, name)
	delete(s.silent, name)
}

// slowDown makes answers take so long from now on.
func (s *dnsServer) slowDown(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow = by
}

// setHost returns the name the address 127.0.0.1.
func (s *dnsServer) setHost(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[name] = [4]byte{127, 0, 0, 1}
}

// fail answers for the name with the code, or not at all.
func (s *dnsServer) fail(name string, code dnsmessage.RCode, silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcodes[name], s.silent[name] = code, silent
}

// names returns what was asked for so far.
func (s *dnsServer) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// count returns how many questions came, and how many of them over streams.
func (s *dnsServer) count() (queries, overTCP int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries, s.overTCP
}

func (s *dnsServer) serveUDP() {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			return // closed: the test is over
		}
		// The resolver says that it takes 1,232 bytes.
		if answer := s.answer(buf[:n], 1232); answer != nil {
			if _, err := s.udp.WriteTo(answer, from); err != nil && !errors.Is(err, net.ErrClosed) {
				s.t.Error(err)
			}
		}
	}
}

func (s *dnsServer) serveTCP() {
	for {
		conn, err := s.tcp.Accept()
		if err != nil {
			return // closed: the test is over
		}
		s.done.Go(func() { s.serveStream(conn) })
	}
}

// serveStream answers the questions that come on conn until that is closed.
func (s *dnsServer) serveStream(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		s.mu.Lock()
		s.overTCP++
		s.mu.Unlock()
		answer := s.answer(query, 1<<16-1)
		if answer == nil {
			continue // silent: whoever asked hangs up
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer returns the answer, without its records where it would be larger than
// limit, or nil for none at all.
func (s *dnsServer) answer(query []byte, limit int) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		s.t.Error(err)
		return nil
	}
	question := m.Questions[0]
	name := strings.TrimSuffix(question.Name.String(), ".")
	reply := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true, RecursionDesired: true, RecursionAvailable: true},
		Questions: m.Questions,
	}
	add := func(body dnsmessage.ResourceBody) {
		header := dnsmessage.ResourceHeader{Name: question.Name, Type: question.Type, Class: dnsmessage.ClassINET, TTL: 1}
		reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: header, Body: body})
	}
	s.mu.Lock()
	s.queries++
	if !slices.Contains(s.asked, name) {
		s.asked = append(s.asked, name)
	}
	records, isService := s.records[name]
	address, isHost := s.hosts[name]
	silent, slow := s.silent[name], s.slow
	reply.RCode = s.rcodes[name]
	s.mu.Unlock()
	<-time.After(slow)
	switch {
	case silent:
		return nil
	case reply.RCode != dnsmessage.RCodeSuccess:
	case isService && question.Type == dnsmessage.TypeSRV:
		for _, record := range records {
			add(&record)
		}
	case isHost && question.Type == dnsmessage.TypeA:
		add(&dnsmessage.AResource{A: address})
	case !isService && !isHost:
		reply.RCode = dnsmessage.RCodeNameError
	}
	packed, err := reply.Pack()
	if err == nil && len(packed) > limit {
		reply.Truncated, reply.Answers = true, nil
		packed, err = reply.Pack()
	}
	if err != nil {
		s.t.Error(err)
		return nil
	}
	return packed
}

func srv(priority, port uint16, target string) dnsmessage.SRVResource {
	return dnsmessage.SRVResource{Priority: priority, Port: port, Target: dnsmessage.MustNewName(target)}
}

func weighted(priority, weight, port uint16, target string) dnsmessage.SRVResource {
	r := srv(priority, port, target)
	r.Weight = weight
	return r
}
