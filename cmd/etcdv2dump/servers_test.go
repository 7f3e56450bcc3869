package main

import (
	"context"
	"strings"
	"testing"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/client/integration/harness"
)

// startEtcd starts an etcd 3.5 of one member that ends with the test.
func startEtcd(t *testing.T, o harness.Options) *harness.Cluster {
	t.Helper()
	server, err := harness.BuildEtcd35(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return harness.Start(t, server, o)
}

// keysOf gives access to a store past the command.
func keysOf(t *testing.T, endpoints ...string) client.KeysAPI {
	t.Helper()
	transport, err := client.NewTransport(client.TransportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = transport.Close() })
	c, err := client.New(client.Config{Endpoints: endpoints, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	return client.NewKeysAPI(c)
}

// must returns a value without its error, which fails the test.
func must[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A console is the surroundings of a run in the test's own process.
type console struct {
	env            map[string]string
	stdin          string
	stdout, stderr strings.Builder
}

// run runs the command and returns its exit code.
func (c *console) run(ctx context.Context, args ...string) int {
	return run(ctx, args, surroundings{
		env:    func(name string) (string, bool) { v, ok := c.env[name]; return v, ok },
		stdin:  strings.NewReader(c.stdin),
		stdout: &c.stdout, stderr: &c.stderr,
		tty: "/no/terminal",
	})
}
