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

	"github.com/spf13/pflag"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
	"github.com/coreos/etcd/clientv3/keysapi"
)

// The APIs that --to-api names.
const (
	apiAuto = "auto"
	apiV2   = "v2"
	apiV3   = "v3"
)

// toPassword is the variable of --to-password.
const toPassword = "ETCDV2DUMP_TO_PASSWORD"

// dialTimeout bounds the first connection to a v3 store.
const dialTimeout = 20 * time.Second

// A target says how the store is reached that is moved to.
type target struct {
	connection
	api    string
	prefix string
}

func (t *target) define(flags *pflag.FlagSet) {
	flags.StringArrayVar(&t.endpoints, "to-endpoints", nil, "the new cluster's members, separated by commas: `URL,...`")
	flags.StringVar(&t.api, "to-api", apiAuto, "the `API` of the new store: v2, v3, or auto, which is v2 where it is served")
	flags.StringVar(&t.prefix, "to-prefix", "", "keep the keys below this `PREFIX` of a v3 store")
	flags.StringVar(&t.caFile, "to-ca-file", "", "trust the new servers by the authorities in this `FILE`")
	flags.StringVar(&t.certFile, "to-cert-file", "", "show them the certificate in this `FILE`")
	flags.StringVar(&t.keyFile, "to-key-file", "", "the `FILE` with the certificate's key")
	flags.StringVar(&t.username, "to-username", "", "log in there as `NAME[:PASSWORD]`; without a password the terminal asks")
	flags.StringVar(&t.password, "to-password", "", "the `PASSWORD` for --to-username; "+toPassword+" keeps it out of ps")
}

// complete checks the flags.
func (t *target) complete(env func(string) (string, bool)) error {
	switch {
	case len(t.endpoints) == 0:
		return usageErrorf("--to-endpoints says where to move")
	case t.api != apiAuto && t.api != apiV2 && t.api != apiV3:
		return usageErrorf("--to-api %q: neither auto nor v2 nor v3", t.api)
	case (t.certFile == "") != (t.keyFile == ""):
		return usageErrorf("--to-cert-file and --to-key-file go together, and one of them is missing")
	case t.password != "" && t.username == "":
		return usageErrorf("--to-password without --to-username")
	}
	if name, password, ok := strings.Cut(t.username, ":"); ok {
		t.username, t.password = name, password
	}
	if t.username != "" && t.password == "" {
		t.password, _ = env(toPassword)
	}
	return nil
}

// openSource opens the store that is moved.
func (a *app) openSource(ctx context.Context, api, prefix string) (store, error) {
	switch {
	case api == apiV2 && prefix == "":
		return a.open(ctx, a.connection.urls())
	case api != apiV2 && api != apiV3:
		return store{}, usageErrorf("--from-api %q: neither v2 nor v3", api)
	case api == apiV2:
		return store{}, usageErrorf("--from-prefix is for a v3 store: say --from-api v3")
	case a.connection.discoverySRV != "":
		return store{}, usageErrorf("--from-api v3 needs --endpoints in place of --discovery-srv")
	}
	if err := a.needPassword(ctx, &a.connection, "--username NAME:PASSWORD or ETCDCTL_PASSWORD"); err != nil {
		return store{}, err
	}
	s, _, err := a.openNamed(ctx, &target{connection: a.connection, api: api, prefix: prefix}, "the store")
	return s, err
}

// openTarget opens the store that is moved to, and says by which API.
func (a *app) openTarget(ctx context.Context, t *target) (store, string, error) {
	if err := a.needPassword(ctx, &t.connection, "--to-username NAME:PASSWORD or "+toPassword); err != nil {
		return store{}, "", err
	}
	return a.openNamed(ctx, t, "the new store")
}

// openNamed opens a store of either API, which errors call by a name.
func (a *app) openNamed(ctx context.Context, t *target, name string) (store, string, error) {
	secure, err := t.tls()
	if err != nil {
		return store{}, "", usageError{err}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: secure, ForceAttemptHTTP2: true}
	s, api, err := a.openAPI(ctx, t, transport)
	if err != nil {
		transport.CloseIdleConnections()
		if !isA[usageError](err) && !isA[*client.InvalidInputError](err) {
			err = fmt.Errorf("%s is not there: %w", name, err)
		}
		return store{}, "", err
	}
	s.name = strings.Join(redacted(t.urls()), ",")
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

func (a *app) openAPI(ctx context.Context, t *target, transport *http.Transport) (store, string, error) {
	nothing := func() {}
	cfg := client.Config{
		Endpoints: t.urls(), Transport: transport, Username: t.username, Password: t.password,
		HeaderTimeoutPerRequest: a.connection.timeout,
	}
	switch t.api {
	case apiV2:
		c, err := client.New(cfg)
		if err != nil {
			return store{}, "", err
		}
		return store{KeysAPI: client.NewKeysAPI(c), close: nothing}, apiV2, nil
	case apiV3:
		v3, err := clientv3.New(clientv3.Config{ //nolint:contextcheck // it outlives this call
			Endpoints: t.urls(), Username: t.username, Password: t.password, TLS: transport.TLSClientConfig, DialTimeout: dialTimeout,
		})
		if err != nil {
			return store{}, "", err
		}
		return store{KeysAPI: keysapi.New(v3, keysapi.WithPrefix(t.prefix)), close: func() { _ = v3.Close() }}, apiV3, nil //nolint:errcheck // all is done
	}
	opened, err := keysapi.Open(ctx, cfg, keysapi.WithPrefix(t.prefix))
	if err != nil {
		return store{}, "", err
	}
	api := apiV2
	if opened.V3 != nil {
		api = apiV3
	}
	if api == apiV2 && t.prefix != "" {
		_ = opened.Close() //nolint:errcheck // nothing was done with it
		return store{}, "", usageErrorf("--to-prefix is for a v3 store, and the new one has the v2 API: use --to-root, or --to-api v3")
	}
	return store{KeysAPI: opened.Keys, close: func() { _ = opened.Close() }}, api, nil //nolint:errcheck // all is done
}

// tls gives the configuration that the files make; the default where there are none.
func (t *target) tls() (*tls.Config, error) {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.caFile != "" {
		pem, err := os.ReadFile(t.caFile)
		if err != nil {
			return nil, err
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate", t.caFile)
		}
	}
	if t.certFile != "" {
		pair, err := tls.LoadX509KeyPair(t.certFile, t.keyFile)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
