package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/coreos/etcd/client"
)

// A store is a KeysAPI with what its messages call it.
type store struct {
	client.KeysAPI
	name  string
	close func()
}

// open makes the client of the store at the URLs, or of that of --discovery-srv
// where there are none, and asks whether anybody is there: what comes later is
// patient with a cluster that does not answer, which would hide a typing error.
func (a *app) open(ctx context.Context, urls []string) (store, error) {
	conn := &a.connection
	if err := a.needPassword(ctx, conn, "--username NAME:PASSWORD or ETCDCTL_PASSWORD"); err != nil {
		return store{}, err
	}
	if conn.api != apiV2 {
		named := *conn
		named.endpoints = urls
		s, _, err := a.openNamed(ctx, &named, "the store")
		return s, err
	}
	transport, err := client.NewTransport(client.TransportOptions{
		CAFile: conn.caFile, CertFile: conn.certFile, KeyFile: conn.keyFile,
		ProxyFromEnvironment: true,
	})
	if err != nil {
		return store{}, usageError{err}
	}
	closeTransport := func() { _ = transport.Close() } //nolint:errcheck // there is nothing to lose at the end
	c, err := conn.client(ctx, transport, urls)
	if err != nil {
		closeTransport()
		return store{}, err
	}
	s := store{KeysAPI: client.NewKeysAPI(c), name: strings.Join(redacted(c.Endpoints()), ","), close: closeTransport}
	if _, err := s.Get(ctx, "/_", nil); errors.Is(err, client.ErrClusterUnavailable) || ctx.Err() != nil {
		s.close()
		return store{}, fmt.Errorf("the store is not there: %w", err)
	}
	return s, nil
}

// needPassword asks for a password that is missing.
func (a *app) needPassword(ctx context.Context, conn *connection, instead string) error {
	if conn.username == "" || conn.password != "" {
		return nil
	}
	password, err := a.askPassword(ctx, conn.username)
	if errors.Is(err, errNoTerminal) {
		return usageErrorf("user %s has no password, and there is no terminal to ask for it: use %s", conn.username, instead)
	}
	conn.password = password
	return err
}

func (c *connection) client(ctx context.Context, transport http.RoundTripper, urls []string) (client.Client, error) {
	cfg := client.Config{
		Endpoints: urls, Transport: transport,
		Username: c.username, Password: c.password,
		HeaderTimeoutPerRequest: c.timeout,
	}
	if len(urls) > 0 {
		return client.New(cfg)
	}
	return client.NewFromSRV(ctx, client.SRV{
		Domain: c.discoverySRV, Service: c.discoveryName,
		RequireTLS: !c.insecureDiscovery, AllowPlain: c.insecureDiscovery,
	}, cfg)
}

// redacted are URLs without passwords.
func redacted(endpoints []string) []string {
	names := make([]string, len(endpoints))
	for i, endpoint := range endpoints {
		names[i] = endpoint
		if u, err := url.Parse(endpoint); err == nil {
			u.User = nil
			names[i] = u.String()
		}
	}
	return names
}
