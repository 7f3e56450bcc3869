package main

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// TestStoreByDiscovery finds the store by SRV records for http, which is only
// done with --insecure-discovery, as in etcdctl for the v2 API.
func TestStoreByDiscovery(t *testing.T) {
	cluster := startEtcd(t, harness.Options{})
	at := must[*url.URL](t)(url.Parse(cluster.Endpoints()[0]))
	port := must[uint64](t)(strconv.ParseUint(at.Port(), 10, 16))
	must[*client.Response](t)(keysOf(t, at.String()).Set(t.Context(), "/found", "v", nil))
	harness.UseDNS(t, harness.DNSRecords{
		SRV: map[string][]net.SRV{"_etcd-client-blue._tcp.example.com.": {{Target: "m0.example.com.", Port: uint16(port)}}},
		A:   map[string]string{"m0.example.com.": "127.0.0.1"},
	})
	for _, tt := range []struct {
		args string
		env  map[string]string
		want int
	}{
		{args: "-D example.com --discovery-srv-name blue --insecure-discovery", want: exitDone},
		{args: "--insecure-discovery", env: map[string]string{"ETCDCTL_DISCOVERY_SRV": "example.com", "ETCDCTL_DISCOVERY_SRV_NAME": "blue"}, want: exitDone},
		{args: "-D example.com --discovery-srv-name blue", want: exitStore},
		{args: "-D example.com --discovery-srv-name green --insecure-discovery", want: exitStore},
	} {
		c := console{env: tt.env}
		code := c.run(t.Context(), append([]string{"export"}, strings.Fields(tt.args)...)...)
		if code != tt.want {
			t.Errorf("%s %v: exit code %d, want %d\n%s", tt.args, tt.env, code, tt.want, &c.stderr)
		}
		if got := strings.Contains(c.stdout.String(), `"/found"`); got != (tt.want == exitDone) {
			t.Errorf("%s %v: exported: %v", tt.args, tt.env, got)
		}
		if refused := !strings.Contains(tt.args, "--insecure-discovery"); refused && !strings.Contains(c.stderr.String(), "--insecure-discovery") {
			t.Errorf("%s: it does not say what would allow it: %s", tt.args, &c.stderr)
		}
	}
}
