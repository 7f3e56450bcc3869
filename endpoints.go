package client

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
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
	health *endpointHealth
	counts *endpointCounts // nil: none of the client's endpoints
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
	e.name, e.counts = name, &endpointCounts{}
	if user != nil {
		password, _ := user.Password()
		e.login = newLogin(user.Username(), password)
	}
	return e, nil
}

// newEndpoint makes an endpoint that requests can be made for, and that is not
// kept account of yet.
func newEndpoint(base url.URL) *endpoint {
	return &endpoint{base: base, host: withoutRootDot(base.Host), path: strings.TrimSuffix(base.EscapedPath(), "/"), health: &endpointHealth{}}
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

// endpointList is the immutable set of endpoints in use: as given, and in the
// order in which they are tried.
type endpointList struct {
	given  []*endpoint
	order  []*endpoint
	ranked bool // the endpoints' ranks hold
}

// newEndpointList puts the first n of the endpoints into random order, so that
// the clients of a failed endpoint spread over the others, and leaves the rest,
// which are fallbacks, behind them.
func newEndpointList(endpoints []*endpoint, n int) *endpointList {
	order := slices.Clone(endpoints)
	rand.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return &endpointList{given: endpoints, order: order}
}

// endpointView is one moment of the pool: a list and the endpoint pinned in it.
type endpointView struct {
	*endpointList
	pinned int // index in order: where every call begins
}

// at gives the i-th endpoint to try, the pinned one first, then round robin.
func (v *endpointView) at(i int) *endpoint {
	return v.order[(v.pinned+i)%len(v.order)]
}

// choose gives the place of the next endpoint to try: the pinned one, then round
// robin; suspects after all others. Where ranks hold, that is the order within
// each of them. It is false when all have been tried.
func (v *endpointView) choose(tried []bool, isUnhealthy func(*endpoint) bool) (int, bool) {
	best, fallback := -1, -1
	for i := range v.order {
		switch {
		case tried[i]:
		case isUnhealthy(v.at(i)):
			fallback = v.first(fallback, i)
		case !v.ranked:
			return i, true
		default:
			best = v.first(best, i)
		}
	}
	if best < 0 {
		best = fallback
	}
	return best, best >= 0
}

// first gives which of two places comes first; i, which may be -1 for none, was
// come to before j.
func (v *endpointView) first(i, j int) int {
	if i < 0 || v.ranked && v.at(j).rank < v.at(i).rank {
		return j
	}
	return i
}

// same gives the endpoint with the origin and base path of ep, or nil.
func (v *endpointView) same(ep *endpoint) *endpoint {
	for _, known := range v.given {
		if known.isSame(ep) {
			return known
		}
	}
	return nil
}

// lookup gives the endpoint that has the origin, or nil.
func (v *endpointView) lookup(origin string) *endpoint {
	if i := v.find(origin); i >= 0 {
		return v.at(i)
	}
	return nil
}

// find gives the position, counted as at does, of the endpoint with one of
// these origins, or -1.
func (v *endpointView) find(origins ...string) int {
	for i := range v.order {
		if slices.Contains(origins, v.at(i).origin()) {
			return i
		}
	}
	return -1
}

// endpointPool holds the current view. It knows nothing of HTTP and never
// blocks: readers load the pointer, writers swap it.
type endpointPool struct {
	current atomic.Pointer[endpointView]
}

func (p *endpointPool) view() *endpointView { return p.current.Load() }

// replace puts a new list in place and keeps the pin where the endpoint it was
// on is still there.
func (p *endpointPool) replace(list *endpointList) {
	next := &endpointView{endpointList: list}
	if old := p.view(); old != nil {
		next.pinned = max(0, next.find(old.at(0).origin()))
		for _, ep := range list.given {
			// One that is in use already must not be written to.
			if known := old.same(ep); known != nil && known != ep {
				ep.health, ep.counts = known.health, known.counts
			}
		}
	}
	p.current.Store(next)
}

// pin makes the i-th endpoint of the view the one that calls begin with, unless
// the pool has moved on since: a late success must not pin an endpoint of a list
// that is gone, nor undo what a later call found out.
func (p *endpointPool) pin(from *endpointView, i int) {
	i %= len(from.order)
	if i == 0 {
		return
	}
	next := &endpointView{endpointList: from.endpointList, pinned: (from.pinned + i) % len(from.order)}
	p.current.CompareAndSwap(from, next)
}
