package clientv3

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"google.golang.org/grpc/attributes"
	"google.golang.org/grpc/resolver"
)

// endpoint is an address of a member, taken apart.
type endpoint struct {
	address   string // what is dialled: "host:port", or "unix:" and a path
	authority string // the name to verify certificates for
	tls       bool
}

const unixPrefix = "unix:"

// parseEndpoint takes text apart. An endpoint that does not say whether it is
// TLS is so if tlsByDefault.
func parseEndpoint(text string, tlsByDefault bool) (endpoint, error) {
	if text == "" {
		return endpoint{}, errors.New("clientv3: an empty endpoint")
	}
	scheme, rest, hasScheme := strings.Cut(text, ":")
	switch {
	case hasScheme && (scheme == "unix" || scheme == "unixs"):
		path := strings.TrimPrefix(rest, "//")
		if path == "" {
			return endpoint{}, fmt.Errorf("clientv3: endpoint %q has no path", text)
		}
		return endpoint{address: unixPrefix + path, authority: "localhost", tls: scheme == "unixs" || tlsByDefault}, nil
	case strings.Contains(text, "://"):
		return parseURL(text)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return endpoint{}, fmt.Errorf("clientv3: endpoint %q is neither a URL nor host:port", text)
	}
	if host == "" {
		text = net.JoinHostPort("localhost", port)
	}
	return endpoint{address: text, authority: text, tls: tlsByDefault}, nil
}

func parseURL(text string) (endpoint, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		// What url.Parse says repeats the text, which may have a password.
		return endpoint{}, errors.New("clientv3: an endpoint is not a URL")
	case u.User != nil:
		return endpoint{}, fmt.Errorf("clientv3: endpoint %q has a user, who belongs into Config.Username", u.Redacted())
	case u.Scheme != "http" && u.Scheme != "https":
		return endpoint{}, fmt.Errorf("clientv3: endpoint %q has the scheme %q; there are http, https, unix and unixs", text, u.Scheme)
	case u.Hostname() == "":
		return endpoint{}, fmt.Errorf("clientv3: endpoint %q has no host", text)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return endpoint{}, fmt.Errorf("clientv3: endpoint %q has more than a host and a port", text)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	address := net.JoinHostPort(u.Hostname(), port)
	return endpoint{address: address, authority: address, tls: u.Scheme == "https"}, nil
}

// tlsKey is the attribute of an address that says whether it is TLS.
type tlsKey struct{}

func (e endpoint) resolved() resolver.Address {
	return resolver.Address{
		Addr:       e.address,
		ServerName: e.authority,
		Attributes: attributes.New(tlsKey{}, e.tls),
	}
}
