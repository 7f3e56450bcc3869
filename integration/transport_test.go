package integration

import (
	"errors"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// replaceFile makes a file of the content, by renaming: nobody sees a part of it.
func replaceFile(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCertificatesAreReplacedWhileTheClientRuns leaves one client and one watch
// running while the client's certificate, the server's and its authority change.
func TestCertificatesAreReplacedWhileTheClientRuns(t *testing.T) {
	for _, s := range harness.Servers(t) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			server, serverDir, dir := newServerTLS(t, true), t.TempDir(), t.TempDir()
			c := must[*harness.Cluster](t)(harness.StartCluster(t.Context(), s, harness.Options{TLS: server, Dir: serverDir}))
			t.Cleanup(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			showClient := func(ca *harness.CA) {
				pair := must[harness.KeyPair](t)(ca.Issue("client"))
				replaceFile(t, dir, "cert.pem", pair.CertPEM)
				replaceFile(t, dir, "key.pem", pair.KeyPEM)
			}
			showServer := func(ca *harness.CA) { // etcd looks at its files in each handshake, too
				pair := must[harness.KeyPair](t)(ca.Issue("server"))
				replaceFile(t, serverDir, "server.crt", pair.CertPEM)
				replaceFile(t, serverDir, "server.key", pair.KeyPEM)
			}
			stranger := must[*harness.CA](t)(harness.NewCA())
			showClient(server.CA)
			reported := make(chan error, 100)
			transport := ownTransport(t, client.TransportOptions{
				CAFile:       replaceFile(t, dir, "ca.pem", server.CA.PEM()),
				CertFile:     filepath.Join(dir, "cert.pem"),
				KeyFile:      filepath.Join(dir, "key.pem"),
				DisableHTTP2: true, // the watch has a connection of its own
				ReloadError:  func(err error) { reported <- err },
			})
			cl, ctx := newClient(t, client.Config{Endpoints: c.Endpoints(), Transport: transport})
			kapi := client.NewKeysAPI(cl)
			set := func(value string) error {
				transport.CloseIdleConnections() // so that there is a handshake
				_, err := kapi.Set(ctx, "/k", value, nil)
				return err
			}
			wantSet := func(value string, want bool) {
				t.Helper()
				if err := set(value); (err == nil) != want {
					t.Errorf("%s: %v", value, err)
				}
			}
			wantSet("as at first", true)
			taken := make(chan struct{}, 1)
			watching := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() {
				select {
				case taken <- struct{}{}:
				default:
				}
			}})
			event := next(watching, kapi.Watcher("/other", nil))
			<-taken // a poll on its way must not meet a certificate that is not trusted

			showClient(stranger)
			wantSet("with a certificate that the server does not trust", false)
			showClient(server.CA)
			wantSet("with a new certificate", true)

			showServer(stranger)
			wantSet("to a server that the client does not trust", false)
			// Requests look at the file at most once a second.
			replaceFile(t, dir, "ca.pem", stranger.PEM()[:100])
			var reload error
			harness.WaitFor(t, callTimeout, func() error {
				wantSet("to it, with half of the file there", false)
				select {
				case reload = <-reported:
					return nil
				default:
					return errors.New("nothing is reported")
				}
			})
			var invalid *client.InvalidInputError
			if !errors.As(reload, &invalid) || invalid.Field != "CAFile" {
				t.Errorf("reported %v", reload)
			}
			replaceFile(t, dir, "ca.pem", stranger.PEM())
			harness.WaitFor(t, callTimeout, func() error { return set("with the new authority") })

			resp, err := kapi.Set(ctx, "/other", "v", nil)
			mustResponse(t, resp, err)
			wantEvent(t, <-event, "set", "/other", "v")
		})
	}
}
