package keysapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/coreos/etcd/client"
	"github.com/coreos/etcd/clientv3"
)

// Cluster is what [Open] gives: the APIs of a cluster, whichever of its versions
// serves them. Close it when it is no longer used.
type Cluster struct {
	Keys    client.KeysAPI
	Members client.MembersAPI

	// Versions are what the endpoint said that was asked.
	Versions client.Versions

	// V3 is the client below a bridge; nil where the server has the v2 API.
	V3 *clientv3.Client
}

// Close closes the v3 client, if there is one. Calls under way fail.
func (c *Cluster) Close() error {
	if c.V3 == nil {
		return nil
	}
	return c.V3.Close()
}

// Open makes the APIs for a cluster of any version. It asks one endpoint for its
// version: before 3.4 there is the v2 API; from 3.6 on there is none, and Keys and
// Members are a bridge as of [New]; between them one read of a key tells whether it is
// switched on. The choice stays: a program that runs while its cluster moves to
// another version is to call Open again, or to be started anew.
//
// A bridge uses of cfg the Endpoints, Username, Password, Quorum and StrictWrites,
// and of the Transport its TLS configuration, which an *http.Transport has as a field, and a
// *client.Transport, like anything else with that method, gives by TLSConfig. With
// another transport and https or unixs endpoints, Open fails with a
// [*client.InvalidInputError]: call New with a v3 client of your own. A user in the URL
// of an endpoint is used for all endpoints. The other fields of cfg have no effect on a
// bridge: neither a proxy or dialer of the Transport, nor HeaderTimeoutPerRequest,
// SelectionMode, CheckRedirect, MaxResponseBytes, StallInterval, Trace and
// Logger. Certificates that change are seen as far as the TLS configuration sees it.
//
// Other errors are those of [client.New] and of a read.
func Open(ctx context.Context, cfg client.Config, opts ...Option) (*Cluster, error) {
	if err := checkContext(ctx); err != nil {
		return nil, err
	}
	native, err := client.New(cfg)
	if err != nil {
		return nil, err
	}
	versions, err := native.GetVersion(ctx)
	if err != nil {
		return nil, err
	}
	opened := &Cluster{Versions: *versions, Keys: client.NewKeysAPI(native), Members: client.NewMembersAPI(native)}
	served, err := servesV2(ctx, opened.Keys, versions.Server)
	if err != nil || served {
		return opened, err
	}
	v3, err := v3Config(cfg)
	if err != nil {
		return nil, err
	}
	if opened.V3, err = clientv3.New(v3); err != nil { //nolint:contextcheck // The client outlives the call.
		return nil, callError(err, reads)
	}
	if cfg.StrictWrites {
		opts = append(opts, WithStrictWrites())
	}
	opened.Keys, opened.Members = New(opened.V3, opts...), NewMembersAPI(opened.V3)
	if cfg.Quorum {
		opened.Keys = client.QuorumReads(opened.Keys)
	}
	return opened, nil
}

// servesV2 looks for a key that is not there: a server with the v2 API says so, or
// refuses to.
func servesV2(ctx context.Context, keys client.KeysAPI, version string) (bool, error) {
	major, minor := numbers(version)
	switch {
	case major < 3 || major == 3 && minor < 4:
		return true, nil
	case major > 3 || minor > 5:
		return false, nil
	}
	_, err := keys.Get(ctx, "/_etcd_v2_served", nil)
	var said client.Error
	switch {
	case err == nil || errors.As(err, &said):
		return true, nil
	case errors.Is(err, client.ErrV2NotEnabled):
		return false, nil
	}
	return false, err
}

// numbers gives the first two numbers of a version; zero for what is none.
func numbers(version string) (major, minor int) {
	parts := strings.SplitN(version, ".", 3)
	major, _ = strconv.Atoi(parts[0]) //nolint:errcheck // see above
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1]) //nolint:errcheck // see above
	}
	return major, minor
}

// v3Config gives the configuration of a v3 client.
func v3Config(cfg client.Config) (clientv3.Config, error) {
	v3 := clientv3.Config{Username: cfg.Username, Password: cfg.Password}
	secure := false
	for _, text := range cfg.Endpoints {
		if !strings.Contains(text, "://") {
			text = "http://" + text // as package client takes it
		}
		if u, err := url.Parse(text); err == nil && u.User != nil {
			v3.Username = u.User.Username()
			v3.Password, _ = u.User.Password()
			u.User = nil
			text = u.String()
		}
		secure = secure || strings.HasPrefix(text, "https:") || strings.HasPrefix(text, "unixs:")
		v3.Endpoints = append(v3.Endpoints, text)
	}
	if !secure {
		return v3, nil
	}
	transport := cfg.Transport
	if transport == nil {
		transport = client.DefaultTransport
	}
	config, err := tlsOf(transport)
	v3.TLS = config
	return v3, err
}

// tlsOf gives the TLS configuration of a transport, which may be nil.
func tlsOf(transport http.RoundTripper) (*tls.Config, error) {
	switch t := transport.(type) {
	case *http.Transport:
		return t.TLSClientConfig.Clone(), nil
	case interface{ TLSConfig() *tls.Config }:
		return t.TLSConfig(), nil
	}
	return nil, &client.InvalidInputError{
		Field: "Transport", Value: fmt.Sprintf("%T", transport), Reason: "its TLS configuration can't be used for gRPC: make a clientv3.Client, and call New",
	}
}
