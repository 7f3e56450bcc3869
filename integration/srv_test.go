package integration

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// records announces the cluster's members as hosts m0, m1, … of example.com
// under the given service, and returns the endpoints that make these hosts.
func records(t *testing.T, c *harness.Cluster, service string) (harness.DNSRecords, []string) {
	t.Helper()
	r := harness.DNSRecords{SRV: map[string][]net.SRV{}, A: map[string]string{}}
	endpoints := make([]string, 0, len(c.Members()))
	for _, m := range c.Members() {
		u := must[*url.URL](t)(url.Parse(m.ClientURL()))
		port := must[int](t)(strconv.Atoi(u.Port()))
		host := m.Name() + ".example.com"
		r.A[host+"."] = u.Hostname()
		name := fmt.Sprintf("_%s._tcp.example.com.", service)
		r.SRV[name] = append(r.SRV[name], net.SRV{Target: host + ".", Port: uint16(port)})
		endpoints = append(endpoints, fmt.Sprintf("%s://%s:%d", u.Scheme, host, port))
	}
	return r, endpoints
}

// wantDiscovered checks what is found, in any order, and that a client of it works.
func wantDiscovered(t *testing.T, want []string, transport client.CancelableTransport, service ...string) {
	t.Helper()
	got := must[[]string](t)(client.NewSRVDiscover().Discover("example.com", service...))
	cl, ctx := newClient(t, client.Config{Endpoints: got, Transport: transport})
	resp, err := client.NewKeysAPI(cl).Set(ctx, "/k", "v", nil)
	mustResponse(t, resp, err)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("endpoints (-want +got):\n%s", diff)
	}
}

func TestSRV(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			c := harness.Start(t, s, harness.Options{Members: 3})
			for name, tt := range map[string]struct {
				record string
				args   []string
			}{
				"without a service name": {"etcd-client", nil},
				"with an empty one":      {"etcd-client", []string{""}},
				"with a service name":    {"etcd-client-blue", []string{"blue"}},
			} {
				t.Run(name, func(t *testing.T) {
					r, endpoints := records(t, c, tt.record)
					harness.UseDNS(t, r)
					transport := newRecorder(t)
					wantDiscovered(t, endpoints, transport, tt.args...)
				})
			}
		})
	}
}

func TestSRVOverTLS(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			server := newServerTLS(t, false, "m0.example.com")
			c := harness.Start(t, s, harness.Options{TLS: server})
			for service, args := range map[string][]string{"etcd-client-ssl": nil, "etcd-client-ssl-blue": {"blue"}} {
				t.Run(service, func(t *testing.T) {
					r, endpoints := records(t, c, service)
					harness.UseDNS(t, r)
					wantDiscovered(t, endpoints, trusting(t, server.CA), args...)
				})
			}
		})
	}
}

func TestSRVWithoutRecordsIsAnError(t *testing.T) {
	harness.UseDNS(t, harness.DNSRecords{})
	got, err := client.NewSRVDiscover().Discover("example.com")
	if err == nil {
		t.Errorf("found %q where there is nothing", got)
	}
}
