package harness

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// StartOnSocket starts one member whose clients come by a unix socket, with TLS or
// without (nil), and returns the file of the socket when the member is healthy.
// The member tells clients the URL that etcd has for it, whose host and port are
// the file's name in the working directory. It ends with the test.
func StartOnSocket(tb testing.TB, s Server, serverTLS *ServerTLS) (file, advertised string) {
	tb.Helper()
	dir, err := os.MkdirTemp("/tmp", "etcd-") //nolint:usetesting // the name of a socket has to be short
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	own, err := ports.take(tb.Context(), 1)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { ports.give(own...) })
	name := fmt.Sprintf("localhost:%d", own[0]) // of the socket, and nobody else's
	advertised, peer := "unix://"+name, "http://127.0.0.1:"+strconv.Itoa(own[0])
	args := []string{
		"--name", "m0", "--data-dir", "data",
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "m0=" + peer,
		"--heartbeat-interval", strconv.Itoa(heartbeatMillis), "--election-timeout", strconv.Itoa(electionMillis), noSync,
	}
	if s.knowsV2() {
		args = append(args, "--enable-v2=true")
	}
	m := &Member{cluster: &Cluster{health: &http.Client{Timeout: 2 * time.Second}}, listenClient: "http://localhost"}
	var config *tls.Config
	if serverTLS != nil {
		files, failed := serverTLS.write(dir)
		if failed != nil {
			tb.Fatal(failed)
		}
		args = append(args, files.flags()...)
		advertised, m.listenClient, config = "unixs://"+name, "https://localhost", serverTLS.clientConfig()
	}
	args = append(args, "--listen-client-urls", advertised, "--advertise-client-urls", advertised)

	file = filepath.Join(dir, name)
	m.cluster.health.Transport = &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   config,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", file)
		},
	}
	log := filepath.Join(dir, "log")
	inDir := append([]string{"-c", `cd "$0" && exec "$@"`, dir, s.Path}, args...)
	if m.process, err = startProcess(tb.Context(), log, "/bin/sh", inDir...); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.process.kill)
	WaitFor(tb, startTimeout, func() error {
		err := m.healthy(tb.Context())
		if !m.process.running() {
			text, _ := os.ReadFile(filepath.Clean(log)) //nolint:errcheck // it is there to help
			tb.Fatalf("%s ended: %s", s, text)
		}
		return err
	})
	return file, advertised
}
