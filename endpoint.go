package client

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// endpoint is one address that requests can go to.
type endpoint struct {
	base  url.URL // scheme, host and base path; no credentials
	host  string  // what Host says
	path  string  // the base path, escaped, without the slash at its end
	login *login  // credentials that were in its URL; nil: Config's
	name  string  // for errors and logs: the URL as given, without credentials
	rank  int     // in a ranked list: those of a lower one are tried first

	// Shared with the endpoint's successors in later lists.
	health *endpointHealth
	counts *endpointCounts // nil: none of the client's endpoints
}

// unannounced is the rank, behind all priorities of records, of an endpoint that
// only the members tell of.
const unannounced = 1 << 16

// origin identifies the server behind the endpoint, whatever its spelling.
func (e *endpoint) origin() string { return originOf(&e.base) }

// isSame reports whether other is the same server and base path, whatever its
// spelling.
func (e *endpoint) isSame(other *endpoint) bool {
	return e.origin() == other.origin() && strings.TrimRight(e.base.Path, "/") == strings.TrimRight(other.base.Path, "/")
}

// originOf returns scheme, host and port of u in one form for all spellings:
// upper or lower case, with or without the default port or the dot at the end of
// a name, and with any spelling of an IP address.
func originOf(u *url.URL) string {
	if isSocketScheme(u.Scheme) {
		return u.Scheme + "://" + u.Host // the name of a file
	}
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case schemeHTTP:
			port = "80"
		case schemeHTTPS:
			port = "443"
		}
	}
	host := u.Hostname()
	if addr, ok := addressOf(host); ok {
		host = addr.String()
	} else {
		host = hostName(host)
	}
	return u.Scheme + "://" + net.JoinHostPort(host, strings.TrimLeft(port, "0"))
}

// hostName returns a host's name in lower case and without the dot at its end.
func hostName(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// addressOf returns the IP address that host is.
func addressOf(host string) (netip.Addr, bool) {
	addr, err := netip.ParseAddr(host)
	return addr.Unmap(), err == nil
}

// isLoopback reports whether requests to e stay on this machine: e is a unix
// socket, a loopback address, or one of the names that stand for it (RFC 6761).
func (e *endpoint) isLoopback() bool {
	if isSocketScheme(e.base.Scheme) {
		return true
	}
	if addr, ok := addressOf(e.base.Hostname()); ok {
		return addr.IsLoopback()
	}
	name := hostName(e.base.Hostname())
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}

// isUnroutable reports whether no client can be meant by e's address: 0.0.0.0 and
// ::, which members advertise whose listen address was all that was configured, and numbers
// that are no address in the usual form (127.1, 0), which some resolvers take for
// one all the same.
func (e *endpoint) isUnroutable() bool {
	if isSocketScheme(e.base.Scheme) {
		return false
	}
	if addr, ok := addressOf(e.base.Hostname()); ok {
		return addr.IsUnspecified()
	}
	name := hostName(e.base.Hostname())
	last := name[strings.LastIndexByte(name, '.')+1:]
	return strings.HasPrefix(last, "0x") || strings.Trim(last, "0123456789") == ""
}

// isEncrypted reports whether requests to u are encrypted.
func isEncrypted(u *url.URL) bool { return u.Scheme == schemeHTTPS || u.Scheme == "unixs" }

// parseEndpoint reads one endpoint as New and SetEndpoints take it. Its errors
// name it, without the password it may have.
func parseEndpoint(raw string) (*endpoint, error) {
	u, reason := parseEndpointURL(raw)
	if reason != "" {
		return nil, &InvalidInputError{Field: "endpoint", Value: withoutUserinfo(raw), Reason: reason}
	}
	l, reason := loginOf(u.User)
	if reason != "" {
		return nil, &InvalidInputError{Field: "endpoint", Value: withoutUserinfo(raw), Reason: reason}
	}
	u.User = nil
	name := u.String()
	if isSocketScheme(u.Scheme) {
		u = &url.URL{Scheme: u.Scheme, Host: socketHost(u)}
	}
	e := newEndpoint(*u)
	e.name, e.counts = name, &endpointCounts{}
	e.login = l
	return e, nil
}

// newEndpoint returns an endpoint that requests can be made for, and that is not
// kept account of yet.
func newEndpoint(base url.URL) *endpoint {
	return &endpoint{base: base, host: withoutRootDot(base.Host), path: strings.TrimRight(base.EscapedPath(), "/"), health: &endpointHealth{}}
}

// parseEndpointURL returns the URL, or the reason why it is none of an endpoint.
func parseEndpointURL(raw string) (u *url.URL, reason string) {
	text := raw
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	if strings.Count(text, "://") > 1 && !strings.Contains(text, "@") {
		return nil, "it is more than one URL"
	}
	u, err := url.Parse(text)
	if err != nil {
		// The parser's words may quote a part of a password.
		var ue *url.Error
		if errors.As(err, &ue) && withoutUserinfo(raw) == raw {
			return nil, "it is not a URL: " + ue.Err.Error()
		}
		return nil, "it is not a URL"
	}
	unix := isSocketScheme(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https" && !unix:
		return nil, "its scheme is not http, https, unix or unixs"
	case u.Opaque != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, "it has more than a scheme, a host, a port and a path"
	case unix && strings.Trim(u.Host+u.Path, "/") == "":
		return nil, "it names no socket"
	case !unix && u.Hostname() == "":
		return nil, "it has no host"
	case !unix && strings.HasSuffix(u.Host, ":"):
		return nil, "its port is empty"
	case strings.ContainsAny(u.Hostname(), " \t\r\n"):
		return nil, "its host has a space"
	case !unix && strings.Count(u.Host, ":") > 1 && u.Host[0] != '[':
		return nil, "its host has a colon; an IPv6 address goes in brackets"
	case strings.Contains(u.Path, "@"):
		return nil, "it has an @ behind the host; a slash in a password is written %2F"
	}
	if port := u.Port(); port != "" && !unix {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, "its port is not one of 1 to 65535"
		}
	}
	for element := range strings.SplitSeq(u.Path, "/") {
		if element == "." || element == ".." {
			return nil, `its path has the element "` + element + `"`
		}
	}
	return u, ""
}

