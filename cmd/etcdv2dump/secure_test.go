package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

const securePassword = "a:secret"

// A secureStore is one that is reached over TLS, as root with securePassword.
type secureStore struct {
	url string
	ca  []byte // in PEM
}

func startSecure(t *testing.T) secureStore {
	t.Helper()
	ca := must[*harness.CA](t)(harness.NewCA())
	cert := must[harness.KeyPair](t)(ca.Issue("server"))
	cluster := startEtcd(t, harness.Options{TLS: &harness.ServerTLS{CA: ca, Cert: cert}})
	s := secureStore{url: cluster.Endpoints()[0], ca: ca.PEM()}
	transport := must[*client.Transport](t)(client.NewTransport(client.TransportOptions{CAPEM: s.ca}))
	t.Cleanup(func() { _ = transport.Close() })
	c := must[client.Client](t)(client.New(client.Config{
		Endpoints: []string{s.url}, Transport: transport, Username: "root", Password: securePassword,
	}))
	must[*client.Response](t)(client.NewKeysAPI(c).Set(t.Context(), "/private", "v", nil))
	if err := client.NewAuthUserAPI(c).AddUser(t.Context(), "root", securePassword); err != nil {
		t.Fatal(err)
	}
	if err := client.NewAuthAPI(c).Enable(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := client.NewAuthRoleAPI(c).RemoveRole(t.Context(), "guest"); err != nil {
		t.Fatal(err) // Who gives no name could do everything as before.
	}
	return s
}

// TestTLSAndUsers exports over TLS, by each way to name a user.
func TestTLSAndUsers(t *testing.T) {
	s := startSecure(t)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, s.ca, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		env  map[string]string
		args string
		want int
	}{
		{name: "v2 flags", args: "--endpoints " + s.url + " --ca-file " + ca + " -u root:" + securePassword, want: exitDone},
		{name: "v3 flags", args: "--endpoints " + s.url + " --cacert " + ca + " --user root --password " + securePassword, want: exitDone},
		{name: "environment", env: map[string]string{
			"ETCDCTL_ENDPOINTS": strings.TrimPrefix(s.url, "https://"), "ETCDCTL_CA_FILE": ca, "ETCDCTL_USERNAME": "root:" + securePassword,
		}, want: exitDone},
		{name: "another authority", args: "--endpoints " + s.url + " -u root:" + securePassword, want: exitStore},
		{name: "another password", args: "--endpoints " + s.url + " --ca-file " + ca + " -u root:hunter2", want: exitStore},
		{name: "no password and no terminal", args: "--endpoints " + s.url + " --ca-file " + ca + " -u root", want: exitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := console{env: tt.env}
			code := c.run(t.Context(), append([]string{"export"}, strings.Fields(tt.args)...)...)
			if code != tt.want {
				t.Errorf("exit code %d, want %d\n%s", code, tt.want, &c.stderr)
			}
			if got := strings.Contains(c.stdout.String(), `"/private"`); got != (tt.want == exitDone) {
				t.Errorf("exported: %v\n%s", got, c.stdout.String())
			}
			if said := c.stderr.String(); strings.Contains(said, securePassword) || strings.Contains(said, "hunter2") {
				t.Errorf("a password is printed: %s", said)
			}
		})
	}
}
