package integration

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// front is an address of a member that can be given up.
func front(t *testing.T, m *harness.Member) *httptest.Server {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(must[*url.URL](t)(url.Parse(m.ClientURL())))
	proxy.FlushInterval = -1 // The header of a watch is not held back.
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s
}

// give puts an end to a front, with all that goes on there.
func give(s *httptest.Server) {
	_ = s.Listener.Close() // Close closes it again.
	s.CloseClientConnections()
	s.Close()
}

// recordOf makes host the only one of the service, at the port of rawURL.
func recordOf(t *testing.T, service, host, rawURL string) harness.DNSRecords {
	t.Helper()
	u := must[*url.URL](t)(url.Parse(rawURL))
	port := must[int](t)(strconv.Atoi(u.Port()))
	return harness.DNSRecords{
		SRV: map[string][]net.SRV{"_" + service + "._tcp.example.com.": {{Target: host + ".", Port: uint16(port)}}},
		A:   map[string]string{host + ".": u.Hostname()},
	}
}

// The cluster moves to another port, and nobody tells the client.
func TestSRVRecordsChangeWhileAClientRuns(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{})
			before, after := front(t, c.Member(0)), front(t, c.Member(0))
			dns := harness.UseDNS(t, recordOf(t, "etcd-client", "m0.example.com", before.URL))
			transport := newRecorder(t)
			ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
			defer cancel()
			cl := must[client.Client](t)(client.NewFromSRV(ctx, client.SRV{Domain: "example.com", AllowPlain: true}, client.Config{Transport: transport}))
			kapi := client.NewKeysAPI(cl)
			set, err := kapi.Set(ctx, "/k", "before", nil)
			mustResponse(t, set, err)

			events := make(chan string, 1)
			go func() {
				event, watchErr := kapi.Watcher("/k", nil).Next(ctx)
				if watchErr != nil {
					events <- watchErr.Error()
					return
				}
				events <- event.Node.Value
			}()
			transport.waitWatches(t, 1)

			dns.Change(recordOf(t, "etcd-client", "moved.example.com", after.URL))
			give(before)
			// The first of them finds out; each is answered.
			for range 3 {
				get, getErr := kapi.Get(ctx, "/k", nil)
				mustResponse(t, get, getErr)
			}
			swapped, err := kapi.Set(ctx, "/k", "after", &client.SetOptions{PrevIndex: set.Node.ModifiedIndex})
			mustResponse(t, swapped, err)
			if event := <-events; event != "after" {
				t.Errorf("the watch got %q", event)
			}
			moved := fmt.Sprintf("http://moved.example.com.:%s", must[*url.URL](t)(url.Parse(after.URL)).Port())
			if diff := cmp.Diff([]string{moved}, cl.Endpoints()); diff != "" {
				t.Errorf("endpoints (-want +got):\n%s", diff)
			}

			// The member advertises a loopback address: it is not adopted by a client
			// that reached the cluster by another name.
			if err := cl.Sync(ctx); !errors.Is(err, client.ErrNoEndpoints) {
				t.Errorf("Sync: %v", err)
			}
			if diff := cmp.Diff([]string{moved}, cl.Endpoints()); diff != "" {
				t.Errorf("endpoints after Sync (-want +got):\n%s", diff)
			}
		})
	}
}

// With credentials and over TLS: the name of the target is dialled and verified,
// and a record that is forged later leads nowhere.
func TestSRVClientOverTLSWithNames(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			server := newServerTLS(t, false, "m0.example.com")
			c := harness.Start(t, s, harness.Options{TLS: server})
			dns := harness.UseDNS(t, recordOf(t, "etcd-client-ssl", "m0.example.com", c.Member(0).ClientURL()))
			ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
			defer cancel()
			newSRVClient := func() (client.Client, error) {
				cfg := client.Config{Transport: trusting(t, server.CA).base, Username: "root", Password: "pw"}
				return client.NewFromSRV(ctx, client.SRV{Domain: "example.com"}, cfg)
			}
			cl := must[client.Client](t)(newSRVClient())
			kapi := client.NewKeysAPI(cl)
			resp, err := kapi.Set(ctx, "/k", "v", nil)
			mustResponse(t, resp, err)
			endpoints := cl.Endpoints()

			for _, forged := range []harness.DNSRecords{
				recordOf(t, "etcd-client-ssl", "m0.example.org", c.Member(0).ClientURL()),
				recordOf(t, "etcd-client", "m0.example.com", c.Member(0).ClientURL()),
			} {
				// The address of the good name stays known.
				forged.A["m0.example.com."] = "127.0.0.1"
				dns.Change(forged)
				var refused *client.SRVTargetError
				if _, err := newSRVClient(); !errors.As(err, &refused) && !errors.Is(err, client.ErrPlainRefused) {
					t.Errorf("a new client: %v", err)
				}
				if err := cl.Sync(ctx); !errors.Is(err, client.ErrNoEndpoints) { // as above
					t.Errorf("Sync: %v", err)
				}
				if got := cl.Endpoints(); got[0] != endpoints[0] {
					t.Errorf("endpoints are %q, were %q", got, endpoints)
				}
			}

			// A name below the domain that the certificate is not for.
			dns.Change(recordOf(t, "etcd-client-ssl", "m1.example.com", c.Member(0).ClientURL()))
			stranger := must[client.Client](t)(newSRVClient())
			short, cancelShort := context.WithTimeout(ctx, 5*time.Second)
			defer cancelShort()
			if _, err := client.NewKeysAPI(stranger).Get(short, "/k", nil); err == nil || !errors.Is(err, client.ErrClusterUnavailable) {
				t.Errorf("a name that the certificate is not for: %v", err)
			}
		})
	}
}