// withoutUserinfo returns raw, which need not even be a URL, without what may be a
// secret: a user and a password, a query, a fragment, and where there is no "@" what
// follows the host and is no port.
func withoutUserinfo(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if !found || strings.ContainsAny(scheme, ":/@") {
		scheme, rest = "", raw
	} else {
		scheme += "://"
	}
	query, at := strings.IndexAny(rest, "?#"), strings.LastIndexByte(rest, '@')
	switch {
	case query >= 0 && query < at:
		return scheme + "…" // what is before the @ may be a query or a password
	case query >= 0 && query+1 < len(rest):
		rest = rest[:query+1] + "…"
	}
	if at >= 0 {
		return scheme + "…@" + rest[at+1:]
	}
	authority, _, _ := strings.Cut(rest, "/")
	host, port, _ := strings.Cut(authority, ":")
	if strings.HasPrefix(authority, "[") || strings.Trim(authority, ":.0123456789abcdefABCDEF") == "" {
		return scheme + rest // an IP address
	}
	if port, _, _ = strings.Cut(port, "?"); strings.Trim(port, ":#…0123456789") != "" {
		return scheme + host + ":…"
	}
	return scheme + rest
}

// parseEndpoints reads a whole list; the same server given twice counts once.
func parseEndpoints(raws []string) ([]*endpoint, error) {
	if len(raws) == 0 {
		return nil, ErrNoEndpoints
	}
	endpoints := make([]*endpoint, 0, len(raws))
	for _, raw := range raws {
		e, err := parseEndpoint(raw)
		if err != nil {
			return nil, err
		}
		endpoints = appendNew(endpoints, e)
	}
	return endpoints, nil
}

// appendNew appends e unless the list has that server and base path already.
func appendNew(endpoints []*endpoint, e *endpoint) []*endpoint {
	if slices.ContainsFunc(endpoints, e.isSame) {
		return endpoints
	}
	return append(endpoints, e)
}

// withoutRootDot returns host, which may have a port, without the dot that makes its
// name absolute: that is for look-ups alone (RFC 9110 knows of none).
func withoutRootDot(host string) string {
	name, port := host, ""
	if colon := strings.LastIndexByte(host, ':'); colon >= 0 {
		name, port = host[:colon], host[colon:]
	}
	if len(name) < 2 || name[len(name)-1] != '.' {
		return host
	}
	return name[:len(name)-1] + port
}
