package client

import (
	"errors"
	"net"
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
	name  string  // what people see: the URL as given, without credentials
	rank  int     // in a ranked list: those of a lower one are tried first

	// Shared with the endpoint's successors in later lists.
	suspicion  *suspicion
	standstill *standstill
	counts     *endpointCounts
}

// unannounced is the rank, behind all priorities of records, of an endpoint that
// only the members tell of.
const unannounced = 1 << 16

// origin identifies the server behind the endpoint, whatever its spelling.
func (e *endpoint) origin() string { return originOf(&e.base) }

// isSame reports whether other is the same place, whatever its spelling.
func (e *endpoint) isSame(other *endpoint) bool {
	return e.origin() == other.origin() && e.base.Path == other.base.Path
}

func originOf(u *url.URL) string {
	if isSocketScheme(u.Scheme) {
		return u.Scheme + "://" + u.Host // the name of a file
	}
	port := u.Port()
	if port == "" {
		switch u.Scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		}
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") // absolute or not, it is the same
	return u.Scheme + "://" + net.JoinHostPort(host, port)
}

// parseEndpoint reads one endpoint as New and SetEndpoints take it. Its errors
// name it, without the password it may have.
func parseEndpoint(raw string) (*endpoint, error) {
	u, reason := parseEndpointURL(raw)
	if reason != "" {
		return nil, &InvalidInputError{Field: "endpoint", Value: withoutUserinfo(raw), Reason: reason}
	}
	user := u.User
	u.User = nil
	name := u.String()
	if isSocketScheme(u.Scheme) {
		u = &url.URL{Scheme: u.Scheme, Host: socketHost(u)}
	}
	e := newEndpoint(*u)
	e.name, e.suspicion, e.standstill, e.counts = name, &suspicion{}, &standstill{}, &endpointCounts{}
	if user != nil {
		password, _ := user.Password()
		e.login = newLogin(user.Username(), password)
	}
	return e, nil
}

// newEndpoint makes an endpoint that requests can be made for, and that is not
// kept account of yet.
func newEndpoint(base url.URL) *endpoint {
	return &endpoint{base: base, host: withoutRootDot(base.Host), path: strings.TrimSuffix(base.EscapedPath(), "/")}
}

// parseEndpointURL gives the URL, or the reason why it is none of an endpoint.
func parseEndpointURL(raw string) (u *url.URL, reason string) {
	text := raw
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		// The parser's words may quote a part of a password.
		var ue *url.Error
		if errors.As(err, &ue) && !strings.Contains(raw, "@") {
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

// withoutUserinfo cuts what may be a user and a password out of a URL that may
// not even be one.
func withoutUserinfo(raw string) string {
	at := strings.LastIndexByte(raw, '@')
	if at < 0 {
		return raw
	}
	scheme, _, found := strings.Cut(raw[:at], "://")
	if !found || strings.ContainsAny(scheme, ":/@") {
		return "…@" + raw[at+1:]
	}
	return scheme + "://…@" + raw[at+1:]
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

// withoutRootDot gives host, which may have a port, without the dot that makes its
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
