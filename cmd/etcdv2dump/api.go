package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// The APIs that --api and --to-api name.
const (
	apiAuto = "auto"
	apiV2   = "v2"
	apiV3   = "v3"
)

// dialTimeout bounds the first connection to a v3 store.
const dialTimeout = 20 * time.Second

func checkAPI(flag, api string) error {
	if api != apiAuto && api != apiV2 && api != apiV3 {
		return usageErrorf("%s %q: neither auto nor v2 nor v3", flag, api)
	}
	return nil
}

// openNamed opens a store of either API, which errors call by a name.
func (a *app) openNamed(ctx context.Context, c *connection, name string) (store, string, error) {
	secure, err := c.tls()
	if err != nil {
		return store{}, "", usageError{err}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true}
	s, api, err := a.openAPI(ctx, c, transport)
	if err != nil {
		transport.CloseIdleConnections()
		if !isA[usageError](err) && !isA[*client.InvalidInputError](err) {
			err = fmt.Errorf("%s is not there: %w", name, err)
		}
		return store{}, "", err
	}
	s.name = strings.Join(redacted(c.urls()), ",")
	closeAPI := s.close
	s.close = func() {
		closeAPI()
		transport.CloseIdleConnections()
	}
	if _, err := s.Get(ctx, "/_", nil); errors.Is(err, client.ErrClusterUnavailable) || ctx.Err() != nil {
		s.close()
		return store{}, "", fmt.Errorf("%s is not there: %w", name, err)
	}
	return s, api, nil
}

func (a *app) openAPI(ctx context.Context, c *connection, transport *http.Transport) (store, string, error) {
	nothing := func() {}
	cfg := client.Config{
		Endpoints: c.urls(), Transport: transport, Username: c.username, Password: c.password,
		HeaderTimeoutPerRequest: a.connection.timeout,
	}
	switch c.api {
	case apiV2:
		native, err := client.New(cfg)
		if err != nil {
			return store{}, "", err
		}
		return store{KeysAPI: client.NewKeysAPI(native), close: nothing}, apiV2, nil
	case apiV3:
		v3, err := clientv3.New(clientv3.Config{ //nolint:contextcheck // it outlives this call
			Endpoints: c.urls(), Username: c.username, Password: c.password, TLS: transport.TLSClientConfig, DialTimeout: dialTimeout,
		})
		if err != nil {
			return store{}, "", err
		}
		return store{KeysAPI: keysapi.New(v3, keysapi.WithPrefix(c.prefix)), close: func() { _ = v3.Close() }}, apiV3, nil //nolint:errcheck // all is done
	}
	opened, err := keysapi.Open(ctx, cfg, keysapi.WithPrefix(c.prefix))
	if err != nil {
		return store{}, "", err
	}
	api := apiV2
	if opened.V3 != nil {
		api = apiV3
	}
	if api == apiV2 && c.prefix != "" {
		_ = opened.Close() //nolint:errcheck // nothing was done with it
		return store{}, "", usageErrorf("a prefix is for a v3 store, and %s has the v2 API: name the API v3, or leave the prefix out", c.urls())
	}
	return store{KeysAPI: opened.Keys, close: func() { _ = opened.Close() }}, api, nil //nolint:errcheck // all is done
}

// tls gives the configuration that the files make; the default where there are none.
func (c *connection) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.caFile != "" {
		pem, err := os.ReadFile(c.caFile)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", c.caFile)
		}
	}
	if c.certFile != "" {
		pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
