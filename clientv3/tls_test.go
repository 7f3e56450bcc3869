package clientv3_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/coreos/etcd/clientv3"
)

// serveTLS starts a member that demands certificates of a, and tells the names
// in those of its clients.
func serveTLS(t *testing.T, a *authority, listener net.Listener) (m *member, names func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	config := &tls.Config{
		Certificates: []tls.Certificate{a.certificate("server")},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    a.pool(),
	}
	answer := func(ctx context.Context, message any) (any, error) {
		p, _ := peer.FromContext(ctx)
		info := p.AuthInfo.(credentials.TLSInfo)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, info.State.PeerCertificates[0].Subject.CommonName)
		return answerEmpty(ctx, message)
	}
	m = serveOn(t, listener, answer, grpc.Creds(credentials.NewTLS(config)))
	return m, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func TestTLS(t *testing.T) {
	a := newAuthority(t)
	config := &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.certificate("client")}}
	path := filepath.Join(t.TempDir(), "etcd.sock")
	tcp, names := serveTLS(t, a, listen(t, "tcp", "127.0.0.1:0"))
	serveTLS(t, a, listen(t, "unix", path))
	for _, endpoint := range []string{tcp.addr, "https://" + tcp.addr, "unixs://" + path, "unix:" + path} {
		c := connect(t, clientv3.Config{Endpoints: []string{endpoint}, TLS: config, DialTimeout: patience})
		if _, err := c.Put(soon(t), "k", "v"); err != nil {
			t.Errorf("%s: %v", endpoint, err)
		}
		if _, err := c.Status(soon(t), endpoint); err != nil {
			t.Errorf("status of %s: %v", endpoint, err)
		}
	}
	if got := names(); len(got) == 0 || got[0] != "client" {
		t.Errorf("clients are %v", got)
	}
}

// TestPlainAndTLSEndpoints has both at once, as while a cluster moves to TLS.
func TestPlainAndTLSEndpoints(t *testing.T) {
	a := newAuthority(t)
	plain := serve(t, answerEmpty)
	secure, _ := serveTLS(t, a, listen(t, "tcp", "127.0.0.1:0"))
	c := connect(t, clientv3.Config{
		Endpoints: []string{"http://" + plain.addr, "https://" + secure.addr},
		TLS:       &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.certificate("client")}},
	})
	await(t, "both serve", func() bool {
		if _, err := c.Get(soon(t), "k"); err != nil {
			t.Fatal(err)
		}
		return len(plain.got()) > 0 && len(secure.got()) > 0
	})
}

// TestSyncDoesNotGiveUpTLS has a member advertise a plain endpoint, where the
// token would be seen by all.
func TestSyncDoesNotGiveUpTLS(t *testing.T) {
	a := newAuthority(t)
	m, _ := serveTLS(t, a, listen(t, "tcp", "127.0.0.1:0"))
	c := connect(t, clientv3.Config{
		Endpoints: []string{m.addr},
		TLS:       &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{a.certificate("client")}},
	})
	var urls atomic.Pointer[[]string]
	m.mu.Lock()
	m.answer = membership(&urls)
	m.mu.Unlock()
	urls.Store(&[]string{"https://" + m.addr})
	if err := c.Sync(soon(t)); err != nil {
		t.Fatal(err)
	}
	urls.Store(&[]string{"https://" + m.addr, "http://h:1"})
	if err := c.Sync(soon(t)); err == nil || !strings.Contains(err.Error(), `"http://h:1"`) {
		t.Errorf("got error %v", err)
	}
	if got := c.Endpoints(); !slices.Equal(got, []string{"https://" + m.addr}) {
		t.Errorf("endpoints are %v", got)
	}
}

func TestTLSFailuresAreTold(t *testing.T) {
	a := newAuthority(t)
	m, _ := serveTLS(t, a, listen(t, "tcp", "127.0.0.1:0"))
	client := a.certificate("client")
	for says, cfg := range map[string]clientv3.Config{
		"unknown authority": {Endpoints: []string{"https://" + m.addr}},
		"valid for":         {Endpoints: []string{m.addr}, TLS: &tls.Config{RootCAs: a.pool(), Certificates: []tls.Certificate{client}, ServerName: "elsewhere"}},
	} {
		c := connect(t, cfg)
		_, err := c.Get(soon(t), "k")
		if got := fmt.Sprint(c.Errors()); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), says) ||
			!strings.Contains(got, says) || !strings.Contains(got, m.addr) {
			t.Errorf("%s: %v, Errors %s", says, err, got)
		}
	}
}
