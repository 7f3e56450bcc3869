package integration

import (
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// ownTransport makes a transport that is closed with the test.
func ownTransport(t *testing.T, o client.TransportOptions) *client.Transport {
	t.Helper()
	transport := must[*client.Transport](t)(client.NewTransport(o))
	t.Cleanup(func() {
		if err := transport.Close(); err != nil {
			t.Error(err)
		}
	})
	return transport
}

// wantKeysAndWatch writes, reads and watches one key.
func wantKeysAndWatch(t *testing.T, cfg client.Config) {
	t.Helper()
	cl, ctx := newClient(t, cfg)
	kapi := client.NewKeysAPI(cl)
	set, err := kapi.Set(ctx, "/dir/a key", "one", nil)
	wantResponse(t, mustResponse(t, set, err), client.Response{Action: "set", Node: &client.Node{Key: "/dir/a key", Value: "one"}, PrevNode: set.PrevNode})
	w := kapi.Watcher("/dir", &client.WatcherOptions{Recursive: true, AfterIndex: set.Node.ModifiedIndex})
	event := next(ctx, w)
	resp, err := kapi.Set(ctx, "/dir/b", "two", nil)
	mustResponse(t, resp, err)
	wantEvent(t, <-event, "set", "/dir/b", "two")
	event = next(ctx, w)
	resp, err = kapi.Delete(ctx, "/dir", &client.DeleteOptions{Recursive: true})
	mustResponse(t, resp, err)
	if e := <-event; e.err != nil || e.resp.Action != "delete" {
		t.Errorf("got %+v, %v", e.resp, e.err)
	}
	if _, err = kapi.Get(ctx, "/dir", nil); !client.IsKeyNotFound(err) {
		t.Errorf("got %v", err)
	}
}

// TestSocket changes the working directory, in which etcd's own names of sockets
// are: it can't be parallel.
func TestSocket(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			file, advertised := harness.StartOnSocket(t, s, nil)
			t.Chdir(filepath.Dir(file))
			for name, transport := range map[string]http.RoundTripper{
				"DefaultTransport": nil,
				"NewTransport":     ownTransport(t, client.TransportOptions{}),
			} {
				for _, endpoint := range []string{"unix://" + file, advertised} {
					t.Run(name+" "+endpoint, func(t *testing.T) {
						wantKeysAndWatch(t, client.Config{Endpoints: []string{endpoint}, Transport: transport})
					})
				}
				t.Run(name+" Sync", func(t *testing.T) {
					c, ctx := newClient(t, client.Config{
						Endpoints: []string{"unix://" + file}, Transport: transport, SelectionMode: client.EndpointSelectionPrioritizeLeader,
					})
					if err := c.Sync(ctx); err != nil {
						t.Fatal(err)
					}
					if got := c.Endpoints(); !slices.Equal(got, []string{advertised, "unix://" + file}) {
						t.Errorf("got %q", got)
					}
					resp, err := client.NewKeysAPI(c).Set(ctx, "/k", "v", nil)
					mustResponse(t, resp, err)
				})
			}
			absent := "unix://" + file + ".absent"
			c, ctx := newClient(t, client.Config{Endpoints: []string{absent, "unix://" + file}})
			for range 4 { // whichever is first, a write goes to where there is somebody
				resp, err := client.NewKeysAPI(c).CreateInOrder(ctx, "/queue", "v", nil)
				mustResponse(t, resp, err)
			}
			c, ctx = newClient(t, client.Config{Endpoints: []string{absent}})
			if _, err := client.NewKeysAPI(c).Create(ctx, "/k", "v"); err == nil || errors.Is(err, client.ErrOutcomeUnknown) {
				t.Errorf("got %v where there is no socket", err)
			}
		})
	}
}

func TestSocketWithTLS(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			server := newServerTLS(t, true)
			file, advertised := harness.StartOnSocket(t, s, server)
			t.Chdir(filepath.Dir(file))
			pair := must[harness.KeyPair](t)(server.CA.Issue("client"))
			transport := ownTransport(t, client.TransportOptions{CAPEM: server.CA.PEM(), CertPEM: pair.CertPEM, KeyPEM: pair.KeyPEM})
			for _, endpoint := range []string{"unixs://" + file, advertised} {
				wantKeysAndWatch(t, client.Config{Endpoints: []string{endpoint}, Transport: transport})
			}
		})
	}
}
